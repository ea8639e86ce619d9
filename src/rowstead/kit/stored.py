"""The schema that lies in the database itself: written with every change of it, read at `open`.

`_rowstead_schema` has one row: the schema as JSON, and what the database said of itself when the
schema was last changed, so that a table that somebody changed since is noticed. Written as plans.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from rowstead.dialects import Dialect
from rowstead.errors import (
    DuplicateError,
    StatementError,
    StorageError,
    UndefinedTableError,
    ValidationError,
)
from rowstead.kit.catalogue import tables_of, to_json
from rowstead.kit.counters import counted_columns, go_behind_rows
from rowstead.kit.defaults import sequences_of
from rowstead.language.shapes import EVERYTHING, VALUE
from rowstead.plan import Atomic, Call, Plan, Record, first_value
from rowstead.plans.sequences import COUNTERS, found
from rowstead.standing import Expected
from rowstead.statements.compiled import Compiled, Compiler
from rowstead.statements.ddl import create_statements
from rowstead.statements.inserts import Target
from rowstead.tables.dicts import dict_rows
from rowstead.tables.schema import Column, Kind, Table

SCHEMA = Table(
    "_rowstead_schema",
    {
        "id": Column("id", Kind.INT, int, size=64),
        "edition": Column("edition", Kind.INT, int, size=64),
        "schema": Column("schema", Kind.STR, str),
        "definitions": Column("definitions", Kind.STR, str),
        "version": Column("version", Kind.INT, int, nullable=True, size=64),
    },
    ("id",),
    dict_rows,
)
_ROW = 1
_HELD = frozenset({"column", "constraint"})
"""Kinds of definitions that rows are held to."""
_SAVE = ("insert", SCHEMA, tuple((n, VALUE) for n in SCHEMA.all), Target("upsert", ("id",)), ())
_LOAD = ("select", SCHEMA, ("edition", "schema", "definitions", "version"), EVERYTHING)

_PARTS = 4
Definition = tuple[str, str, str, str]
"""What a database holds: (table, kind, name, definition)."""


class Kept(NamedTuple):
    """The schema in a database, and the number that tells it from every other one."""

    tables: Mapping[str, Table]
    edition: int


def edition_of(text: str) -> int:
    """The number of a schema, given as JSON: the same for the same schema, and for no other."""
    return int.from_bytes(sha256(text.encode(errors="surrogatepass")).digest()[:8]) >> 1


def expected(edition: int | None) -> Expected | None:
    """What a transaction of a handle finds where its schema is still the database's."""
    return None if edition is None else Expected(SCHEMA.name, "edition", edition)


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
        own = [SCHEMA] if compiler.dialect.sequences is not None else [SCHEMA, COUNTERS]
        self._own: Mapping[str, Table] = {table.name: table for table in own}

    def create(self, tables: Mapping[str, Table]) -> Plan[Kept]:
        """Make the tables, and keep their schema. ValidationError where one is there already."""
        try:
            yield Atomic(self._create(tables))
        except (DuplicateError, StatementError):
            # Who makes the same at the same moment is waited for, and then stands in the way.
            yield from self._require_free(tables)
            raise
        return Kept(tables, edition_of(to_json(tables)))

    def _create(self, tables: Mapping[str, Table]) -> Plan[None]:
        yield from self._require_free(tables)
        for text in create_statements({**self._own, **tables}, self._compiler.dialect):
            yield Call(text, writes=True)
        yield from found(self._compiler, sequences_of(tables))
        yield from self._keep(tables)

    def _require_free(self, tables: Mapping[str, Table]) -> Plan[None]:
        held = {definition[0] for definition in (yield from self._definitions())}
        if there := [name for name in (*self._own, *tables) if name in held]:
            raise ValidationError(
                f"there is a database with {', '.join(there)} already: use Database.open, or another place"
            )

    def save(self, tables: Mapping[str, Table]) -> Plan[None]:
        """Keep this schema, which the tables have now; its counters are made, and give no row's number."""
        before = set(counted_columns((yield from self.load())))
        yield from found(self._compiler, sequences_of(tables))
        new = [counted for counted in counted_columns(tables) if counted not in before]
        yield from go_behind_rows(self._compiler, tables, new)
        yield from self._keep(tables)

    def _keep(self, tables: Mapping[str, Table]) -> Plan[None]:
        definitions = yield from self._definitions()
        ours = [list(d) for d in definitions if d[0] in tables or d[0] in self._own]
        version = yield from self._version()
        text = to_json(tables)
        values = [_ROW, edition_of(text), text, json.dumps(ours, ensure_ascii=False), version]
        yield self._compiler.get(_SAVE).call(values, None)

    def load(self) -> Plan[Mapping[str, Table]]:
        """The schema that is kept."""
        return (yield from self.kept()).tables

    def kept(self) -> Plan[Kept]:
        """As `load`, with its number."""
        return _kept((yield from self._row()))

    def open(self) -> Plan[Kept]:
        """The schema that is kept. A StorageError says where the tables are not as it says."""
        row = yield from self._row()
        version = yield from self._version()
        if version is not None and version == row["version"]:
            return _kept(row)
        changes = yield from self._changes_since(row)
        if changes:
            raise StorageError(
                "the tables are not as the schema kept with them says; something else has changed them: "
                + "; ".join(changes)
            )
        return _kept(row)

    def changes(self) -> Plan[list[str]]:
        """What something else has changed in the tables since the schema was kept, in words."""
        return (yield from self._changes_since((yield from self._row())))

    def _changes_since(self, row: Mapping[str, Any]) -> Plan[list[str]]:
        kept = _kept_definitions(row["definitions"])
        now = set((yield from self._definitions()))
        return _changes(kept, now)

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
        return (yield self._call(text, first_value))

    def _call(self, text: str, read: Callable[[Sequence[Record]], Any]) -> Call[Any]:
        # Where one connection writes it is open already, and reading by it opens no other.
        return Call(text, [], read, writes=self._compiler.dialect.one_writer)


