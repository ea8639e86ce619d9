"""What the demo asks and changes. Each function is one step: its docstring is the title, its result is shown.

None of them prints or measures: the statements and their times come from the `trace` of the `DB`.
"""

from __future__ import annotations

import datetime

from rowstead import DB, Inc, IntegrityError, Now

from .models import Airline, Airport, Flight, FogDelay, HourlyDelay, Lookup, MonthlyDelay, Plane

Bars = list[tuple[str, float, str]]

EARTH_IN_MILES = 24_901


async def one_airline(db: DB) -> list[str]:
    """One row by its key."""
    airline = await db.get(Airline, carrier="UA")
    return [str(airline)]


async def longest_waits(db: DB) -> list[str]:
    """The longest waits at JFK in summer: a filter, an order, a limit."""
    flights = await db.query(
        Flight,
        where={"origin": "JFK", "month": {"between": [6, 8]}, "dep_delay": {"gte": 300}},
        order="-dep_delay,id",
        limit=5,
    )
    return [f"{f.date}  {f.carrier} {f.flight:<5} to {f.dest}  {f.dep_delay} minutes late" for f in flights]


async def lost_days(db: DB) -> list[str]:
    """Flights that never left, or left more than ten hours late: a list of filters is OR, None is NULL."""
    number = await db.count(Flight, where=[{"dep_delay": None}, {"dep_delay": {"gt": 600}}])
    return [f"{number:,} flights"]


async def old_planes(db: DB) -> list[str]:
    """Planes built before 1965 that flew: a subquery."""
    flown = {"exists": {"table": Flight, "filter": {"tailnum": "$outer.tailnum"}}}
    planes = await db.query(Plane, where={"year": {"lt": 1965}, **flown}, order="year,tailnum")
    return [f"{p.tailnum}  {p.year}  {p.manufacturer} {p.model}, {p.seats} seats" for p in planes]


async def two_pages(db: DB) -> list[str]:
    """A page of airports from north to south, and the next one by the token of the first."""
    far_north = {"lat": {"gt": 66}}
    first = await db.page(Airport, where=far_north, order="-lat", limit=3)
    second = await db.page(Airport, where=far_north, order="-lat", limit=3, after=first.next)
    return [
        f"page {first.page} of {first.pages}: " + ", ".join(a.name for a in first.rows),
        "the next one: " + ", ".join(a.name for a in second.rows),
    ]


async def miles_flown(db: DB) -> list[str]:
    """Every United flight, streamed: 5,000 rows at a time, each batch begins behind the last."""
    flights = miles = 0
    async for flight in db.iter_rows(Flight, carrier="UA", air_time={"is_null": False}, batch_size=5_000):
        flights += 1
        miles += flight.distance
    return [f"{flights:,} flights, {miles:,} miles: {miles / EARTH_IN_MILES:,.0f} times around the Earth"]


async def fog(db: DB) -> list[str]:
    """Raw SQL, typed rows: a join with the weather. Parameters are $1, $2, … on every database."""
    answers = await db.fetch_models(
        FogDelay,
        """
        SELECT w.visib < $1 AS foggy, count(*) AS flights, avg(f.dep_delay) AS mean_delay
        FROM flights f JOIN weather w ON w.origin = f.origin AND w.time_hour = f.time_hour
        WHERE f.dep_delay IS NOT NULL
        GROUP BY 1 ORDER BY 1
        """,
        2.0,
    )
    return [
        f"{'fog' if a.foggy else 'clear':<6} {a.flights:>8,} flights, mean delay {a.mean_delay:.1f} minutes"
        for a in answers
    ]


async def merge_airlines(db: DB) -> list[str]:
    """A transaction: AirTran became a part of Southwest, so its flights move and it goes. Both or neither."""
    async with db.transaction() as tx:
        moved = await tx.update_where(Flight.patch(carrier="WN"), where={"carrier": "FL"})
        gone = await tx.delete(Airline.patch(carrier="FL"))
        southwest = await tx.update(Airline.patch(carrier="WN", name="Southwest Airlines Co. and AirTran"))
    return [f"{moved:,} flights moved, {gone} airline removed: {southwest}"]


async def fail_to_remove(db: DB) -> list[str]:
    """A transaction that fails: United has flights, so it cannot go, and nothing of the block is kept."""
    before = await db.count(Flight, carrier="UA")
    try:
        async with db.transaction() as tx:
            await tx.update_where(Flight.patch(carrier="DL"), where={"carrier": "UA", "month": 1})
            await tx.delete(Airline.patch(carrier="UA"))
    except IntegrityError as error:
        after = await db.count(Flight, carrier="UA")
        return [f"{type(error).__name__}: {error}", f"United's flights: {before:,} before, {after:,} after"]
    raise AssertionError("United went although it has flights")


async def count_lookups(db: DB) -> list[str]:
    """Create or increment in one statement: an upsert with Inc and Now."""
    for airport in ("HNL", "ANC", "HNL"):
        patch = Lookup.patch(airport=airport, times=Inc(), last_at=Now())
        await db.insert(patch, on_conflict="upsert")
    lookups = await db.query(Lookup, order="-times,airport")
    return [f"{lookup.airport}: {lookup.times}, last at {lookup.last_at:%H:%M:%S} UTC" for lookup in lookups]


async def look_first(db: DB) -> list[str]:
    """Looking before running: the statement of a call, and the database's plan for it."""
    late = {"origin": "EWR", "dep_delay": {"gt": 600}}
    query = db.compose("query", Flight, where=late)
    plan = await db.explain("query", Flight, where=late)
    return [f"{query.sql}", f"with {query.params}", *plan.splitlines()]


async def delays_by_month(db: DB) -> Bars:
    """Mean departure delay by month, and of how many flights."""
    months = await db.fetch_models(
        MonthlyDelay,
        "SELECT month, count(*) AS flights, avg(dep_delay) AS mean_delay FROM flights"
        " WHERE dep_delay IS NOT NULL GROUP BY month ORDER BY month",
    )
    return [
        (f"{datetime.date(2013, m.month, 1):%b}", m.mean_delay, f"{m.mean_delay:.1f} min of {m.flights:,}")
        for m in months
    ]


async def delays_by_hour(db: DB) -> Bars:
    """Mean departure delay by the hour of the timetable."""
    hours = await db.fetch_models(
        HourlyDelay,
        "SELECT hour, count(*) AS flights, avg(dep_delay) AS mean_delay FROM flights"
        " WHERE dep_delay IS NOT NULL GROUP BY hour ORDER BY hour",
    )
    return [(f"{h.hour:02}:00", h.mean_delay, f"{h.mean_delay:.1f} min") for h in hours]


STEPS = (
    one_airline,
    longest_waits,
    lost_days,
    old_planes,
    two_pages,
    miles_flown,
    fog,
    merge_airlines,
    fail_to_remove,
    count_lookups,
    look_first,
)
PLOTS = (delays_by_month, delays_by_hour)
