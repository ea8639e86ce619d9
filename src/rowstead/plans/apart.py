"""Writes row by row, and those that take several statements where the database lacks a clause: UPDATE …
RETURNING, ON CONFLICT.

A refused INSERT is looked into: was it refused by the key that is meant, or by another one?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from rowstead.dialects import Dialect
from rowstead.errors import DuplicateError
from rowstead.language.shapes import IF_NEW, VALUE, Shape, equal_to
from rowstead.plan import Atomic, Call, Many, ManyReturning, Plan, Record, Trying
from rowstead.sentinels import Inc
from rowstead.statements.compiled import Compiled, Compiler
from rowstead.statements.inserts import NOTHING_BACK, Back, Target
from rowstead.tables.schema import Table
from rowstead.values.columnar import Columnar

R = TypeVar("R")


class NewRow(NamedTuple):
    """A row for a table, as an insert takes it: what of it is given in which form, and the values.

    The values are those of VALUE, IF_NEW and Inc (start + by) in order, then what each Inc adds.
    """

    table: Table
    given: tuple[tuple[str, Any], ...]
    values: Sequence[Any]

    def stored(self) -> Mapping[str, Any]:
        """The values that a new row would have, by column; those that the database makes are missing."""
        return dict(zip((name for name, form in self.given if _has_value(form)), self.values, strict=False))

    def changes(self, unchanged: Sequence[str]) -> Iterator[tuple[str, Any, list[Any]]]:
        """(column, form, its values) of what an upsert sets on a row that is there already."""
        stored = self.stored()
        increments = iter(self.values[len(stored) :])
        for name, form in self.given:
            added = [next(increments)] if form is Inc else []
            if name not in unchanged and form != IF_NEW:
                yield name, form, added or ([stored[name]] if form == VALUE else [])

    def key_filter(self, key: Sequence[str]) -> tuple[Shape, list[Any]] | None:
        """What finds the row that has these columns in common with this one; None where one is not given."""
        stored = self.stored()
        if any(stored.get(name) is None for name in key):
            return None
        return equal_to((name, stored[name]) for name in key)


def _has_value(form: Any) -> bool:
    return form in (VALUE, IF_NEW) or form is Inc


def reading_back(change: Call[int], row: Call[R]) -> Plan[R | None]:
    """Change one row, then read it: `row` finds it by its key alone. None where `change` found no row."""

    def steps() -> Plan[R | None]:
        found: int = yield change
        if not found:
            return None
        return (yield row)

    return (yield Atomic(steps()))


def applies_apart(dialect: Dialect, target: Target | None) -> bool:
    """Whether an insert with this target is looked into when it is refused: no clause names its key."""
    return target is not None and dialect.upsert_guard is not None


def inserting(
    compiler: Compiler,
    row: NewRow,
    insert: Call[R],
    target: Target,
    otherwise: Any,
    back: Back | None = None,
) -> Plan[Any]:
    """Insert one row, as `target` says where there is one with its key: `otherwise` is what ignoring gives.

    `back` is what `insert` gives back, if it is not the whole row. DuplicateError where another key
    refused it.
    """
    try:
        return (yield Trying(insert))
    except DuplicateError:
        pass
    if target.action == "ignore":
        if target.key is None or (yield from _is_there(compiler, row, target.key)):
            return otherwise
    else:
        # Two rows are there, and the one that is meant was not the first that was found.
        changed = yield from _changing(compiler, row, insert, target, back or Back(row.table.all))
        if changed is not None:
            return changed
    # Refused as before; or stored, if what was in its way is gone.
    return (yield insert)


def one_by_one(
    compiler: Compiler,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    rows: Sequence[Sequence[Any]],
    target: Target | None,
    back: Back | None,
) -> Plan[Any]:
    """Insert rows by a statement of one; how many were written, or for each what is stored or None.

    The values of a patch and its guard stand behind each row's.
    """
    compiled = _inserting(compiler, table, given, target, back)
    params = compiled.bind_many(_asking(rows, back))
    sent = _sent(compiled, params, table, back)
    if target is None or not applies_apart(compiler.dialect, target):
        return (yield from sent)
    each = inserting_each(compiler, table, given, rows, target, back)
    if target.action == "ignore":
        return (yield Atomic(each))
    try:
        return (yield Atomic(sent))
    except DuplicateError:
        # Some row has the key of one row and another key of another: found out for each.
        return (yield Atomic(each))


def _inserting(
    compiler: Compiler,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    target: Target | None,
    back: Back | None,
) -> Compiled:
    return compiler.get(("insert", table, given, target, *(back or NOTHING_BACK).key))


def _asking(rows: Sequence[Sequence[Any]], back: Back | None) -> Sequence[Sequence[Any]]:
    """The rows with the values of what they are asked back by."""
    return rows if back is None or not back.values else [[*row, *back.values] for row in rows]


def _sent(compiled: Compiled, params: Columnar, table: Table, back: Back | None) -> Plan[Any]:
    if back is None:
        return (yield Many(compiled.text, params, table.name))
    records: list[Record | None] = yield ManyReturning(compiled.text, params, table.name)
    stored = iter(compiled.read_all([r for r in records if r is not None]))
    return [None if record is None else next(stored) for record in records]


def inserting_each(
    compiler: Compiler,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    rows: Sequence[Sequence[Any]],
    target: Target,
    back: Back | None,
) -> Plan[Any]:
    """As `inserting` for each row; how many were written, or what is stored, None where it was ignored."""
    compiled = _inserting(compiler, table, given, target, back)
    found: list[Any] = []
    for values, asking in zip(rows, _asking(rows, back), strict=True):
        call = compiled.call(asking, compiled.read_one if back else None)
        row = NewRow(table, given, values)
        found.append((yield from inserting(compiler, row, call, target, None, back)))
    return found if back else sum(one is not None for one in found)


def _is_there(compiler: Compiler, row: NewRow, key: tuple[str, ...]) -> Plan[bool]:
    """Whether a row has this key now."""
    found = row.key_filter(key)
    if found is None:
        return False
    # As it is now, not as the transaction's snapshot shows it: the row may be younger.
    where, values = found
    call: Call[list[Any]] = compiler.get(("locked", row.table, row.table.all[:1], where)).call(values, list)
    return bool((yield call))


def _changing(compiler: Compiler, row: NewRow, insert: Call[Any], target: Target, back: Back) -> Plan[Any]:
    """Change the row that has the target's key, and give what `insert` would; None where there is none."""
    key = target.key or row.table.key
    found = row.key_filter(key)
    if found is None:
        return None
    where, key_values = found
    if target.action == "patch":
        given, values = target.patch, list(row.values[len(row.stored()) :])
    else:
        changes = list(row.changes((*key, *row.table.key)))
        given = tuple((name, form) for name, form, _ in changes)
        values = [value for _, _, some in changes for value in some]
    change = compiler.get(("update", row.table, given, where, ())).call([*values, *key_values], None)
    if insert.read is None:
        return (yield change) or None
    reader = compiler.get(("locked", row.table, back.columns, where))
    return (yield from reading_back(change, reader.call(key_values, insert.read)))
