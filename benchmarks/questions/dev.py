"""The half that prompts and loops are worked on with. Read it, run it, look at every answer."""

from __future__ import annotations

import datetime as dt
from typing import Any

from . import contexts
from .needles import add_needles, standard_prose
from .question import Half, least, most, only, row_with_least, row_with_most, stated, top
from .scoring import Name, Names

DEV = Half("dev")

ask = DEV.about("flights", contexts.flights)


@ask("How many flights left from JFK?")
def flights_from_jfk(flights: Any) -> int:
    return int((flights["origin"] == "JFK").sum())


@ask("How many flights left LGA in December with a departure delay of more than 60 minutes?")
def flights_late_december(flights: Any) -> int:
    late = (flights["origin"] == "LGA") & (flights["month"] == 12) & (flights["dep_delay"] > 60)
    return int(late.sum())


@ask("What percentage of the flights from EWR cover more than 1,000 miles?")
def flights_long_share(flights: Any) -> float:
    return float((flights.loc[flights["origin"] == "EWR", "distance"] > 1000).mean() * 100)


@ask("Which carrier has the highest average arrival delay?")
def flights_worst_carrier(flights: Any) -> Name:
    return most(flights.groupby("carrier")["arr_delay"].mean())


@ask("To which destination do the most flights from EWR go?")
def flights_busiest_destination(flights: Any) -> Name:
    return most(flights.loc[flights["origin"] == "EWR", "dest"].value_counts())


@ask("What is the destination of the longest flight by distance?")
def flights_longest(flights: Any) -> Name:
    return row_with_most(flights, "distance", "dest")


@ask("By how many minutes is the average departure delay in July higher than in November?")
def flights_july_november(flights: Any) -> float:
    mean = flights.groupby("month")["dep_delay"].mean()
    return float(mean[7] - mean[11])


@ask("How many different tail numbers are there, missing ones not counted?")
def flights_tail_numbers(flights: Any) -> int:
    return int(flights["tailnum"].nunique())


@ask("What is the median air time of the flights to LAX?")
def flights_median_air_time(flights: Any) -> float:
    return float(flights.loc[flights["dest"] == "LAX", "air_time"].median())


@ask("How strongly are distance and air time correlated (Pearson)?")
def flights_correlation(flights: Any) -> float:
    return float(flights["distance"].corr(flights["air_time"]))


@ask("In which month (1 to 12) were the most flights cancelled, that is without a departure time?")
def flights_cancelled_month(flights: Any) -> int:
    return int(most(flights.loc[flights["dep_time"].isna(), "month"].value_counts()).forms[0])


@ask("Which three carriers have the most flights? Give the carrier codes, the one with the most first.")
def flights_top_carriers(flights: Any) -> Names:
    return top(flights["carrier"].value_counts(), 3)


@ask("On which date of 2013 was the average departure delay highest?")
def flights_worst_day(flights: Any) -> dt.date:
    ranked = flights.groupby(["month", "day"])["dep_delay"].mean().nlargest(2)
    if ranked.iloc[0] == ranked.iloc[1]:
        raise ValueError("two days share the highest delay")
    return dt.date(2013, *map(int, ranked.index[0]))


ask = DEV.about("cars", contexts.cars)


@ask("How many cars come from Japan?")
def cars_from_japan(cars: Any) -> int:
    return int((cars["Origin"] == "Japan").sum())


@ask("What is the average horsepower of the cars from the USA?")
def cars_usa_horsepower(cars: Any) -> float:
    return float(cars.loc[cars["Origin"] == "USA", "Horsepower"].mean())


@ask("What percentage of the cars have 8 cylinders?")
def cars_eight_cylinders(cars: Any) -> float:
    return float((cars["Cylinders"] == 8).mean() * 100)


@ask("Which car is the heaviest?")
def cars_heaviest(cars: Any) -> Name:
    return row_with_most(cars, "Weight_in_lbs", "Name")


