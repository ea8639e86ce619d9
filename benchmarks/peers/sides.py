"""Who is compared, in which environment, and why somebody is faster where somebody is.

A side is a module of `benchmarks.workers`. Ours and the bare drivers run in this project's own
environment; every peer has one of its own, since their dependencies may clash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.harness import BARE, OURS

OURS_SYNC = f"{OURS} sync"
DATABASES = ("postgresql", "sqlite")


@dataclass(frozen=True, slots=True)
class Side:
    """A name in the tables, the worker's module, and what its environment needs (nothing: this one)."""

    name: str
    module: str
    needs: tuple[str, ...] = ()


_SQLALCHEMY = ("sqlalchemy[asyncio]>=2.0", "asyncpg", "aiosqlite", "psycopg[binary]")

SIDES: tuple[Side, ...] = (
    Side(OURS, "rowstead"),
    Side("SQLAlchemy Core", "sqlalchemy_core", _SQLALCHEMY),
    Side("SQLAlchemy ORM", "sqlalchemy_orm", _SQLALCHEMY),
    Side("SQLModel", "sqlmodel", ("sqlmodel", "sqlalchemy[asyncio]", "asyncpg", "aiosqlite")),
    Side("Tortoise", "tortoise", ("tortoise-orm[asyncpg]",)),
    Side("Piccolo", "piccolo", ("piccolo[postgres,sqlite]",)),
    Side(OURS_SYNC, "rowstead_sync"),
    Side("SQLAlchemy ORM sync", "sqlalchemy_orm_sync", _SQLALCHEMY),
    Side("Peewee", "peewee", ("peewee", "psycopg[binary]")),
    Side("Django", "django", ("django", "psycopg[binary]")),
)


def bare(database: str) -> Side:
    """The side that all ratios are to."""
    return Side(BARE, f"bare_{database}")


def sides(database: str, chosen: list[str] | None = None) -> list[Side]:
    """The bare side and ours, and the peers (those with one of `chosen` in their name)."""
    wanted = [name.lower() for name in chosen] if chosen is not None else None
    peers = [
        side
        for side in SIDES
        if not side.needs or wanted is None or any(name in side.name.lower() for name in wanted)
    ]
    return [bare(database), *peers]


_UNTYPED = (
    "Core hands on the driver's values as untyped tuples; ours are objects of the model class, and making"
    " them is the difference."
)
CORE = "SQLAlchemy Core"
REASONS: Mapping[tuple[str, str, str], str] = {
    ("postgresql", "by_age", CORE): _UNTYPED,
    ("postgresql", "first_rows", CORE): _UNTYPED,
    ("sqlite", "by_age", CORE): _UNTYPED,
    ("sqlite", "first_rows", CORE): _UNTYPED,
    ("sqlite", "insert", "Tortoise"): (
        "Both go to the database's thread and back once, which is nearly all of the time; see the hop in"
        " decisions.md."
    ),
}
"""Why a peer is faster than we are: by database, verb and side. The amount is in the table itself."""
