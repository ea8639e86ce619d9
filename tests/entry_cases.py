"""A table with NULLs in every column that may hold one, for walks and pages."""

import datetime
import random
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime

from rowstead import Row

UTC = datetime.UTC


class Entry(Row):
    __table__ = "entries"
    id: int
    a: int | None = None
    b: str | None = None
    price: Decimal | None = None
    seen: AwareDatetime | None = None
    group: int = 0


class Pair(Row):
    __table__ = "pairs"
    __pk__ = ("left", "right")
    left: int
    right: str
    rank: int | None = None


ENTRIES = """
CREATE TABLE entries (
    id {int} PRIMARY KEY, a {int}, b {sorted_text}, price {decimal}, seen {timestamptz},
    "group" {int} NOT NULL DEFAULT 0
)
"""
TEXTS = ["", "a", "A", "ab", "b", "ä", "z", "Z%", "_"]


def entry(id: int, source: random.Random) -> Entry:
    def maybe(value: Any) -> Any:
        return None if source.random() < 0.25 else value

    return Entry(
        id=id,
        a=maybe(source.randrange(6)),
        b=maybe(source.choice(TEXTS)),
        price=maybe(Decimal(source.choice(["0.5", "9", "10", "-1", "1e-20", "12345678901234567890.5"]))),
        seen=maybe(datetime.datetime(2024, 1, source.randrange(1, 5), tzinfo=UTC)),
        group=source.randrange(3),
    )
