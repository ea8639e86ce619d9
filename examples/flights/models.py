"""The tables as Python sees them: one class each. The tables themselves are made by the migrations."""

from __future__ import annotations

import datetime

from pydantic import AwareDatetime

from rowstead import Row


class Airline(Row):
    __table__ = "airlines"
    __pk__ = ("carrier",)
    carrier: str
    name: str


class Airport(Row):
    __table__ = "airports"
    __pk__ = ("faa",)
    faa: str
    name: str
    lat: float | None = None
    lon: float | None = None
    alt: int | None = None
    tzone: str | None = None


class Plane(Row):
    __table__ = "planes"
    __pk__ = ("tailnum",)
    tailnum: str
    year: int | None = None
    manufacturer: str | None = None
    model: str | None = None
    seats: int | None = None


class Weather(Row):
    """The weather at an airport in one hour. Its key has two columns."""

    __table__ = "weather"
    __pk__ = ("origin", "time_hour")
    origin: str
    time_hour: AwareDatetime
    temp: float | None = None
    wind_speed: float | None = None
    visib: float | None = None


class Flight(Row):
    """A flight of the timetable. A delay is in minutes; None: it never left, or never arrived."""

    __table__ = "flights"
    id: int
    date: datetime.date
    month: int
    hour: int
    time_hour: AwareDatetime
    carrier: str
    flight: int
    tailnum: str | None = None
    origin: str
    dest: str
    dep_delay: int | None = None
    arr_delay: int | None = None
    air_time: int | None = None
    distance: int


class Lookup(Row):
    __table__ = "lookups"
    __pk__ = ("airport",)
    airport: str
    times: int
    last_at: AwareDatetime


class MonthlyDelay(Row):
    """What one statement of raw SQL gives; a class that only reads results needs no table."""

    month: int
    flights: int
    mean_delay: float


class HourlyDelay(Row):
    hour: int
    flights: int
    mean_delay: float


class FogDelay(Row):
    foggy: bool
    flights: int
    mean_delay: float
