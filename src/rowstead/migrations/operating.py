"""Migrations of schema operations, put together: the list, the runner and what an operation does.

It answers for what is refused before anything is applied, for what one migration's transaction holds
and for what its errors say. It must not know where a schema is kept nor how defaults are made: a face
brings that (`store.py`).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from importlib.metadata import version as version_of
from typing import Any

from rowstead.errors import (
    ForeignKeyError,
    MigrationError,
    RowsteadError,
    UndefinedColumnError,
    UndefinedTableError,
    ValidationError,
)
from rowstead.migrations.bodies import statements_of
from rowstead.migrations.carrying import Carrier
from rowstead.migrations.changes import taken_over
from rowstead.migrations.evolution import Evolution
from rowstead.migrations.facts import facts_of
from rowstead.migrations.formats.ops import Version, read_versions, require_history
from rowstead.migrations.ledger import Calls, Entry
from rowstead.migrations.migration import Migration, OnEvent
from rowstead.migrations.operations import BODIES, RAW, Operation
from rowstead.migrations.records import Records
from rowstead.migrations.runner import Runner
from rowstead.migrations.store import Fill, SchemaStore
from rowstead.migrations.unexplained import unexplained
from rowstead.plan import Plan
from rowstead.statements.compiled import Compiler
from rowstead.tables.schema import Table

SOURCE = "kit"
_WITH_SQL = frozenset({RAW, *BODIES, "drop_view", "drop_trigger"})
_IN_PLACE = _WITH_SQL | {"add_index", "drop_index"}
"""Operations for which no table has to be made anew. For a new table another one may have to be: one that
refers to it and was there first."""


class Operating:
    """One run over a list of migrations."""

    def __init__(
        self,
        migrations: Any,
        wanted: Mapping[str, Table],
        store: SchemaStore,
        fill: Fill,
        compiler: Compiler,
    ) -> None:
        self.versions: Sequence[Version] = read_versions(migrations)
        self.wanted = wanted
        self.store = store
        self.facts = facts_of(compiler.dialect)
        # Tables in forms that no statement will ask for again must not crowd the handle's cache.
        own = Compiler(compiler.dialect, compiler.codec, compiler.paramstyle)
        self.carrier = Carrier(own, self.facts, fill)
        self.records = Records(Calls(own.dialect, own.paramstyle), f"rowstead {version_of('rowstead')}")
        self._paramstyle = compiler.paramstyle
        self._dialect = compiler.dialect
        for version in self.versions:
            for at, operation in enumerate(version.operations, 1):
                if operation.kind in _WITH_SQL:
                    with _named(version, at):
                        statements_of(operation, self.facts, self.carrier.quoted)

    def migrate(self, lock_timeout: float, on_event: OnEvent | None) -> Plan[list[int]]:
        migrations = [
            Migration(v.id, (), (), v.checksum, transactional=True, work=_Work(self, place))
            for place, v in enumerate(self.versions)
        ]
        runner = Runner(
            migrations,
            self._dialect,
            self._paramstyle,
            folder="",
            source=SOURCE,
            on_event=on_event,
            require=self._require,
        )
        return [int(id) for id in (yield from runner.migrate(lock_timeout))]

    def operations_from(self, place: int) -> list[Operation]:
        """The operations of the version in this place and of all behind it."""
        return [operation for version in self.versions[place:] for operation in version.operations]

    def _require(self, entries: Mapping[str, Entry], pending: Sequence[Migration]) -> Plan[None]:
        """Refuse, before anything is applied, what cannot follow or would not lead to the schema."""
        names = yield from self.records.names(entries)
        require_history(self.versions, entries, names, SOURCE)
        tables = yield from self.store.load()
        ids = {migration.id for migration in pending}
        first = next((place for place, v in enumerate(self.versions) if v.id in ids), len(self.versions))
        evolution = Evolution(tables, self.wanted, self.operations_from(first))
        for version in self.versions[first:]:
            for at, _ in enumerate(version.operations, 1):
                with _named(version, at):
                    evolution.step()
        left = unexplained(evolution.tables, self.wanted)
        if left:
            raise MigrationError(
                "\n".join(
                    [
                        "the schema has changes that no migration brings about; nothing was applied.",
                        *(f"  {sentence}" for sentence in left),
                        "Write these operations as a new migration; or give set_schema the schema as it was.",
                    ]
                )
            )


class _Work:
    """What one version does, inside its transaction."""

    def __init__(self, operating: Operating, place: int) -> None:
        self._operating = operating
        self._place = place
        self._version = operating.versions[place]
        self._at = 0

    @property
    def rebuilds(self) -> bool:
        """Whether a table may have to be made anew."""
        return any(operation.kind not in _IN_PLACE for operation in self._version.operations)

    def plan(self) -> Plan[None]:
        operating = self._operating
        # Read again: under another runner's nose nothing is taken for known.
        tables = yield from operating.store.load()
        evolution = Evolution(tables, operating.wanted, operating.operations_from(self._place))
        for at, _ in enumerate(self._version.operations, 1):
            self._at = at
            for change in evolution.step():
                yield from operating.carrier.carry(change, evolution.tables)
        self._at = 0
        yield from operating.carrier.require_whole(evolution.tables)
        reached = _in_order(evolution.tables, operating.wanted)
        moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield from operating.records.add(self._version, moment)
        # The last, so that the number which the schema is kept with is that of a database left alone since.
        yield from operating.store.save(reached)

    def failed(self, error: RowsteadError, before: str) -> RowsteadError:
        operation = f", operation {self._at} ({self._version.operations[self._at - 1]})" if self._at else ""
        message = (
            f"migration {self._version}{operation}: {error}\nnothing of this migration was kept, and {before}"
        )
        # What rows or values stand against is told by its own class, whatever else by MigrationError.
        told = isinstance(error, (ValidationError, ForeignKeyError))
        misnamed = isinstance(error, (UndefinedTableError, UndefinedColumnError))
        kind = type(error) if told and not misnamed else MigrationError
        failure = kind(
            message, table=error.table, column=error.column, constraint=error.constraint, pk=error.pk
        )
        failure.retryable = error.retryable
        return failure


class _named:
    """Puts before an error which migration and operation it is about."""

    def __init__(self, version: Version, at: int) -> None:
        self._place = f"migration {version}, operation {at}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (MigrationError, ValidationError)):
            raise type(error)(f"{self._place}, {error}; nothing was applied", table=error.table) from error


def _in_order(tables: Mapping[str, Table], wanted: Mapping[str, Table]) -> dict[str, Table]:
    """The tables in the order of the wanted ones, with the defaults of those."""
    names = [name for name in wanted if name in tables]
    names += [name for name in tables if name not in wanted]
    return {name: taken_over(tables[name], wanted.get(name)) for name in names}