@ask("Which origin has the best average fuel economy?")
def cars_economic_origin(cars: Any) -> Name:
    return most(cars.groupby("Origin")["Miles_per_Gallon"].mean())


@ask('How many cars have "toyota" in their name?')
def cars_toyota(cars: Any) -> int:
    return int(cars["Name"].str.contains("toyota", case=False).sum())


@ask("For how many cars is the horsepower missing?")
def cars_no_horsepower(cars: Any) -> int:
    return int(cars["Horsepower"].isna().sum())


@ask("How many cars have 4 cylinders and make more than 30 miles per gallon?")
def cars_frugal(cars: Any) -> int:
    return int(((cars["Cylinders"] == 4) & (cars["Miles_per_Gallon"] > 30)).sum())


@ask("In which year was the average miles per gallon highest?")
def cars_best_year(cars: Any) -> Name:
    year = most(cars.groupby(cars["Year"].dt.year)["Miles_per_Gallon"].mean())
    return Name((*year.forms, f"{year.forms[0]}-01-01"), year.rivals)


@ask("How much higher is the average Acceleration of the cars from Europe than that of the cars from the USA?")
def cars_acceleration(cars: Any) -> float:
    mean = cars.groupby("Origin")["Acceleration"].mean()
    return float(mean["Europe"] - mean["USA"])


@ask("What is the correlation between weight and miles per gallon?")
def cars_correlation(cars: Any) -> float:
    return float(cars["Weight_in_lbs"].corr(cars["Miles_per_Gallon"]))


@ask("How many different car names are there?")
def cars_names(cars: Any) -> int:
    return int(cars["Name"].nunique())


ask = DEV.about("penguins", contexts.penguins)


@ask("How many Adelie penguins live on Biscoe?")
def penguins_adelie_biscoe(penguins: Any) -> int:
    return int(((penguins["species"] == "Adelie") & (penguins["island"] == "Biscoe")).sum())


@ask("What percentage of the penguins whose sex is known are female?")
def penguins_female(penguins: Any) -> float:
    return float((penguins["sex"].dropna() == "female").mean() * 100)


@ask("Which species is the heaviest on average?")
def penguins_heaviest(penguins: Any) -> Name:
    return most(penguins.groupby("species")["body_mass_g"].mean())


@ask("On which island was the penguin with the shortest bill?")
def penguins_shortest_bill(penguins: Any) -> Name:
    return row_with_least(penguins, "bill_length_mm", "island")


@ask("How many penguins have no known sex?")
def penguins_sex_missing(penguins: Any) -> int:
    return int(penguins["sex"].isna().sum())


@ask("What is the median bill length of the Chinstrap penguins?")
def penguins_median_bill(penguins: Any) -> float:
    return float(penguins.loc[penguins["species"] == "Chinstrap", "bill_length_mm"].median())


@ask("By how many millimetres are the flippers of Gentoo penguins longer than those of Adelie penguins on average?")
def penguins_flippers(penguins: Any) -> float:
    mean = penguins.groupby("species")["flipper_length_mm"].mean()
    return float(mean["Gentoo"] - mean["Adelie"])


@ask("Which island has the fewest penguins?")
def penguins_rarest_island(penguins: Any) -> Name:
    return least(penguins["island"].value_counts())


@ask("In which year were the most penguins measured?")
def penguins_busiest_year(penguins: Any) -> Name:
    return most(penguins["year"].value_counts())


ask = DEV.about("sources", contexts.library, kind="text")


@ask("Which file defines the class JSONDecodeError?")
def sources_json_error(sources: dict[str, str]) -> Name:
    path = only(path for path, text in sources.items() if "class JSONDecodeError" in text).forms[0]
    return Name((path, path.removesuffix(".py").replace("/", ".")))


@ask('How many files contain the text "import threading"?')
def sources_import_threading(sources: dict[str, str]) -> int:
    return sum("import threading" in text for text in sources.values())


