"""New rows of a table of SQLAlchemy's, given as dicts; rows that are there already.

SQLAlchemy's own defaults are filled in. A guard of an upsert binds the row that is there: where it is not
true, nothing is written at all. Nothing that a caller gave is changed. Written as plans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from rowstead.errors import DuplicateError, ValidationError, did_you_mean
from rowstead.language.guards import NO_GUARD, Guard
from rowstead.language.shapes import EVERYTHING, IF_NEW, VALUE
from rowstead.plan import Atomic, Call, Plan, Trying
from rowstead.plans import bulk, column_fillings
from rowstead.plans.apart import NewRow, applies_apart, inserting, one_by_one
from rowstead.plans.bulk import Group
from rowstead.plans.column_fillings import Filling, Known
from rowstead.plans.judged import Rows, Written, back_of, judged, seen
from rowstead.plans.key_counters import numbered
from rowstead.plans.table_reads import Wanted, rows
from rowstead.plans.table_writes import Change, change_of
from rowstead.sentinels import Now
from rowstead.statements.compiled import NOT_SHOWN, Compiler
from rowstead.statements.inserts import NOTHING_BACK, Back, Target
from rowstead.tables.from_sqlalchemy import table_of
from rowstead.tables.schema import Table
from rowstead.values.columnar import Columnar

ON_CONFLICT = ("do_nothing", "do_update")
"""What may be done about a row that is there already."""


def insert(
    compiler: Compiler,
    table: sa.Table[Any],
    values: Rows,
    columns: tuple[str, ...],
    *,
    on_conflict: str | None = None,
    keys: tuple[str, ...] = (),
    patch: Mapping[str, Any] | None = None,
    guard: Guard = NO_GUARD,
    shown: Guard = NO_GUARD,
) -> Plan[Written]:
    """Insert rows, all or none; each keeps what it gives, and defaults fill the rest.

    `on_conflict`: "do_nothing" leaves rows that are there by the unique key `keys` (by any, where none is
    named), "do_update" sets `patch` on them. DuplicateError where `guard` is not true of such a row.
    """
    described = table_of(table)
    values = yield from numbered(compiler, table, values)
    groups = _groups(compiler, table, described, values)
    if keys:
        _check_unique(described, keys)
    if on_conflict is None or on_conflict == "do_nothing":
        target = None if on_conflict is None else Target("ignore", keys or None)

        def write(columns: tuple[str, ...], shown: Guard) -> Plan[Written]:
            return _insert(compiler, described, groups, target, back_of(columns, shown))

        return (yield from judged(compiler, described, columns, shown, write))
    if on_conflict != "do_update":
        hint = did_you_mean(str(on_conflict), ON_CONFLICT)
        raise ValidationError(f"on_conflict is do_nothing, do_update or None, not {on_conflict!r}; {hint}")
    if not keys or not patch:
        raise ValidationError(
            "do_update needs on_conflict_keys, the columns of a unique key, and on_conflict_values, what "
            "to set",
            table=described.name,
        )
    change = change_of(table, described, patch)
    _check_keys(described, groups, keys)

    def upsert(columns: tuple[str, ...], shown: Guard) -> Plan[Written]:
        work = _Upsert(compiler, described, keys, change, guard, back_of(columns, shown))
        return (yield Atomic(work.of(groups)))

    return (yield from judged(compiler, described, columns, shown, upsert))


def can_put(table: sa.Table[Any]) -> bool:
    """Whether `put` can write the table's rows: what is filled in are values, and none when a row changes."""
    fillings = column_fillings.on_insert(table, has_sequences=True)
    return not column_fillings.on_update(table) and all(each.form == VALUE for each in fillings.values())


