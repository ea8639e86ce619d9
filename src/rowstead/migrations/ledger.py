"""The ledger: which migrations the database has, whole or in part, in the table `_rowstead_migrations`.

It answers for that table's shape and every statement that touches it, and for keeping another tool's
record in step with it. It must not know where migrations come from, nor when they are run.

A row whose `progress` is NULL is a migration that is applied. A number is how many statements of an
interrupted one are done; `detail` (JSON) then holds proof of their text, whether it was on its way back
and, while a statement that cannot share a transaction is under way, that statement and what the
catalogue was like before it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.schema import CreateTable

from rowstead.dialects import Dialect
from rowstead.errors import DuplicateError
from rowstead.migrations.migration import Migration, digest_of
from rowstead.plan import Atomic, Call, Plan, Record
from rowstead.statements.compiled import text_of, tidy

LEDGER = "_rowstead_migrations"

# MariaDB: a text is 64 KiB at most, and a key cannot be one; it is compared by its bytes.
_LONG_TEXT = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
_KEY_TEXT = Text().with_variant(String(255, collation="utf8mb4_bin"), "mysql", "mariadb")


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

    def run(self, sql: str) -> Call[int]:
        """A call of a user's own SQL text, as it stands."""
        # In this style a driver takes the text for a template, with or without values.
        own = sql.replace("%", "%%") if self._paramstyle == "format" else sql
        return Call(own, writes=True, raw=True)

    def define(self, definition: Any) -> Call[Any]:
        """A call of a CREATE."""
        compiled = definition.compile(dialect=self._dialect.sqlalchemy(self._paramstyle))
        return Call(tidy(compiled.string), writes=True, table=LEDGER)

    def quoted(self, table: Table) -> str:
        """The table's name as it stands in SQL."""
        return self._dialect.sqlalchemy(self._paramstyle).identifier_preparer.format_table(table)


class Taken(Exception):
    """Another runner has written this migration's row meanwhile."""


class Mirror(Protocol):
    """Another tool's own record, which is kept in step with the ledger in the same transactions."""

    def add(self, ids: Iterable[str], /) -> Plan[None]:
        """Note migrations as applied."""
        ...

    def remove(self, id: str, /) -> Plan[None]:
        """Note a migration as not applied any more."""
        ...


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
    undoing: bool = False
    """Whether it was interrupted on its way back."""


