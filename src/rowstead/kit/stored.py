"""The schema that lies in the database itself: written with every change of it, read at `open`.

`_rowstead_schema` has one row: the schema as JSON, and what the database said of itself when the
schema was last changed, so that a table that somebody changed since is noticed. Written as plans.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from rowstead.compiled import Compiled, Compiler
from rowstead.ddl import create_statements
from rowstead.dialects import Dialect
from rowstead.dicts import dict_rows
from rowstead.errors import StorageError, UndefinedTableError, ValidationError
from rowstead.kit.catalogue import tables_of, to_json
from rowstead.kit.defaults import sequences_of
from rowstead.plan import Atomic, Call, Plan, Record
from rowstead.schema import Column, Kind, Table
from rowstead.sequences import COUNTERS, found
from rowstead.shapes import EVERYTHING, VALUE
from rowstead.statements import Target

SCHEMA = Table(
    "_rowstead_schema",
    {
        "id": Column("id", Kind.INT, int, size=64),
        "schema": Column("schema", Kind.STR, str),
        "definitions": Column("definitions", Kind.STR, str),
        "version": Column("version", Kind.INT, int, nullable=True, size=64),
    },
    ("id",),
    dict_rows,
)
_ROW = 1
_SAVE = ("insert", SCHEMA, tuple((n, VALUE) for n in SCHEMA.all), Target("upsert", ("id",)), ())
_LOAD = ("select", SCHEMA, ("schema", "definitions", "version"), EVERYTHING)

Definition = tuple[str, str, str, str]
"""What a database holds: (table, kind, name, definition)."""

_tables_of = lru_cache(maxsize=32)(tables_of)
"""Handles on the same schema share its tables, and with them what was found out about them."""


@lru_cache(maxsize=8)
def _loading(dialect: Dialect, codec: str, paramstyle: str) -> Compiled:
    """The statement that every `open` runs, compiled once for all handles."""
    return Compiler(dialect, codec, paramstyle).get(_LOAD)


class Store:
    """Where the schema of one database is kept; `migrations.store.SchemaStore`."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler

    def create(self, tables: Mapping[str, Table]) -> Plan[None]:
        """Make the tables, and keep their schema. ValidationError where one is there already."""
        return (yield Atomic(self._create(tables)))

    def _create(self, tables: Mapping[str, Table]) -> Plan[None]:
        dialect = self._compiler.dialect
        own = [SCHEMA] if dialect.sequences is not None else [SCHEMA, COUNTERS]
        wanted = {**{table.name: table for table in own}, **tables}
        held = {definition[0] for definition in (yield from self._definitions())}
        if there := [name for name in wanted if name in held]:
            raise ValidationError(
                f"there is a database with {', '.join(there)} already: use Database.open, or another place"
            )
        for text in create_statements(wanted, dialect):
            yield Call(text, writes=True)
        yield from self.save(tables)

    def save(self, tables: Mapping[str, Table]) -> Plan[None]:
        """Keep this schema, which the tables have now; its counters are made."""
        yield from found(self._compiler, sequences_of(tables))
        definitions = yield from self._definitions()
        ours = [list(d) for d in definitions if d[0] in tables]
        version = yield from self._version()
        values = [_ROW, to_json(tables), json.dumps(ours, ensure_ascii=False), version]
        yield self._compiler.get(_SAVE).call(values, None)

    def load(self) -> Plan[Mapping[str, Table]]:
        """The schema that is kept."""
        row = yield from self._row()
        return _tables_of(row["schema"])

    def open(self) -> Plan[Mapping[str, Table]]:
        """The schema that is kept. A StorageError says where the tables are not as it says."""
        row = yield from self._row()
        version = yield from self._version()
        if version is not None and version == row["version"]:
            return _tables_of(row["schema"])
        changes = yield from self._changes_since(row)
        if changes:
            raise StorageError(
                "the tables are not as the schema kept with them says; something else has changed them: "
                + "; ".join(changes)
            )
        return _tables_of(row["schema"])

    def changes(self) -> Plan[list[str]]:
        """What something else has changed in the tables since the schema was kept, in words."""
        return (yield from self._changes_since((yield from self._row())))

    def _changes_since(self, row: Mapping[str, Any]) -> Plan[list[str]]:
        kept: list[Definition] = [tuple(d) for d in json.loads(row["definitions"])]
        now = set((yield from self._definitions()))
        return [] if now.issuperset(kept) else _changes(kept, now)

    def _row(self) -> Plan[Mapping[str, Any]]:
        compiler = self._compiler
        compiled = _loading(compiler.dialect, compiler.codec, compiler.paramstyle)
        missing = ValidationError("there is no schema in this database: make one with Database.create")
        try:
            row = yield self._call(compiled.text, compiled.read_one)
        except UndefinedTableError:
            raise missing from None
        if row is None:
            raise missing
        return row

    def _definitions(self) -> Plan[list[Definition]]:
        records: Sequence[Record] = yield self._call(self._compiler.dialect.definitions, list)
        return [tuple(record) for record in records]

    def _version(self) -> Plan[int | None]:
        """The number that tells without a look at each definition that all are as they were."""
        text = self._compiler.dialect.definitions_version
        if text is None:
            return None
        return (yield self._call(text, _first_value))

    def _call(self, text: str, read: Callable[[Sequence[Record]], Any]) -> Call[Any]:
        # Where one connection writes it is open already, and reading by it opens no other.
        return Call(text, [], read, writes=self._compiler.dialect.one_writer)


def _first_value(records: Sequence[Record]) -> Any:
    return records[0][0]


def _changes(kept: Sequence[Definition], now: set[Definition]) -> list[str]:
    """What is missing or different, in words."""
    there = {(table, kind, name): definition for table, kind, name, definition in now}
    words: list[str] = []
    for table, kind, name, definition in kept:
        found_now = there.get((table, kind, name))
        what = f"table {table}" if kind == "table" else f"{kind} {name} of table {table}"
        if found_now is None:
            words.append(f"{what} is missing")
        elif found_now != definition:
            words.append(f"{what} was `{definition}` and is `{found_now}`")
    return words
