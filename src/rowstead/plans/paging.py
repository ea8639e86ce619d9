"""Pages: their arithmetic, and keyset walks that never drop or repeat a row.

A keyset page begins behind the last row seen, by the values that the order compares, so it costs
the same wherever it is and rows may come and go meanwhile. An order is made total by the key. NULLs
are walked as a part of their own, so that both parts can use the index.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from rowstead.dialects import Dialect
from rowstead.errors import ValidationError
from rowstead.language.conditions import read_count
from rowstead.language.criteria import may_be_null
from rowstead.language.ordering import Order, with_key
from rowstead.language.shapes import VALUE, Shape
from rowstead.plan import Call, Plan, Record
from rowstead.statements.builders import Keyset, require_key
from rowstead.tables.schema import Kind, Table
from rowstead.values.decoders import decoder
from rowstead.values.encoders import jsonable

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Some rows of many. `next` is a token for the page behind this one; None where there is none."""

    rows: list[R]
    count: int | None
    """How many rows the filter matches; None when it was not asked for."""
    offset: int
    limit: int
    next: str | None

    @property
    def page(self) -> int:
        """This page's number, from 1."""
        return self.offset // self.limit + 1

    @property
    def pages(self) -> int | None:
        """How many pages there are, at least 1; None without a count."""
        return None if self.count is None else max(1, -(-self.count // self.limit))

    @property
    def on_page(self) -> int:
        return len(self.rows)


class Statement(Protocol):
    """What a walk asks of a statement."""

    def call(self, values: Sequence[Any], read: Callable[[Sequence[Record]], Any] | None) -> Call[Any]:
        """One execution."""
        ...

    def rows(self, records: Sequence[Record]) -> list[Any]:
        """What its records are to its caller."""
        ...


class Statements(Protocol):
    """What makes a walk's statements: a `Compiler`, or what a session has instead."""

    dialect: Dialect
    codec: str

    def get(self, key: tuple[Any, ...]) -> Statement: ...


class Position(NamedTuple):
    """Where a walk stands: in which part, and behind which row's order values (None: at its beginning)."""

    part: str | None
    values: tuple[Any, ...] | None


class Walk:
    """The rows of a filter in a total order, page by page."""

    def __init__(
        self,
        compiler: Statements,
        table: Table,
        columns: tuple[str, ...],
        where: Shape,
        values: list[Any],
        order: Order,
    ) -> None:
        require_key(table)
        self.compiler = compiler
        self.table = table
        self.columns = columns
        self.where = where
        self.values = values
        self.order = with_key(order, table)
        first = self.order[0]
        self._parts: Sequence[str | None] = (None,)
        if may_be_null(table, table.columns[first.column], compiler.dialect):
            self._parts = ("none", "some") if first.nulls_first else ("some", "none")
        named = [columns.index(t.column) for t in self.order]
        self._places = [(i, decoder(table.columns[columns[i]], compiler.codec)) for i in named]

    @property
    def start(self) -> Position:
        return Position(self._parts[0], None)

    def behind(self, record: Record) -> Position:
        """The position behind this record."""
        places = self._places
        return self.at(tuple(record[i] if decode is None else decode(record[i]) for i, decode in places))

    def at(self, values: tuple[Any, ...]) -> Position:
        """The position behind the row with these values of the order's columns."""
        if self._parts[0] is None:
            return Position(None, values)
        return Position("none" if values[0] is None else "some", values)

    def statement(self, position: Position, size: int) -> tuple[Statement, list[Any]]:
        """The statement of one page behind `position`, and its values."""
        part, cursor = position
        keyset: Keyset | None = None
        some: list[Any] = []
        if cursor is not None:
            keyset = Keyset(tuple(v is None for v in cursor), part)
            some = [v for v in cursor if v is not None]
        elif part is not None:
            keyset = Keyset(None, part)
        key = ("select", self.table, self.columns, self.where, self.order, True, False, keyset)
        return self.compiler.get(key), [*self.values, *some, size]

    def page(self, position: Position, size: int) -> Plan[tuple[list[Any], Position | None]]:
        """Up to `size` rows behind `position`, and where the next page begins (None: nowhere)."""
        rows: list[Any] = []
        while True:
            missing = size - len(rows)
            compiled, values = self.statement(position, missing)
            records: Sequence[Record] = yield compiled.call(values, list)
            full = len(records) == missing
            if full:
                records = yield from self.with_twins(records)
            rows.extend(compiled.rows(records))
            if full:
                return rows, self.behind(records[-1])
            place = self._parts.index(position.part) + 1
            if place == len(self._parts):
                return rows, None
            position = Position(self._parts[place], None)

    def with_twins(self, records: Sequence[Record]) -> Plan[Sequence[Record]]:
        """The records of a page; where its last row has a NULL in its key, all rows that are alike.

        Nothing tells such rows apart, so no page can begin between them: this one grows instead.
        """
        last = self.behind(records[-1]).values or ()
        terms = list(zip(self.order, last, strict=True))
        if not any(value is None and term.column in self.table.key for term, value in terms):
            return records
        alike = [("is_null", t.column, None) if v is None else ("eq", t.column, VALUE) for t, v in terms]
        compiled = self.compiler.get(("select", self.table, self.columns, ("and", self.where, *alike)))
        values = [*self.values, *(v for v in last if v is not None)]
        twins: Sequence[Record] = yield compiled.call(values, list)
        return [*(r for r in records if self.behind(r).values != last), *twins]

    def token(self, position: Position) -> str:
        """A position as text that can be handed out; it holds the order's values, in no secret form."""
        # JSON has no bytes; all else Pydantic reads back from its JSON form.
        values = [v.hex() if isinstance(v, bytes) else v for v in position.values or ()]
        content = [self._signature(), position.part, jsonable(values)]
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def position(self, token: str) -> Position:
        """The position that a token stands for. Raises ValidationError for one of another order."""
        try:
            content = json.loads(base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4)))
            signature, part, given = content
            values: list[Any] = [*given]
        except (ValueError, TypeError, AttributeError) as error:
            raise ValidationError("this is not a page token; use the `next` of a page as it is") from error
        if signature != self._signature() or part not in self._parts or len(values) != len(self.order):
            raise ValidationError(
                "this page token belongs to another table or order; begin with the first page"
            )
        return Position(part, tuple(self._from_token(values, part)))

    def _from_token(self, values: Sequence[Any], part: str | None) -> Iterator[Any]:
        """The order's values as they were before they were JSON; ValidationError for what cannot be."""
        for place, (term, value) in enumerate(zip(self.order, values, strict=True)):
            column = self.table.columns[term.column]
            fits = value is not None or may_be_null(self.table, column, self.compiler.dialect)
            if place == 0 and part is not None:
                fits = (value is None) == (part == "none")
            try:
                yield bytes.fromhex(value) if column.kind is Kind.BYTES and value is not None else value
            except (ValueError, TypeError):
                fits = False
            if not fits:
                raise ValidationError("this is not a page token; use the `next` of a page as it is")

    def _signature(self) -> str:
        terms = [
            f"{'-' if t.descending else '+'}{t.column}{'^' if t.nulls_first else ''}" for t in self.order
        ]
        return f"{self.table.name}:{','.join(terms)}"