class Ledger:
    """The statements on the ledger of one source, for migrations on their way forth.

    `schema` is found once, since a migration may move the search path. `mirror`: see there.
    """

    undoing = False
    """Whether the migrations that are noted are on their way back: `up` is what takes them there."""

    def __init__(self, calls: Calls, source: str, schema: str | None, mirror: Mirror | None = None) -> None:
        self._calls = calls
        self._source = source
        self.schema = schema
        self._mirror = mirror
        self._table = Table(
            LEDGER,
            MetaData(schema=schema),
            Column("source", _KEY_TEXT, nullable=False, server_default=text("'plain'")),
            Column("filename", _KEY_TEXT, nullable=False),
            Column("checksum", Text),
            Column("progress", Integer),
            Column("detail", _LONG_TEXT),
            Column(
                "applied_at",
                DateTime(timezone=True),
                nullable=False,
                server_default=text("CURRENT_TIMESTAMP"),
            ),
            PrimaryKeyConstraint("source", "filename"),
        )

    def backwards(self) -> Undoing:
        """The same for migrations on their way back."""
        return Undoing(self._calls, self._source, self.schema, self._mirror)

    def create(self) -> Call[Any]:
        """Make the table unless it is there."""
        return self._calls.define(CreateTable(self._table, if_not_exists=True))

    def entries(self) -> Plan[dict[str, Entry]]:
        """All rows of this source, by id, in the order in which they were applied."""
        c = self._table.c
        # Numbers among the names in the order of numbers.
        order = (c.applied_at, func.length(c.filename), c.filename)
        records = yield self._calls.read(self._select().order_by(*order))
        return {entry.id: entry for entry in map(_entry, records)}

    def entry(self, id: str) -> Plan[Entry | None]:
        """One row, as it is now."""
        records = yield self._calls.read(self._select().where(self._table.c.filename == id))
        return _entry(records[0]) if records else None

    def adopt(self, id: str) -> Call[Any]:
        """Note as applied what another tool has applied, whose text is not known."""
        return self._calls.write(insert(self._table).values({"source": self._source, "filename": id}))

    def forget(self, id: str) -> Call[Any]:
        """Remove a row."""
        return self._calls.write(delete(self._table).where(*self._is(id)))

    def add(self, migration: Migration) -> Plan[None]:
        """Note a migration as applied, in the transaction that applies it. Raises Taken."""
        yield from self._insert(migration)
        if self._mirror is not None:
            yield from self._mirror.add([migration.id])

    def begin(self, migration: Migration) -> Plan[None]:
        """Note a migration as begun, with nothing done yet. Raises Taken."""
        yield from self._insert(migration, progress=0, detail=self._detail(migration, 0))

    def _insert(self, migration: Migration, **values: Any) -> Plan[None]:
        values |= {"source": self._source, "filename": migration.id, "checksum": migration.checksum}
        try:
            yield self._calls.write(insert(self._table).values(values))
        except DuplicateError as error:
            raise Taken from error

    def start(self, migration: Migration, number: int, before: Any) -> Call[Any]:
        """Note that statement `number` is begun and, until `done`, in doubt."""
        started = {"statement": migration.up[number - 1].shown, "before": before}
        detail = self._detail(migration, number - 1, started)
        return self._change(migration, number - 1, progress=number - 1, detail=detail)

    def done(self, migration: Migration, number: int) -> Call[Any]:
        """Note statement `number` as done; affects no row if another runner went on meanwhile."""
        return self._change(migration, number - 1, progress=number, detail=self._detail(migration, number))

    def settled(self, migration: Migration, seen: int, progress: int) -> Call[Any]:
        """Note that no statement is in doubt any more, and how many are done in truth."""
        return self._change(migration, seen, progress=progress, detail=self._detail(migration, progress))

    def finish(self, migration: Migration) -> Plan[None]:
        """Note a migration as applied when its last statement is done."""
        whole = self._change(
            migration, len(migration.up), progress=None, detail=None, applied_at=func.current_timestamp()
        )
        if self._mirror is None:
            yield whole
        else:
            yield Atomic(_both(whole, self._mirror.add([migration.id])))

    def _select(self) -> Any:
        c = self._table.c
        return select(c.filename, c.checksum, c.progress, c.detail).where(c.source == self._source)

    def _change(self, migration: Migration, seen: int, **values: Any) -> Call[Any]:
        values["checksum"] = migration.checksum
        c = self._table.c
        return self._calls.write(
            update(self._table).where(*self._is(migration.id), c.progress == seen).values(values)
        )

    def _is(self, id: str) -> tuple[Any, Any]:
        return self._table.c.source == self._source, self._table.c.filename == id

    def _detail(self, migration: Migration, done: int, started: dict[str, Any] | None = None) -> str:
        detail: dict[str, Any] = {"done": digest_of(migration.up[:done])}
        if self.undoing:
            detail["undoing"] = True
        if started is not None:
            detail["started"] = started
        return json.dumps(detail)


class Undoing(Ledger):
    """The same for migrations on their way back: what is done at last is that the row is gone.

    They are given reversed, so that `up` is what takes them back.
    """

    undoing = True

    def add(self, migration: Migration) -> Plan[None]:
        """Remove the row of a migration, in the transaction that undoes it. Raises Taken."""
        if (yield self.forget(migration.id)) != 1:
            raise Taken
        if self._mirror is not None:
            yield from self._mirror.remove(migration.id)

    def begin(self, migration: Migration) -> Plan[None]:
        """Note a migration as on its way back, with nothing of it done yet. Raises Taken."""
        values = {"progress": 0, "detail": self._detail(migration, 0), "checksum": migration.checksum}
        whole = self._table.c.progress.is_(None)
        begun = update(self._table).where(*self._is(migration.id), whole).values(values)
        if (yield self._calls.write(begun)) != 1:
            raise Taken

    def finish(self, migration: Migration) -> Plan[None]:
        """Remove the row when the last statement is done."""
        yield Atomic(self.add(migration))


def _both(call: Call[Any], plan: Plan[None]) -> Plan[None]:
    yield call
    yield from plan


def condition(id: str, source: str) -> str:
    """The WHERE by which a person finds a row, for messages."""
    return f"WHERE filename = {_literal(id)} AND source = {_literal(source)}"


def recovery(id: str, source: str) -> str:
    """The statement by which a person makes a migration pending again."""
    return f"DELETE FROM {LEDGER} {condition(id, source)}"


def settled_by_hand(ledger: Ledger) -> str:
    """What a person gives a row as `detail`, as SQL, when no statement of it is in doubt any more."""
    return "'{\"undoing\": true}'" if ledger.undoing else "NULL"


def find(find_table: str, name: str) -> Generator[Any, Any, tuple[str | None] | None]:
    """The schema of the table of this name, in a tuple of its own; None when there is no such table.

    `find_table` is the database's SQL for that, see `Facts`.
    """
    records = yield Call(find_table.format(name=name), (), list)
    return (records[0][0],) if records else None


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


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
        known.get("undoing", False),
    )