def _kept(row: Mapping[str, Any]) -> Kept:
    text, edition = row["schema"], row["edition"]
    if not isinstance(text, str) or not isinstance(edition, int):
        raise _damaged("it is not as it was written")
    try:
        return Kept(_tables_of(text), edition)
    except ValidationError as error:
        raise _damaged(error) from error


def _kept_definitions(text: Any) -> list[Definition]:
    try:
        kept = [tuple(definition) for definition in json.loads(text)]
    except (TypeError, ValueError) as error:
        raise _damaged(error) from error
    if not all(len(one) == _PARTS and all(isinstance(part, str) for part in one) for one in kept):
        raise _damaged("its definitions are not as they were written")
    return kept


def _damaged(problem: object) -> StorageError:
    return StorageError(
        f"the schema kept in {SCHEMA.name} is damaged ({problem}): restore a copy of the database"
    )


def _changes(kept: Sequence[Definition], now: set[Definition]) -> list[str]:
    """What is missing, different or more, in words. An index more is for those who look after speed."""
    there = {(table, kind, name): definition for table, kind, name, definition in now}
    words: list[str] = []
    for table, kind, name, definition in kept:
        found_now = there.get((table, kind, name))
        what = f"table {table}" if kind == "table" else f"{kind} {name} of table {table}"
        if found_now is None:
            words.append(f"{what} is missing")
        elif found_now != definition:
            words.append(f"{what} was `{definition}` and is `{found_now}`")
    tables = {table for table, _, _, _ in kept}
    known = {one[:3] for one in kept}
    added = [one for one in now if one[0] in tables and one[1] in _HELD and one[:3] not in known]
    return words + [f"{kind} {name} of table {table} was added" for table, kind, name, _ in sorted(added)]
