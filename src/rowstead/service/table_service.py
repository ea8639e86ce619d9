"""`SQLService`: a table as a service, its rows as dicts. The verbs that write; `reading` has the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from rowstead.database import Database
from rowstead.errors import ValidationError, did_you_mean
from rowstead.language.guards import NO_GUARD
from rowstead.plan import Plan
from rowstead.plans import table_inserts, table_writes
from rowstead.plans.judged import Written
from rowstead.plans.table_inserts import ON_CONFLICT
from rowstead.plans.table_reads import by_id
from rowstead.service.hooks import OF_CHANGES, Data
from rowstead.service.reading import EVERY, ColumnNames, Conditions, Id, ReadingService, Row, Rows
from rowstead.session import Session

OnConflict: TypeAlias = Literal["do_nothing", "do_update"]

ROUTES = (
    "exists",
    "m_exists",
    "get",
    "m_get",
    "count",
    "create",
    "m_create",
    "update",
    "m_update",
    "delete",
    "m_delete",
    "list",
)

_names_of: Callable[[Data], tuple[str, ...]] = cast("Any", tuple)
"""The columns that a row gives, in the quickest way: there may be many rows."""


class Upsert(NamedTuple):
    """What is done about a row that is there already."""

    action: str | None = None
    keys: tuple[str, ...] = ()
    patch: Mapping[str, Any] | None = None


class SQLService(ReadingService[Id, Row]):
    """A table as a service.

        class MyService(SQLService[str, MyType], PublicInterface):
            table = my_table

        service = MyService(database)
        await service.create({"id": "a", "value": 1})

    What its class says of columns, bounds and hooks holds for every verb. Verbs of one row raise NotFound
    where it is not there for the caller, verbs of many (`m_…`) leave it out. Writes give back the columns
    that the caller asks for, as far as they and their rows may be seen; None where it asks for none. A write
    that a constraint refuses is a Conflict: DuplicateError, ForeignKeyError, NotNullError, CheckError.
    """

    @property
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        """The verbs that outsiders may call, where the service is a PublicInterface; all but `iter`."""
        others: Mapping[str, Callable[..., Any]] = getattr(super(), "routes", {})
        return {**others, **{name: getattr(self, name) for name in ROUTES}}

    # Creating

    async def create(
        self,
        data: Data,
        columns: ColumnNames = EVERY,
        on_conflict: OnConflict | None = None,
        on_conflict_keys: ColumnNames = None,
        on_conflict_values: Data | None = None,
        _connection: Any = None,
    ) -> Row | None:
        """Insert a row; the row as it is stored, or None where no columns are asked for.

        `on_conflict`: "do_nothing" leaves a row that is there by the unique columns `on_conflict_keys` (by
        any, where they are not said), and gives None; "do_update" sets `on_conflict_values` on it, if the
        caller may update it: else DuplicateError.
        """
        upsert = self._upsert(on_conflict, on_conflict_keys, on_conflict_values)
        rows = await self._create([data], columns, upsert, _connection)
        return rows[0] if rows else None

    async def m_create(
        self,
        data: Iterable[Data],
        columns: ColumnNames = EVERY,
        on_conflict: OnConflict | None = None,
        on_conflict_keys: ColumnNames = None,
        on_conflict_values: Data | None = None,
        _connection: Any = None,
    ) -> Rows[Row] | None:
        """Insert rows, all or none, each with what it gives; those that were written, as stored.

        The rest is as for `create`.
        """
        given: Any = data
        if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
            kind = type(cast("Any", given)).__name__
            raise ValidationError(f"{self.name}.m_create takes a list of dicts, not {kind}")
        upsert = self._upsert(on_conflict, on_conflict_keys, on_conflict_values)
        return await self._create(self._new(data), columns, upsert, _connection)

    def _new(self, data: Iterable[Data]) -> Sequence[Data]:
        """The rows that are to be inserted. ValidationError for too many in one call."""
        most = self._policy.max_create_rows
        # Read only as far as they may be many: they may be endless.
        rows = list(islice(data, None if most is None else most + 1))
        if most is not None and len(rows) > most:
            raise ValidationError(
                f"{self.name}.m_create takes at most {most} rows in one call", table=self.table.name
            )
        return rows

    async def _create(
        self, data: Sequence[Data], columns: ColumnNames, upsert: Upsert, connection: Any
    ) -> Rows[Row] | None:
        self._check_rows(data)
        chosen = self._policy.select.chosen(columns)
        if not data:
            return []
        session = self._on(connection)
        rows = self._prepared(data)
        patch, guard = None, NO_GUARD
        if upsert.patch is not None:
            patch, guard = self._to_update(upsert.patch), self._may_change()
        plan = table_inserts.insert(
            session.compiler,
            self.table,
            self._permitted(rows),
            chosen,
            on_conflict=upsert.action,
            keys=upsert.keys,
            patch=patch,
            guard=guard,
            shown=self._may_see(),
        )
        written = await _written(session, plan)
        return await self._told("after_create_hook", written, chosen)

    async def _put(self, rows: Sequence[Data], connection: Any) -> None:
        """Insert rows, or set what each names on the one that is there by its primary key: for fixtures.

        As `create` does it for each; all in one go where no hook wants to see each.
        """
        key = self._rows_of.key
        patches = [{name: value for name, value in row.items() if name not in key} for row in rows]
        at_once = all(patches) and not any(map(self._says, OF_CHANGES)) and table_inserts.can_put(self.table)
        if not at_once:
            for row, patch in zip(rows, patches, strict=True):
                action = "do_update" if patch else "do_nothing"
                await self.create(row, None, action, key, patch or None, connection)
            return
        self._check_rows(rows)
        for names in dict.fromkeys(map(_names_of, patches)):
            self._policy.update.check(names)
        session = self._on(connection)
        await _written(session, table_inserts.put(session.compiler, self.table, rows))

    def _check_rows(self, rows: Sequence[Any]) -> None:
        """Raise where a row is none, or gives a column that it may not.

        There may be many: each kind is looked at once, and rows of the same columns are alike.
        """
        for kind in dict.fromkeys(map(type, rows)):
            if not issubclass(kind, Mapping):
                raise ValidationError(f"a row of {self.table.name} is a dict, not {kind.__name__}")
        for names in dict.fromkeys(map(_names_of, rows)):
            if not names:
                raise ValidationError(f"a row of {self.table.name} is empty; it has at least one column")
            self._policy.insert.check(names)

    def _upsert(self, action: Any, keys: Any, values: Any) -> Upsert:
        """What a caller says about rows that are there already, checked as what it is."""
        if action is None and keys is None and values is None:
            return Upsert()
        if action not in ON_CONFLICT:
            raise ValidationError(
                f"on_conflict is {action!r}; {did_you_mean(str(action), ON_CONFLICT)}", table=self.table.name
            )
        named = self._conflict_keys(keys)
        if action != "do_update":
            if values is not None:
                raise ValidationError(f"{action} sets nothing: on_conflict_values are for do_update")
            return Upsert(action, named)
        if not named or not values:
            raise ValidationError(
                "do_update needs on_conflict_keys, the columns of a unique key, and on_conflict_values, "
                "what to set on the row that is there",
                table=self.table.name,
            )
        self._check_patch(values)
        return Upsert(action, named, values)

    def _conflict_keys(self, keys: Any) -> tuple[str, ...]:
        """The columns of a key: those that may be seen or inserted, for others are not there."""
        if keys is None:
            return ()
        policy = self._policy
        if isinstance(keys, Mapping) or not isinstance(keys, Collection):
            kind = type(cast("Any", keys)).__name__
            raise ValidationError(f"on_conflict_keys are names of columns, not {kind}")
        names = [keys] if isinstance(keys, str) else list(cast("Collection[Any]", keys))
        known = {*policy.select.all, *policy.insert.all}
        for name in names:
            if not isinstance(name, str) or name not in known:
                raise policy.select.unknown(name)
        return policy.table.names(names, "on_conflict_keys") if names else ()

    # Updating

    async def update(
        self, id: Id, data: Data, columns: ColumnNames = EVERY, _connection: Any = None
    ) -> Row | None:
        """Set these columns of the row of this id; the row as it is then. NotFound where there is none."""
        chosen = self._policy.select.chosen(columns)
        patch = self._patch(data)
        wanted = by_id(self._rows_of, id).also(self._may_change())
        session = self._on(_connection)
        plan = table_writes.update(session.compiler, self.table, patch, wanted, chosen, shown=self._may_see())
        written = await _written(session, plan)
        if not written.count:
            raise self._no_row(id)
        rows = await self._told("after_update_hook", written, chosen)
        return rows[0] if rows else None

    async def m_update(
        self,
        id: Collection[Id] | Iterator[Id] | Id | None,
        data: Data,
        conditions: Conditions = None,
        columns: ColumnNames = EVERY,
        _connection: Any = None,
    ) -> Rows[Row] | None:
        """Set these columns of the rows of these ids that fulfil the conditions; the rows as they are then.

        Without ids ([] or None) the conditions alone say which. ValidationError without both; conditions "*"
        say every row.
        """
        chosen = self._policy.select.chosen(columns)
        wanted = self._chosen("m_update", self._ids(id), conditions).also(self._may_change())
        patch = self._patch(data)
        session = self._on(_connection)
        plan = table_writes.update(session.compiler, self.table, patch, wanted, chosen, shown=self._may_see())
        return await self._told("after_update_hook", await _written(session, plan), chosen)

    def _patch(self, data: Any) -> Data:
        """What is to be set: checked, then as the hooks want it."""
        self._check_patch(data)
        return self._to_update(data)

    def _check_patch(self, data: Any) -> None:
        """Raise where a caller may not set this."""
        if not isinstance(data, Mapping):
            raise ValidationError(f"data of {self.table.name} is a dict, not {type(data).__name__}")
        given = cast("Data", data)
        if not given:
            raise ValidationError(f"there is nothing to set: no columns of {self.table.name} are given")
        self._policy.update.check(given)

    # Deleting

    async def delete(self, id: Id, columns: ColumnNames = None, _connection: Any = None) -> Row | None:
        """Delete the row of this id; what it was, if columns are asked for. NotFound where there is none."""
        chosen = self._policy.select.chosen(columns)
        wanted = by_id(self._rows_of, id).also(self._may_delete())
        session = self._on(_connection)
        plan = table_writes.delete(session.compiler, self.table, wanted, chosen, shown=self._may_see())
        written = await _written(session, plan)
        if not written.count:
            raise self._no_row(id)
        rows = await self._told("after_delete_hook", written, chosen)
        return rows[0] if rows else None

    async def m_delete(
        self,
        id: Collection[Id] | Iterator[Id] | Id | None = None,
        conditions: Conditions = None,
        columns: ColumnNames = None,
        _connection: Any = None,
    ) -> Rows[Row] | None:
        """Delete the rows of these ids that fulfil the conditions; what they were, if columns are asked for.

        Without ids ([] or None) the conditions alone say which. ValidationError without both; conditions "*"
        say every row.
        """
        chosen = self._policy.select.chosen(columns)
        wanted = self._chosen("m_delete", self._ids(id), conditions).also(self._may_delete())
        session = self._on(_connection)
        plan = table_writes.delete(session.compiler, self.table, wanted, chosen, shown=self._may_see())
        return await self._told("after_delete_hook", await _written(session, plan), chosen)

    # What every write ends in

    async def _told(self, hook: str, written: Written, columns: tuple[str, ...]) -> Rows[Row] | None:
        """The rows that are given back, of which the class is told first; None where none are asked for."""
        if not columns:
            return None
        await self._after(hook, written.rows)
        return cast("Rows[Row]", written.rows)


async def _written(session: Session, plan: Plan[Written]) -> Written:
    """Run a write. In somebody's block it stands in a savepoint: one that is refused ends only itself."""
    if isinstance(session, Database):
        return await session.plan(plan)
    async with session.block() as inner:
        return await inner.plan(plan)
