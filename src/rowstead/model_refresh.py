"""What the objects in a session are told when rows changed without them.

A statement of many rows, or a savepoint's rollback, leaves objects with values that their rows no longer
have. Only the objects of those rows are read anew, since reading another one would hide from it that
somebody else changed its row; and nothing that was set on an object and not written yet is lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias, cast

from sqlalchemy import Select, Table, inspect, select, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState, Mapper, undefer

from rowstead.language.bound import ModelTable

Key: TypeAlias = tuple[Any, ...]

AT_ONCE = 500
"""Objects that are read by one statement."""
_SETS = ("SET NULL", "SET DEFAULT")


def has_objects(session: AsyncSession, model: ModelTable) -> bool:
    """Whether the session holds any object of the class, written or not."""
    return any(isinstance(one, model.model) for one in session.sync_session)


async def tell_changed(
    session: AsyncSession, model: ModelTable, keys: Collection[Key], columns: Collection[str]
) -> None:
    """Read the loaded objects of these rows anew, of which the statement set these columns.

    Every column is read, since the database may have made more of them; a relationship where it goes by one
    of those set.
    """
    mapper = model.mapper
    names = {*mapper.column_attrs.keys(), *_relationships_by(mapper, columns)}
    loaded = _loaded(session, model)
    await _read_again(session, mapper, [loaded[key] for key in keys if key in loaded], names)


async def tell_removed(session: AsyncSession, model: ModelTable) -> None:
    """Take the objects out of the session whose rows are gone, be it along with others."""
    mapper, loaded = model.mapper, _loaded(session, model)
    there: list[Any] = []
    for some in _in_parts(list(loaded)):
        rows = await session.execute(_by_key(select(*mapper.primary_key), mapper, some))
        found = {tuple(row) for row in rows}
        # As SQLAlchemy's own DELETE by a condition does: a rollback puts them back.
        gone = [inspect(loaded[key]) for key in some if key not in found]
        cast("Any", session.sync_session)._remove_newly_deleted(gone)
        there += [loaded[key] for key in some if key in found]
    emptied = _set_by_deletions(mapper)
    if emptied:
        await _read_again(session, mapper, there, {*emptied, *_relationships_by(mapper, emptied)})


def expired(session: AsyncSession) -> set[InstanceState[Any]]:
    """The objects of the session of which nothing is loaded."""
    return {state for state in session.sync_session.identity_map.all_states() if state.expired}


async def load_expired(session: AsyncSession, states: Collection[InstanceState[Any]]) -> None:
    """Load these, for at an attribute nobody could wait for it. What cannot be read stays expired."""
    of_class: dict[Mapper[Any], list[Key]] = defaultdict(list)
    for state in states:
        if state.key is not None:
            of_class[state.mapper].append(tuple(state.key[1]))
    try:
        for mapper, keys in of_class.items():
            for some in _in_parts(keys):
                found = await session.execute(_by_key(select(mapper.class_), mapper, some))
                found.unique().all()
    except SQLAlchemyError:
        # It is used behind an error that says more. Whoever asks such an object hears of this one.
        return


async def _read_again(
    session: AsyncSession, mapper: Mapper[Any], objects: Sequence[Any], names: Collection[str]
) -> None:
    kept = {mapper.get_property_by_column(column).key for column in mapper.primary_key}
    put_off = {attribute.key for attribute in mapper.column_attrs if attribute.deferred}
    sync = cast("Any", session.sync_session)
    for some in _in_parts(objects):
        wanted: set[str] = set()
        states = [cast("InstanceState[Any]", inspect(one)) for one in some]
        # So that a rollback, of a savepoint too, undoes what they are told here.
        sync._register_altered(states)
        for one, state in zip(some, states, strict=True):
            unsaved = state.committed_state
            old = [name for name in names if name in state.dict and name not in unsaved and name not in kept]
            wanted |= put_off.intersection(old)
            if old:
                sync.expire(one, old)
        keys = [tuple(state.key[1]) for state in states if state.key]
        statement = _by_key(select(mapper.class_), mapper, keys)
        # Expired attributes are filled by any statement that meets their object, and no others are.
        loading = statement.options(*(undefer(getattr(mapper.class_, name)) for name in wanted))
        (await session.execute(loading)).unique().all()


def _loaded(session: AsyncSession, model: ModelTable) -> dict[Key, Any]:
    found = session.sync_session.identity_map.values()
    return {cast("Key", inspect(one).identity): one for one in found if isinstance(one, model.model)}


def _by_key(statement: Select[Any], mapper: Mapper[Any], keys: Sequence[Key]) -> Select[Any]:
    columns: list[Any] = list(mapper.primary_key)
    if len(columns) > 1:
        return statement.where(tuple_(*columns).in_(keys))
    return statement.where(columns[0].in_([key[0] for key in keys]))


def _in_parts(several: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(several), AT_ONCE):
        yield several[start : start + AT_ONCE]


def _relationships_by(mapper: Mapper[Any], columns: Collection[str]) -> list[str]:
    return [one.key for one in mapper.relationships if any(c.name in columns for c in one.local_columns)]


def _set_by_deletions(mapper: Mapper[Any]) -> set[str]:
    """The attributes of a table that refers to itself which the database changes where a row is removed."""
    table = mapper.local_table
    if not isinstance(table, Table):
        return set()
    return {
        mapper.get_property_by_column(element.parent).key
        for key in table.foreign_key_constraints
        for element in key.elements
        if str(key.ondelete).upper() in _SETS and element.column.table is table
    }