def counted_page(walk: Walk, limit: int, offset: int, counted: bool) -> Plan[Page[Any]]:
    """A page by its number: rows and, if asked, the count of all, in one statement and one snapshot."""
    size = limit if counted else read_count("limit", limit + 1)
    key = ("select", walk.table, walk.columns, walk.where, walk.order, True, offset > 0, None, counted)
    compiled = walk.compiler.get(key)
    values = [*walk.values, size, *([offset] if offset else [])]
    records: Sequence[Record] = yield compiled.call(values, list)
    total: int | None = None
    if counted:
        total = records[0][-1] if records else (yield from count(walk))
    shown = records[:limit]
    more = offset + len(shown) < total if total is not None else len(records) > limit
    if more:
        shown = yield from walk.with_twins(shown)
        more = total is None or offset + len(shown) < total
    following = walk.token(walk.behind(shown[-1])) if more and shown else None
    return Page(compiled.rows(shown), total, offset, limit, following)


def following_page(walk: Walk, limit: int, token: str, counted: bool) -> Plan[Page[Any]]:
    """The page behind a token. Its offset is not known, and is 0."""
    rows, position = yield from walk.page(walk.position(token), limit)
    if position is not None:
        # A full page may be the last one: look whether anything is behind it.
        beyond, _ = yield from walk.page(position, 1)
        position = position if beyond else None
    total = (yield from count(walk)) if counted else None
    return Page(rows, total, 0, limit, None if position is None else walk.token(position))


def count(walk: Walk) -> Plan[int]:
    compiled = walk.compiler.get(("count", walk.table, walk.where))
    call: Call[int] = compiled.call(walk.values, lambda records: records[0][0])
    return (yield call)
