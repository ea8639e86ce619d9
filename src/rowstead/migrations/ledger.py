"""The ledger: which migrations the database has, whole or in part, in the table `_rowstead_migrations`.

It answers for that table's shape and every statement that touches it. It must not know where
migrations come from, nor when they are run.

A row whose `progress` is NULL is a migration that is applied. A number is how many statements of an
interrupted one are done; `detail` (JSON) then holds proof of their text and, while a statement that
cannot share a transaction is under way, that statement and what the catalogue was like before it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.schema import CreateTable

from rowstead.dialects import Dialect
from rowstead.migrations.migration import Migration, digest_of
from rowstead.plan import Call, Plan, Record
from rowstead.statements.compiled import text_of, tidy

LEDGER = "_rowstead_migrations"


class Calls:
    """Makes calls of expressions, spelled for one database and driver."""

    def __init__(self, dialect: Dialect, paramstyle: str) -> None:
        self._dialect = dialect
        self._paramstyle = paramstyle

    def read(self, expression: Any) -> Call[list[Record]]:
        """A call that gives the records."""
        spelled, params = text_of(expression, self._dialect, self._paramstyle)
        return Call(spelled, params, list, table=LEDGER)

    def ask(self, sql: str, **values: Any) -> Call[list[Record]]:
        """The same of SQL text with `:name` parameters."""
        return self.read(text(sql).bindparams(**values))

    def write(self, expression: Any) -> Call[Any]:
        """A call that gives the affected count."""
        spelled, params = text_of(expression, self._dialect, self._paramstyle)
        return Call(spelled, params, writes=True, table=LEDGER)

    def define(self, definition: Any) -> Call[Any]:
        """A call of a CREATE."""
        compiled = definition.compile(dialect=self._dialect.sqlalchemy(self._paramstyle))
        return Call(tidy(compiled.string), writes=True, table=LEDGER)


@dataclass(frozen=True, slots=True)
class Started:
    """A statement that was begun outside a transaction, and what was noted before it."""

    text: str
    before: Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger."""

    id: str
    checksum: str | None
    """None: another tool applied it, and its text is not known."""
    progress: int | None
    """None when whole, else the number of statements that are done."""
    done: str | None = None
    """Proof of the text of the statements that are done."""
    started: Started | None = None


class Ledger:
    """The statements on the ledger of one source. `schema` is found once, since a migration may move
    the search path."""

    def __init__(self, calls: Calls, source: str, schema: str | None) -> None:
        self._calls = calls
        self._source = source
        self._table = Table(
            LEDGER,
            MetaData(schema=schema),
            Column("source", Text, nullable=False, server_default=text("'plain'")),
            Column("filename", Text, nullable=False),
            Column("checksum", Text),
            Column("progress", Integer),
            Column("detail", Text),
            Column(
                "applied_at",
                DateTime(timezone=True),
                nullable=False,
                server_default=text("CURRENT_TIMESTAMP"),
            ),
            PrimaryKeyConstraint("source", "filename"),
        )

    def create(self) -> Call[Any]:
        """Make the table unless it is there."""
        return self._calls.define(CreateTable(self._table, if_not_exists=True))

    def entries(self) -> Plan[dict[str, Entry]]:
        """All rows of this source, by id."""
        records = yield self._calls.read(self._select())
        return {entry.id: entry for entry in map(_entry, records)}

    def entry(self, id: str) -> Plan[Entry | None]:
        """One row, as it is now."""
        records = yield self._calls.read(self._select().where(self._table.c.filename == id))
        return _entry(records[0]) if records else None

    def add(self, migration: Migration) -> Call[Any]:
        """Note a migration as applied, in the transaction that applies it."""
        values = {"source": self._source, "filename": migration.id, "checksum": migration.checksum}
        return self._calls.write(insert(self._table).values(values))

    def begin(self, migration: Migration) -> Call[Any]:
        """Note a migration as begun, with nothing done yet."""
        values = {
            "source": self._source,
            "filename": migration.id,
            "checksum": migration.checksum,
            "progress": 0,
            "detail": _detail(migration, 0),
        }
        return self._calls.write(insert(self._table).values(values))

    def start(self, migration: Migration, number: int, before: Any) -> Call[Any]:
        """Note that statement `number` is begun and, until `done`, in doubt."""
        started = {"statement": migration.up[number - 1].text, "before": before}
        detail = _detail(migration, number - 1, started)
        return self._change(migration, number - 1, progress=number - 1, detail=detail)

    def done(self, migration: Migration, number: int) -> Call[Any]:
        """Note statement `number` as done; affects no row if another runner went on meanwhile."""
        return self._change(migration, number - 1, progress=number, detail=_detail(migration, number))

    def settled(self, migration: Migration, seen: int, progress: int) -> Call[Any]:
        """Note that no statement is in doubt any more, and how many are done in truth."""
        return self._change(migration, seen, progress=progress, detail=_detail(migration, progress))

    def finish(self, migration: Migration) -> Call[Any]:
        """Note a migration as applied when its last statement is done."""
        return self._change(
            migration, len(migration.up), progress=None, detail=None, applied_at=func.current_timestamp()
        )

    def _select(self) -> Any:
        c = self._table.c
        return select(c.filename, c.checksum, c.progress, c.detail).where(c.source == self._source)

    def _change(self, migration: Migration, seen: int, **values: Any) -> Call[Any]:
        values["checksum"] = migration.checksum
        c = self._table.c
        return self._calls.write(
            update(self._table).where(*self._is(migration), c.progress == seen).values(values)
        )

    def _is(self, migration: Migration) -> tuple[Any, Any]:
        return self._table.c.source == self._source, self._table.c.filename == migration.id


def condition(id: str, source: str) -> str:
    """The WHERE by which a person finds a row, for messages."""
    return f"WHERE filename = {_literal(id)} AND source = {_literal(source)}"


def recovery(id: str, source: str) -> str:
    """The statement by which a person makes a migration pending again."""
    return f"DELETE FROM {LEDGER} {condition(id, source)}"


def find(calls: Calls, source: str, sql: str) -> Generator[Any, Any, Ledger | None]:
    """The ledger where `sql` finds its table's schema; None when there is no such table."""
    records = yield Call(sql, (), list)
    return Ledger(calls, source, records[0][0]) if records else None


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _detail(migration: Migration, done: int, started: dict[str, Any] | None = None) -> str:
    detail: dict[str, Any] = {"done": digest_of(migration.up[:done])}
    if started is not None:
        detail["started"] = started
    return json.dumps(detail)


def _entry(record: Sequence[Any]) -> Entry:
    id, checksum, progress, detail = record
    known: dict[str, Any] = json.loads(detail) if detail else {}
    started: dict[str, Any] | None = known.get("started")
    return Entry(
        id,
        checksum,
        progress,
        known.get("done"),
        Started(started["statement"], started["before"]) if started else None,
    )
