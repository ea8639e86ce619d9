"""Random programs from a seed: writes, reads, filters and blocks, kept or rolled back.

Few keys, codes and values, so that they meet. The same seed gives the same program on every machine.
"""

from __future__ import annotations

import datetime
import random
from decimal import Decimal
from typing import Any

from faults.differential_model import LARGEST, Step
from rowstead import Inc

IDS = range(1, 9)
CODES = "abcdefgh"
ALPHABET = "aAbB%_*?[]\\^-'\"$\n中🎈"
NUMBERS = (-3, -2, -1, 0, 1, 2, 3, LARGEST - 2, LARGEST - 1)
PRICES = tuple(
    map(
        Decimal, ("0", "1.5", "-1.5", "9", "10", "1e-20", "12345678901234567890.5", "12345678901234567890.25")
    )
)
TIMES = tuple(
    datetime.datetime(
        2024, 1, day, 23, 59, 59, micro, tzinfo=datetime.timezone(datetime.timedelta(hours=zone))
    )
    for day, micro, zone in ((1, 0, 0), (1, 1, 5), (2, 999_999, -11), (28, 500_000, 0))
)
DATA = ({"a": 1}, [1, "two", None], {"b": {"c": [1.5]}}, [], {})
ORDERED = ("n", "s", "price", "ok", "at", "code", "id")
PATTERNS = ("like", "ilike", "contains", "starts_with")
COMPARISONS = ("gt", "gte", "ge", "lt", "lte", "le")
WRITES = (
    *("insert",) * 6,
    *("ignore", "upsert", "upsert", "insert_many", "ignore_many", "upsert_many"),
    *("update", "update", "update_where", "update_where", "delete", "delete_many"),
    *("note", "note", "move_note", "drop_note", "raw_write"),
)
QUESTIONS = (
    *("get", "get", "query", "query", "query", "count", "exists", "page", "walk"),
    *("noted", "raw_read", "raw_rows", "unknown"),
)