def put(compiler: Compiler, table: sa.Table[Any], values: Rows) -> Plan[Written]:
    """Insert rows, or set on those that are there by the primary key what the new row names."""
    described = table_of(table)
    groups: list[Group] = []
    for group in _groups(compiler, table, described, values):
        named = values[group.places[0]]
        given = tuple((name, form if name in named else IF_NEW) for name, form in group.given)
        groups.append(group._replace(given=given))
    target = Target("upsert", described.key)
    return Written((yield from bulk.insert_many(compiler, described, groups, target, False)), [])


def _insert(
    compiler: Compiler, table: Table, groups: list[Group], target: Target | None, back: Back | None
) -> Plan[Written]:
    if len(groups) == 1 and len(groups[0].rows) == 1:
        return (yield from _insert_one(compiler, table, groups[0], target, back))
    found = yield from bulk.insert_many(compiler, table, groups, target, back or False)
    return seen(found) if back else Written(found, [])


def _insert_one(
    compiler: Compiler, table: Table, group: Group, target: Target | None, back: Back | None
) -> Plan[Written]:
    asked = back or NOTHING_BACK
    compiled = compiler.get(("insert", table, group.given, target, *asked.key))
    values = [*group.rows[0], *asked.values]
    # What ends in whether it is shown has no room for the transaction's id.
    make = compiled.stored if asked.shown == EVERYTHING else compiled.call
    call: Call[Any] = make(values, compiled.read_one) if back else compiled.call(values, None)
    if target is not None and applies_apart(compiler.dialect, target):
        row = NewRow(table, group.given, group.rows[0])
        found = yield from inserting(compiler, row, call, target, None, back)
    else:
        found = yield call
    if back is None:
        return Written(found or 0, [])
    return seen([] if found is None else [found])


def _groups(
    compiler: Compiler,
    table: sa.Table[Any],
    described: Table,
    values: Rows,
) -> list[Group]:
    """The rows by which columns they give, column by column."""
    fillings = _fillings(table, described, compiler.dialect.sequences is not None)
    # The same columns in another order are the same columns.
    columns_of = {names: frozenset(names) for names in dict.fromkeys(map(tuple, values))}
    alike: dict[frozenset[str], list[int]] = {given: [] for given in columns_of.values()}
    if len(alike) == 1:
        return [_group(described, next(iter(alike)), values, range(len(values)), fillings)]
    for place, row in enumerate(values):
        alike[columns_of[tuple(row)]].append(place)
    return [
        _group(described, given, [values[place] for place in places], places, fillings)
        for given, places in alike.items()
    ]


def _fillings(table: sa.Table[Any], described: Table, has_sequences: bool) -> Mapping[str, Filling]:
    """What SQLAlchemy fills into a new row, found out once per table."""
    name = f"fillings of an insert{', sequences too' * has_sequences}"
    found = described.facts.get(name)
    if found is None:
        found = described.facts[name] = column_fillings.on_insert(table, has_sequences)
    return found


def _group(
    table: Table, names: frozenset[str], some: Rows, places: Sequence[int], fillings: Mapping[str, Filling]
) -> Group:
    for name in names:
        table.column(name)
    given: list[tuple[str, Any]] = []
    columns: list[list[Any]] = []
    known: dict[str, list[Any]] = {}
    for name in table.all:
        filling = fillings.get(name)
        if name in names:
            known[name] = list(map(itemgetter(name), some))
        elif filling is None:
            continue
        elif filling.form is Now:
            given.append((name, Now))
            continue
        else:
            known[name] = [filling.value(Known(row, known, n)) for n, row in enumerate(some)]
        given.append((name, VALUE))
        columns.append(known[name])
    return Group(tuple(given), Columnar(columns, len(some)), places)


def _check_unique(table: Table, keys: tuple[str, ...]) -> None:
    """ValidationError where these columns are no key: not every database would refuse them."""
    named = set(table.names(keys, "on_conflict_keys"))
    unique = [index.columns for index in table.indexes if index.unique]
    declared = [table.key, *(one.columns for one in table.uniques), *unique]
    if not any(named == set(columns) for columns in declared):
        raise ValidationError(
            f"{list(keys)} is no key of {table.name}: name the columns of its primary key, or of a unique "
            "constraint that it declares",
            table=table.name,
        )


