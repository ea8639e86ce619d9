"""The order of tables in which each stands behind those that its foreign keys refer to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import sqlalchemy as sa

from rowstead.errors import UsageError


def referred_first(tables: Sequence[sa.Table[Any]]) -> list[sa.Table[Any]]:
    """These tables in such an order; references to themselves and to others are left aside.

    A key that is looked at when the transaction ends (`deferrable=True, initially="DEFERRED"`) may stand
    in a circle. Raises UsageError for a circle of other keys, and names it.
    """
    by_name = {table.fullname: table for table in tables}
    try:
        names = _in_order(by_name, _referred)
    except CycleError:
        try:
            names = _in_order(by_name, _referred_at_once)
        except CycleError as error:
            circle = " -> ".join(error.args[1][::-1])
            raise UsageError(
                f"the tables {circle} refer to each other in a circle, so that none can be filled first; "
                'declare one of these foreign keys with deferrable=True, initially="DEFERRED"'
            ) from None
    return [by_name[name] for name in names]


def _in_order(by_name: Mapping[str, sa.Table[Any]], referred: Any) -> Iterable[str]:
    needed = {
        name: [other for other in referred(table) if other != name and other in by_name]
        for name, table in by_name.items()
    }
    return list(TopologicalSorter(needed).static_order())


def _referred(table: sa.Table[Any]) -> Iterator[str]:
    """The names of the tables that it refers to: names, since the other may be of another MetaData."""
    for constraint in table.foreign_key_constraints:
        yield _target(constraint)


def _referred_at_once(table: sa.Table[Any]) -> Iterator[str]:
    for constraint in table.foreign_key_constraints:
        if not (constraint.deferrable and str(constraint.initially).upper() == "DEFERRED"):
            yield _target(constraint)


def _target(constraint: sa.ForeignKeyConstraint) -> str:
    return constraint.elements[0].target_fullname.rpartition(".")[0]