class Author:
    """Writes programs with one source of chance."""

    def __init__(self, seed: object) -> None:
        self.chance = random.Random(f"rowstead differential {seed}")

    def program(self, steps: int, depth: int = 0) -> list[Step]:
        """About `steps` operations; blocks nest up to three levels."""
        made: list[Step] = []
        while steps > 0:
            if depth < 3 and steps > 2 and self.chance.random() < 0.12:
                inside = self.chance.randint(1, min(steps, 10))
                kinds = (
                    ("block", "block", "function") if depth else ("block", "block", "function", "readonly")
                )
                kind = self.chance.choice(kinds)
                made.append((kind, self.program(inside, depth + 1), self.chance.random() < 0.65))
                steps -= inside
            else:
                made.append(self.step())
                steps -= 1
        return made

    def step(self) -> Step:
        name = self.chance.choice(WRITES if self.chance.random() < 0.6 else QUESTIONS)
        return (name, *getattr(self, f"_{name}")())

    # Values

    def _id(self) -> int:
        return self.chance.choice(IDS)

    def _value(self, name: str) -> Any:
        if name == "id":
            return self._id()
        if name == "code":
            return self.chance.choice(CODES)
        if name == "s":
            return "".join(self.chance.choices(ALPHABET, k=self.chance.randint(0, 4)))
        choices: dict[str, Any] = {
            "n": NUMBERS,
            "price": PRICES,
            "ok": (True, False),
            "at": TIMES,
            "data": DATA,
        }
        return self.chance.choice(choices[name])

    def _some(self, name: str) -> Any:
        return None if self.chance.random() < 0.2 else self._value(name)

    def _fields(self) -> dict[str, Any]:
        """What an item is inserted with."""
        fields: dict[str, Any] = {"id": self._id(), "code": self._value("code")}
        chosen = [name for name in ("n", "s", "price", "ok", "at", "data") if self.chance.random() < 0.5]
        return fields | {name: self._some(name) for name in chosen}

    def _changes(self) -> dict[str, Any]:
        names = self.chance.sample(["n", "s", "price", "ok", "at", "data"], self.chance.randint(1, 3))
        fields = {name: self._some(name) for name in names}
        if self.chance.random() < 0.3:
            fields["n"] = Inc(self.chance.choice([-2, 1, 2]))
        elif self.chance.random() < 0.2:
            # Never with an Inc: of several rows each may then break another constraint, and which row
            # a database takes first is its own business.
            fields["code"] = self._value("code")
        return fields

    # Arguments of each operation

    def _insert(self) -> Step:
        fields = self._fields()
        if self.chance.random() < 0.05:
            fields["code"] = None
        if self.chance.random() < 0.05:
            fields["n"] = LARGEST
        return (fields,)

    def _ignore(self) -> Step:
        return (*self._insert(), self.chance.choice([None, None, "id", "code"]))

    def _upsert(self) -> Step:
        fields = self._fields()
        if self.chance.random() < 0.3:
            fields["n"] = Inc(self.chance.choice([-2, 1, 2]), start=10)
        elif len(fields) == 2:
            fields["n"] = self._some("n")
        return (fields, self.chance.choice(["id", "id", "code"]))

    def _insert_many(self) -> Step:
        rows = [self._fields() for _ in range(self.chance.randint(0, 5))]
        return (
            [{"n": None, "s": None, "price": None, "ok": None, "at": None, "data": None} | r for r in rows],
        )

    _ignore_many = _insert_many
    _upsert_many = _insert_many

    def _update(self) -> Step:
        return (self._id(), self._changes(), {} if self.chance.random() < 0.5 else self.filter())

    def _update_where(self) -> Step:
        # A filter that matches everything is refused.
        return (self._changes(), {"and": [self.filter()], "id": {"lte": self._id()}})

    def _delete(self) -> Step:
        return (self._id(), {} if self.chance.random() < 0.5 else self.filter())

    def _delete_many(self) -> Step:
        return (self.chance.choices(IDS, k=self.chance.randint(0, 3)),)

    def _note(self) -> Step:
        return (self._id(), self._some("id"), self._value("s"))

    def _move_note(self) -> Step:
        return (self._id(), self._some("id"))

    def _drop_note(self) -> Step:
        return (self._id(),)

    _get = _drop_note
    _raw_rows = _drop_note

    def _raw_write(self) -> Step:
        return (self._some("n"), self._id())

    def _raw_read(self) -> Step:
        return (self._value("n"), self._value("s"))

    def _query(self) -> Step:
        limit = self.chance.choice([None, 0, 1, 3])
        return (self.filter(), self._order(), limit, self.chance.choice([None, None, 0, 2]))

    def _count(self) -> Step:
        return (self.filter(),)

    _exists = _count

    def _page(self) -> Step:
        return (self.filter(), self._order(), self.chance.randint(1, 4), self.chance.choice([0, 0, 1, 3]))

    def _walk(self) -> Step:
        return (self.filter(), self._order(), self.chance.randint(1, 4))

    def _noted(self) -> Step:
        return (self.chance.choice(["exists", "not_exists", "in_subquery"]),)

    def _unknown(self) -> Step:
        return (self.chance.choice(["nn", "ID", "id; DROP TABLE items", "rowid"]),)

    def _order(self) -> list[tuple[str, bool, bool]]:
        names = self.chance.sample(ORDERED, self.chance.choice([0, 1, 1, 2]))
        return [(name, self.chance.random() < 0.5, self.chance.random() < 0.3) for name in names]

    # Filters

    def filter(self, depth: int = 0) -> Any:
        kind = self.chance.random()
        if depth >= 2 or kind < 0.55:
            return self._term()
        if kind < 0.65:
            return {**self._term(), **self._term()}
        inner = [self.filter(depth + 1) for _ in range(self.chance.randint(1, 2))]
        if kind < 0.75:
            return inner
        if kind < 0.85:
            return {self.chance.choice(["and", "or"]): inner}
        if kind < 0.95:
            return {"not": inner[0]}
        word = self.chance.choice(["exists", "not_exists"])
        name = self.chance.choice(["n", "s", "code"])
        test = self.chance.choice(["eq", "ne", "not", "gt"])
        return {word: {"table": "items", "filter": {"and": [inner[0]], name: {test: {"$outer": name}}}}}

    def _term(self) -> Any:
        name = self.chance.choice((*ORDERED, "data"))
        return {name: self._test(name)}

    def _test(self, name: str) -> Any:
        if name == "data":
            return {self.chance.choice(["is_null", "is_not_null"]): self.chance.choice([True, False])}
        kinds = ["plain", "equal", "list", "null"]
        if name != "ok":
            kinds += ["between", "order"]
        if name in ("s", "code"):
            kinds.append("pattern")
        kind = self.chance.choice(kinds)
        if kind == "plain":
            return self._some(name)
        if kind == "equal":
            return {self.chance.choice(["eq", "ne", "not"]): self._some(name)}
        if kind == "list":
            few = [self._some(name) for _ in range(self.chance.randint(0, 3))]
            return {self.chance.choice(["in", "not_in"]): few * self.chance.choice([1, 1, 1, 20])}
        if kind == "null":
            return {self.chance.choice(["is_null", "is_not_null"]): self.chance.choice([True, False])}
        if kind == "between":
            return {"between": [self._value(name), self._value(name)]}
        if kind == "pattern":
            return {self.chance.choice(PATTERNS): self._value("s")}
        return {self.chance.choice(COMPARISONS): self._value(name)}