@ask("Which file is the longest, in characters?")
def sources_longest(sources: dict[str, str]) -> Name:
    length = max(map(len, sources.values()))
    return only(path for path, text in sources.items() if len(text) == length)


@ask("How many files contain the word TODO, written in capital letters?")
def sources_todo(sources: dict[str, str]) -> int:
    return sum("TODO" in text for text in sources.values())


ask = DEV.about("topics", contexts.topics, kind="text")


@ask("Which topic has the longest text?")
def topics_longest(topics: dict[str, str]) -> Name:
    length = max(map(len, topics.values()))
    return only(topic for topic, text in topics.items() if len(text) == length)


@ask('How many topics contain the text "generator", whatever the case?')
def topics_generator(topics: dict[str, str]) -> int:
    return sum("generator" in text.lower() for text in topics.values())


ask = DEV.about("manual", contexts.manual, kind="text")


@ask("According to the text, what is a variable called that is used in a code block but not defined there?")
def manual_free_variable(manual: str) -> Name:
    return stated(
        manual, "If a variable is used in a code block but not defined there, it is a *free variable*.", "free variable"
    )


@ask("According to the text, which PEP is about the `with` statement?")
def manual_with_pep(manual: str) -> Name:
    return stated(manual, "**PEP 343** - The “with” statement", "PEP 343", "343")


@ask(
    "According to the text, which exception is raised when a name refers to a local variable that has not yet been "
    "bound to a value?"
)
def manual_unbound(manual: str) -> Name:
    passage = (
        "the name refers to a local variable that has not yet been bound to a value at the point where the name is used, "
        'an "UnboundLocalError" exception is raised'
    )
    return stated(manual, passage, "UnboundLocalError")


@ask('How many times does "PEP" occur in the text, in capital letters?')
def manual_peps(manual: str) -> int:
    return manual.count("PEP")


ask = DEV.about("jargon", contexts.jargon, kind="text", optional=True)


@ask("What does GIGO stand for?")
def jargon_gigo(jargon: str) -> Name:
    return stated(jargon, "Garbage In, Garbage Out", "Garbage In, Garbage Out")


@ask("Who coined the term byte?")
def jargon_byte(jargon: str) -> Name:
    return stated(jargon, "The term was coined by Werner Buchholz in 1956", "Werner Buchholz", "Buchholz")


@ask("After whom was Conway's Law named?")
def jargon_conway(jargon: str) -> Name:
    return stated(jargon, "The law was named after Melvin Conway", "Melvin Conway")


@ask("What does BOFH stand for?")
def jargon_bofh(jargon: str) -> Name:
    return stated(jargon, "Acronym, Bastard Operator From Hell", "Bastard Operator From Hell")


add_needles(
    DEV,
    standard_prose,
    [
        (
            "10k",
            "The safe in the harbour office opens with the number 48213.",
            "Which number opens the safe in the harbour office?",
            48213,
        ),
        (
            "10k",
            "The first keeper of the lighthouse at Vellmar was Ottilie Brandt.",
            "Who was the first keeper of the lighthouse at Vellmar?",
            Name(("Ottilie Brandt",)),
        ),
        (
            "1m",
            "The expedition to Mount Karsok carried 7364 kilograms of supplies.",
            "How many kilograms of supplies did the expedition to Mount Karsok carry?",
            7364,
        ),
        (
            "1m",
            "The winner of the chess tournament in Doverhill was Ansel Quist.",
            "Who won the chess tournament in Doverhill?",
            Name(("Ansel Quist",)),
        ),
        (
            "10m",
            "The secret recipe of the baker in Tarnow needs 917 grams of honey.",
            "How many grams of honey does the secret recipe of the baker in Tarnow need?",
            917,
        ),
        (
            "10m",
            "The old railway bridge near Istrand was designed by Maren Vasquez.",
            "Who designed the old railway bridge near Istrand?",
            Name(("Maren Vasquez",)),
        ),
    ],
)
