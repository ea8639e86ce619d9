"""Rows as objects of a mapped class in a session, as if the session had just loaded them.

For rows that the core's statements gave back, by column. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.attributes import instance_state, set_committed_value

from rowstead.language.bound import ModelTable


def objects_of(session: Session, model: ModelTable, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The session's objects of these rows, in order; one that it has already is told the row's values.

    A rollback, of a savepoint too, undoes both. What was set on an object and not written yet stays.
    """
    names, attributes = tuple(model.attributes), tuple(model.attributes.values())
    key_of, known = model.mapper.identity_key_from_primary_key, session.identity_map
    # There is none behind a commit, after which nothing is undone.
    transaction: Any = session.get_nested_transaction() or session.get_transaction()
    found: list[Any] = []
    for row in rows:
        key = key_of(tuple(row[name] for name in model.table.key))
        one: Any = known.get(key)
        values = zip(attributes, map(row.__getitem__, names), strict=True)
        if one is None:
            one = _mapper_of(model, row).class_manager.new_instance()
            # What nobody has seen yet has no history to keep.
            one.__dict__.update(values)
            state: Any = instance_state(one)
            _take_up(session, state, key)
            if transaction is not None:
                transaction._new[state] = True
            state.manager.dispatch.load(state, None)
        else:
            _tell(session, one, values)
        found.append(one)
    return found


def _take_up(session: Session, state: Any, key: Any) -> None:
    """Make the session know an object as it does with one that it reads, which costs a third of `add`."""
    state.key = key
    state.session_id = session.hash_key
    cast("Any", session.identity_map)._add_unpresent(state, key)


def _tell(session: Session, one: Any, values: Iterable[tuple[str, Any]]) -> None:
    state: Any = instance_state(one)
    cast("Any", session)._register_altered([state])
    told = [(name, value) for name, value in values if name not in state.committed_state]
    for attribute, value in told:
        set_committed_value(one, attribute, value)
    # As SQLAlchemy does: values that tell of their own changes are found by it.
    state.manager.dispatch.refresh(state, None, [name for name, _ in told])


def _mapper_of(model: ModelTable, row: Mapping[str, Any]) -> Any:
    """The mapper of the row's class: of a table that several share, one that a column names."""
    mapper: Mapper[Any] = model.mapper
    name: str | None = getattr(mapper.polymorphic_on, "name", None)
    # Classes may be told apart by an expression too, which is no column.
    if name is None or name not in row:
        return mapper
    return cast("Any", mapper.polymorphic_map.get(row[name], mapper))
