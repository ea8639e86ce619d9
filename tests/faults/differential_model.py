"""What two tables would hold, by Python alone: the reference that the databases are compared with.

Items have a key, a unique code and a check; notes refer to items. Every operation answers as the same
call of `rowstead.DB` does, or raises the class of error that the constraint means. Knows no SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from properties.test_conditions import truth
from rowstead import (
    CheckError,
    DuplicateError,
    ForeignKeyError,
    Inc,
    NotNullError,
    ReadOnlyError,
    RestrictError,
    RowsteadError,
    TransactionFailed,
    UndefinedColumnError,
)

LARGEST = 1000
"""The check on `items.n`: less than this."""

BLOCKS = ("block", "function", "readonly")
Step = tuple[Any, ...]
Answer = Any


class Held(NamedTuple):
    """An item as it is stored."""

    id: int
    code: str
    n: int | None = None
    s: str | None = None
    price: Any = None
    ok: bool | None = None
    at: Any = None
    data: Any = None


def said(name: str, *arguments: Any) -> Step:
    """A step as it stands beside its answer; of a block, which answers behind what is in it, the kind."""
    return (name,) if name in BLOCKS else (name, *arguments)


class Level:
    """An open block: whether it can still be kept, and whether it may write."""

    def __init__(self, readonly: bool = False) -> None:
        self.failed = False
        self.readonly = readonly


class Undone(Exception):
    """Rolls a block back."""


READS = frozenset("get query count exists page walk noted raw_read raw_rows unknown".split())


class Model:
    """Plays a program on dictionaries; `answers` holds what each operation said."""

    def __init__(self) -> None:
        self.items: dict[int, Held] = {}
        self.notes: dict[int, tuple[int | None, str]] = {}
        self.levels: list[Level] = []
        self.answers: list[Answer] = []

    def play(self, program: Sequence[Step]) -> list[Answer]:
        for step in program:
            try:
                answer = self._step(*step)
            except RowsteadError as error:
                answer = ("error", type(error).__name__)
            self.answers.append((said(*step), answer))
        return self.answers

    def _step(self, name: str, *arguments: Any) -> Answer:
        # A name that is not there is found before the block is asked; it fails nothing.
        if name == "unknown":
            raise UndefinedColumnError
        # Nothing to write: nothing is sent, and no block is asked.
        if name.endswith("_many") and not arguments[0]:
            return getattr(self, name)(*arguments)
        level = self.levels[-1] if self.levels else None
        if level is not None and level.failed:
            raise TransactionFailed
        if name in BLOCKS:
            return self._block(name, *arguments)
        kept = self._snapshot()
        try:
            if level is not None and level.readonly and name not in READS:
                raise ReadOnlyError
            return getattr(self, name)(*arguments)
        except RowsteadError:
            self._restore(kept)
            if level is not None:
                level.failed = True
            raise

    def _block(self, name: str, program: Sequence[Step], keep: bool) -> Answer:
        kept = self._snapshot()
        outer = self.levels[-1] if self.levels else None
        level = Level(readonly=name == "readonly" or (outer is not None and outer.readonly))
        self.levels.append(level)
        self.play(program)
        self.levels.pop()
        if level.failed or not keep:
            self.undo(kept)
        if not keep:
            return "undone"
        if level.failed:
            raise TransactionFailed
        return "kept"

    def undo(self, kept: Any) -> None:
        """What a rollback does; a seam for the control."""
        self._restore(kept)

    def _snapshot(self) -> Any:
        return dict(self.items), dict(self.notes)

    def _restore(self, kept: Any) -> None:
        self.items, self.notes = dict(kept[0]), dict(kept[1])

    # Writing

    def put(self, row: Held) -> Held:
        self._fits(row)
        if any(held.code == row.code and held.id != row.id for held in self.items.values()):
            raise DuplicateError
        self.items[row.id] = row
        return row

    @staticmethod
    def _fits(row: Held) -> None:
        if row.code is None:
            raise NotNullError
        if row.n is not None and row.n >= LARGEST:
            raise CheckError

    @staticmethod
    def _stored(fields: Mapping[str, Any]) -> Held:
        return Held(**{k: v.start + v.by if isinstance(v, Inc) else v for k, v in fields.items()})

    @staticmethod
    def _changed(row: Held, fields: Mapping[str, Any]) -> Held:
        changes: dict[str, Any] = {}
        for name, value in fields.items():
            held = getattr(row, name)
            changes[name] = (None if held is None else held + value.by) if isinstance(value, Inc) else value
        return row._replace(**changes)

    def _by_code(self, code: str) -> Held | None:
        return next((held for held in self.items.values() if held.code == code), None)

    def insert(self, fields: dict[str, Any]) -> Answer:
        row = self._stored(fields)
        self._fits(row)
        if row.id in self.items:
            raise DuplicateError
        return tuple(self.put(row))

    def ignore(self, fields: dict[str, Any], target: str | None) -> Answer:
        row = self._stored(fields)
        self._fits(row)
        clash = {"id": row.id in self.items, "code": self._by_code(row.code) is not None}
        if clash[target] if target else any(clash.values()):
            return "given"
        if any(clash.values()):
            raise DuplicateError
        return tuple(self.put(row))

    def upsert(self, fields: dict[str, Any], target: str) -> Answer:
        row = self._stored(fields)
        self._fits(row)
        there = self.items.get(row.id) if target == "id" else self._by_code(row.code)
        if there is None:
            return self.insert(fields)
        changes = {name: value for name, value in fields.items() if name not in ("id", target)}
        return tuple(self.put(self._changed(there, changes)))

    def insert_many(self, rows: list[dict[str, Any]]) -> Answer:
        return [self.insert(fields) for fields in rows]

    def ignore_many(self, rows: list[dict[str, Any]]) -> Answer:
        return sum(self.ignore(fields, None) != "given" for fields in rows)

    def upsert_many(self, rows: list[dict[str, Any]]) -> Answer:
        last = {fields["id"]: fields for fields in rows}
        stored = {id: self.upsert(fields, "id") for id, fields in last.items()}
        return [stored[fields["id"]] for fields in rows]

    def update(self, id: int, fields: dict[str, Any], where: Any) -> Answer:
        held = self.items.get(id)
        if held is None or not self.matches(where, held):
            return None
        return tuple(self.put(self._changed(held, fields)))

    def update_where(self, fields: dict[str, Any], where: Any) -> Answer:
        found = self._found(where)
        for held in found:
            self.put(self._changed(held, fields))
        return len(found)

    def delete(self, id: int, where: Any) -> Answer:
        held = self.items.get(id)
        if held is None or not self.matches(where, held):
            return 0
        if any(item == id for item, _ in self.notes.values()):
            raise RestrictError
        del self.items[id]
        return 1

    def delete_many(self, ids: list[int]) -> Answer:
        return sum(self.delete(id, {}) for id in set(ids))

    def note(self, id: int, item: int | None, body: str) -> Answer:
        if id in self.notes:
            raise DuplicateError
        return self._refer(id, item, body)

    def move_note(self, id: int, item: int | None) -> Answer:
        return None if id not in self.notes else self._refer(id, item, self.notes[id][1])

    def _refer(self, id: int, item: int | None, body: str) -> Answer:
        if item is not None and item not in self.items:
            raise ForeignKeyError
        self.notes[id] = (item, body)
        return (id, item, body)

    def drop_note(self, id: int) -> Answer:
        return 0 if self.notes.pop(id, None) is None else 1

    def raw_write(self, n: int | None, id: int) -> Answer:
        return 0 if self.update(id, {"n": n}, {}) is None else 1

    # Reading

    def matches(self, where: Any, row: Held) -> bool:
        return truth(where, row, list(self.items.values())) is True  # type: ignore[arg-type]

    def _found(self, where: Any) -> list[Held]:
        return [row for _, row in sorted(self.items.items()) if self.matches(where, row)]

    def get(self, id: int) -> Answer:
        return tuple(self.items[id]) if id in self.items else None

    def query(self, where: Any, order: Any, limit: int | None, offset: int | None) -> Answer:
        rows = ordered(self._found(where), order)[offset or 0 :]
        return [tuple(row) for row in rows[:limit]]

    def count(self, where: Any) -> Answer:
        return len(self._found(where))

    def exists(self, where: Any) -> Answer:
        return bool(self._found(where))

    def page(self, where: Any, order: Any, limit: int, offset: int) -> Answer:
        rows = ordered(self._found(where), order)
        return len(rows), [row.id for row in rows[offset : offset + limit]], offset + limit < len(rows)

    def walk(self, where: Any, order: Any, size: int) -> Answer:
        return [row.id for row in ordered(self._found(where), order)]

    def noted(self, how: str) -> Answer:
        some = {item for item, _ in self.notes.values() if item is not None}
        return [id for id in sorted(self.items) if (id in some) is (how != "not_exists")]

    def raw_read(self, n: int, s: str) -> Answer:
        return sum(row.n == n or row.s == s for row in self.items.values())

    def raw_rows(self, least: int) -> Answer:
        return [tuple(row) for id, row in sorted(self.items.items()) if id >= least]


def ordered(rows: Iterable[Held], order: Sequence[tuple[str, bool, bool]]) -> list[Held]:
    """By (column, descending, NULLs first), most significant first, then by the key."""
    rows = sorted(rows, key=lambda row: row.id)
    for name, down, first in reversed(order):
        value: Callable[[Held], Any] = lambda row, name=name: getattr(row, name)  # noqa: E731
        some = sorted((row for row in rows if value(row) is not None), key=value, reverse=down)
        none = [row for row in rows if value(row) is None]
        rows = [*none, *some] if first else [*some, *none]
    return rows