def _check_keys(table: Table, groups: Sequence[Group], keys: tuple[str, ...]) -> None:
    for group in groups:
        given = {name for name, _ in group.given}
        missing = [name for name in keys if name not in given]
        if missing:
            raise ValidationError(
                f"an upsert by {list(keys)} needs every one of them in each row; {missing} is not",
                table=table.name,
            )


class _Upsert:
    """Inserts rows, or sets a patch on those that are there; run inside a transaction."""

    def __init__(
        self,
        compiler: Compiler,
        table: Table,
        keys: tuple[str, ...],
        change: Change,
        guard: Guard,
        back: Back | None,
    ) -> None:
        self._compiler = compiler
        self._table = table
        self._keys = keys
        self._change = change
        self._guard = guard
        # Without something to come back nobody says of which row the guard is not true.
        self._back = back or Back(table.all[:1])
        self._asked = back is not None

    def of(self, groups: Sequence[Group]) -> Plan[Written]:
        found: list[Any] = [None] * sum(len(group.rows) for group in groups)
        # A database that names no key beside the clause is asked in two statements.
        apart = self._compiler.dialect.upsert_guard is not None
        for group in groups:
            stored = yield from self._in_turn(group) if apart else self._at_once(group)
            for place, row in zip(group.places, stored, strict=True):
                found[place] = row
        if None in found:
            raise self._refused()
        return seen(found) if self._asked else Written(len(found), [])

    def _refused(self) -> DuplicateError:
        if self._guard.shape == EVERYTHING:
            problem = f"a row of {self._table.name} is there, but not by {list(self._keys)}"
        else:
            problem = f"a row of {self._table.name} with the same {list(self._keys)} may not be changed"
        return DuplicateError(f"{problem}; nothing was written", table=self._table.name)

    def _at_once(self, group: Group) -> Plan[list[Any]]:
        """For each row what is stored; None where the guard was in the way."""
        target = Target("patch", self._keys, self._change.given, self._guard.shape)
        more = [*self._change.values, *self._guard.values]
        some = [[*row, *more] for row in group.rows]
        return (yield from one_by_one(self._compiler, self._table, group.given, some, target, self._back))

    def _in_turn(self, group: Group) -> Plan[list[Any]]:
        compiled = self._compiler.get(("insert", self._table, group.given, None, *self._back.key))
        found: list[Any] = []
        for values in group.rows:
            call = compiled.call([*values, *self._back.values], compiled.read_one)
            try:
                found.append((yield Trying(call)))
            except DuplicateError:
                row = NewRow(self._table, group.given, values)
                found.append((yield from self._patched(row)))
        return found

    def _patched(self, row: NewRow) -> Plan[Any]:
        """Change the row that is there by the key, and read it; None where there is none that may be."""
        there = row.key_filter(self._keys)
        if there is None:
            return None
        wanted = Wanted(*there)
        allowed = wanted.also(self._guard)
        key = ("update", self._table, self._change.given, allowed.shape, ())
        changed: int = yield self._compiler.get(key).call([*self._change.values, *allowed.values], None)
        if not changed:
            return None
        stored = dict(zip((name for name, _ in self._change.given), self._change.values, strict=False))
        moved = {name: stored.get(name, row.stored()[name]) for name in self._keys}
        again = NewRow(self._table, tuple((n, VALUE) for n in moved), list(moved.values())).key_filter(
            self._keys
        )
        return (yield from _one_shown(self._compiler, self._table, Wanted(*(again or there)), self._back))


def _one_shown(compiler: Compiler, table: Table, wanted: Wanted, back: Back) -> Plan[Any]:
    seen = wanted.also(Guard(back.shown, back.values))
    found: list[Any] = yield rows(compiler, table, back.columns, seen)
    return found[0] if found else NOT_SHOWN
