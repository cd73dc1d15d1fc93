"""The half kept apart. Not to be read, nor its answers looked at, while prompts and loops are worked on.

Whoever has looked at it has only a second development half.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from . import contexts
from .needles import add_needles, scientific_prose
from .question import Half, least, most, only, row_with_least, row_with_most, stated, top
from .scoring import Name, Names

APART = Half("apart")

ask = APART.about("players", contexts.players)


@ask("How many players were born in Japan?")
def players_born_in_japan(players: Any) -> int:
    return int((players["birthCountry"] == "Japan").sum())


@ask("Which country, apart from the USA, were the most players born in?")
def players_second_country(players: Any) -> Name:
    country = most(players.loc[players["birthCountry"] != "USA", "birthCountry"].value_counts())
    return Name((*country.forms, "Dominican Republic"), country.rivals) if country.forms == ("D.R.",) else country


@ask("What is the average height of the players who throw with the left hand?")
def players_left_height(players: Any) -> float:
    return float(players.loc[players["throws"] == "L", "height"].mean())


@ask("What percentage of the players whose batting side is known bat left (L)?")
def players_bat_left(players: Any) -> float:
    return float((players["bats"].dropna() == "L").mean() * 100)


@ask("What is the last name of the heaviest player?")
def players_heaviest(players: Any) -> Name:
    return row_with_most(players, "weight", "nameLast")


@ask("For how many players is the weight missing?")
def players_no_weight(players: Any) -> int:
    return int(players["weight"].isna().sum())


@ask('How many players have a last name that begins with "Mc"?')
def players_mc(players: Any) -> int:
    return int(players["nameLast"].str.startswith("Mc").sum())


@ask("How many players were born in California (CA) in 1980 or later?")
def players_young_californians(players: Any) -> int:
    return int(((players["birthState"] == "CA") & (players["birthYear"] >= 1980)).sum())


@ask("In which month (1 to 12) were the most players born?")
def players_birth_month(players: Any) -> int:
    return int(most(players["birthMonth"].value_counts()).forms[0])


@ask("How many players had their debut in 2015?")
def players_debut_2015(players: Any) -> int:
    return int(players["debut"].str.startswith("2015", na=False).sum())


ask = APART.about("airports", contexts.airports)


@ask("How many airports are there in Texas (TX)?")
def airports_in_texas(airports: Any) -> int:
    return int((airports["state"] == "TX").sum())


@ask("Which state has the most airports?")
def airports_most_state(airports: Any) -> Name:
    return most(airports["state"].value_counts())


@ask("What is the name of the northernmost airport?")
def airports_northernmost(airports: Any) -> Name:
    return row_with_most(airports, "latitude", "name")


@ask('How many airports have "International" in their name?')
def airports_international(airports: Any) -> int:
    return int(airports["name"].str.contains("International").sum())


@ask("How many different cities are there, missing ones not counted?")
def airports_cities(airports: Any) -> int:
    return int(airports["city"].nunique())


@ask("How many airports have no city?")
def airports_no_city(airports: Any) -> int:
    return int(airports["city"].isna().sum())


@ask("What percentage of the airports lie north of 40 degrees of latitude?")
def airports_north(airports: Any) -> float:
    return float((airports["latitude"] > 40).mean() * 100)


@ask("Which are the four states with the most airports? Give their codes, the one with the most first.")
def airports_top_states(airports: Any) -> Names:
    return top(airports["state"].value_counts(), 4)


@ask(
    "By how many degrees is the median latitude of the airports in Montana (MT) higher than that of those in Florida (FL)?"
)
def airports_median_latitude(airports: Any) -> float:
    median = airports.groupby("state")["latitude"].median()
    return float(median["MT"] - median["FL"])


ask = APART.about("weather", contexts.weather)


@ask("Which origin has the highest average wind speed?")
def weather_windiest(weather: Any) -> Name:
    return most(weather.groupby("origin")["wind_speed"].mean())


@ask("In which month (1 to 12) is the average temperature highest?")
def weather_hottest_month(weather: Any) -> int:
    return int(most(weather.groupby("month")["temp"].mean()).forms[0])


@ask("How many records at JFK have a visibility below 1 mile?")
def weather_fog(weather: Any) -> int:
    return int(((weather["origin"] == "JFK") & (weather["visib"] < 1)).sum())


@ask("What is the median humidity in February?")
def weather_february(weather: Any) -> float:
    return float(weather.loc[weather["month"] == 2, "humid"].median())


@ask("What percentage of the records have precipitation above zero?")
def weather_wet(weather: Any) -> float:
    return float((weather["precip"] > 0).mean() * 100)


@ask("What is the correlation between temperature and dew point?")
def weather_correlation(weather: Any) -> float:
    return float(weather["temp"].corr(weather["dewp"]))


@ask("By how many degrees is it warmer on average at 15 hours than at 5 hours?")
def weather_afternoon(weather: Any) -> float:
    mean = weather.groupby("hour")["temp"].mean()
    return float(mean[15] - mean[5])


@ask("At which origin was the lowest temperature recorded?")
def weather_coldest(weather: Any) -> Name:
    return row_with_least(weather, "temp", "origin")


@ask("Which origin has the fewest records?")
def weather_fewest(weather: Any) -> Name:
    return least(weather["origin"].value_counts())


ask = APART.about("code", contexts.pandas_sources, kind="text")


@ask("Which file defines the function merge_asof?")
def code_merge_asof(code: dict[str, str]) -> Name:
    path = only(path for path, text in code.items() if "def merge_asof(" in text).forms[0]
    return Name((path, path.removesuffix(".py").replace("/", ".")))


@ask("Which file defines the class OptionError?")
def code_option_error(code: dict[str, str]) -> Name:
    path = only(path for path, text in code.items() if "class OptionError" in text).forms[0]
    return Name((path, path.removesuffix(".py").replace("/", ".")))


@ask('How many files contain the text "DeprecationWarning"?')
def code_deprecation(code: dict[str, str]) -> int:
    return sum("DeprecationWarning" in text for text in code.values())


@ask("How many files have more than 100,000 characters?")
def code_large(code: dict[str, str]) -> int:
    return sum(len(text) > 100_000 for text in code.values())


ask = APART.about("licences", contexts.licences, kind="text")


@ask("According to its licence, who holds the copyright of SAS7BDAT?")
def licences_sas(licences: dict[str, str]) -> Name:
    return stated("\n".join(licences.values()), "Copyright (c) 2015-2019 Jared Hobbs", "Jared Hobbs")


@ask("Which entry is the longest, in characters?")
def licences_longest(licences: dict[str, str]) -> Name:
    length = max(map(len, licences.values()))
    return only(name for name, text in licences.items() if len(text) == length)


@cache
def guide() -> str:
    """The prose of the documentation of numpy and pandas as one text."""
    return "\n\n".join(scientific_prose())


ask = APART.about("guide", guide, kind="text")


@ask("According to the text, after whom was the Hanning window named?")
def guide_hanning(guide: str) -> Name:
    return stated(guide, "The Hanning was named for Julius von Hann", "Julius von Hann", "von Hann")


@ask("According to the text, to which mathematician was the Fast Fourier Transform known as early as 1805?")
def guide_fourier(guide: str) -> Name:
    return stated(guide, "which was known to Gauss (1805)", "Gauss")


@ask('How many times does the word "Fourier" occur in the text?')
def guide_fourier_count(guide: str) -> int:
    return guide.count("Fourier")


add_needles(
    APART,
    scientific_prose,
    [
        (
            "10k",
            "The bell in the tower of Ostrava Hill weighs 3862 pounds.",
            "How many pounds does the bell in the tower of Ostrava Hill weigh?",
            3862,
        ),
        (
            "10k",
            "The map of the silver caves was drawn by Henrike Dalgaard.",
            "Who drew the map of the silver caves?",
            Name(("Henrike Dalgaard",)),
        ),
        (
            "1m",
            "The password of the observatory in Pellworth is marigold-77.",
            "What is the password of the observatory in Pellworth?",
            Name(("marigold-77",)),
        ),
        (
            "1m",
            "The ferry to Skarholm was built with 5291 rivets.",
            "With how many rivets was the ferry to Skarholm built?",
            5291,
        ),
        (
            "10m",
            "The mayor of Lindenfurt keeps 648 pigeons behind the town hall.",
            "How many pigeons does the mayor of Lindenfurt keep?",
            648,
        ),
        (
            "10m",
            "The clock of the abbey at Morvane was repaired by Tobias Renko.",
            "Who repaired the clock of the abbey at Morvane?",
            Name(("Tobias Renko",)),
        ),
    ],
)
