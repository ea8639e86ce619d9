"""What Row objects give to writes: which columns, in what form, with which values, and their keys.

Reads rows, and sends nothing.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from rowstead.errors import ValidationError
from rowstead.language.conditions import read
from rowstead.language.shapes import VALUE, Shape
from rowstead.plans.bulk import Group
from rowstead.rows.row import Row
from rowstead.sentinels import Inc, Now
from rowstead.statements.builders import require_key
from rowstead.statements.inserts import Target
from rowstead.tables.schema import Table
from rowstead.values.columnar import Columnar

MAX_CHOICES = 256
"""How many sets of fields are kept for each table."""
ORDINARY = frozenset(
    {
        *(int, str, float, bool, type(None), bytes, list, dict),
        *(uuid.UUID, decimal.Decimal, datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
    }
)
"""Types of what stands for itself: no sentinel."""


class _Choice(NamedTuple):
    """What a row with these fields set writes, where every value stands for itself."""

    given: tuple[tuple[str, Any], ...]
    pick: Callable[[Mapping[str, Any]], tuple[Any, ...]]


def _choice(table: Table, skip: Sequence[str], chosen: set[str]) -> _Choice:
    """Made once for each set of fields: statements of one shape are written again and again."""
    kept: dict[Any, _Choice] = table.facts.setdefault("choices by what is skipped", {})
    key = (skip, frozenset(chosen))
    found = kept.get(key)
    if found is None:
        names = [name for name in table.columns if name in chosen and name not in skip]
        found = _Choice(tuple((name, VALUE) for name in names), picker(names))
        if len(kept) >= MAX_CHOICES:
            kept.clear()
        kept[key] = found
    return found


def picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """What gives these fields' values, in order."""
    if len(names) < 2:
        return lambda fields: tuple(fields[name] for name in names)
    return itemgetter(*names)


def given_by(
    row: Row, table: Table, skip: tuple[str, ...] = ()
) -> tuple[tuple[tuple[str, Any], ...], tuple[Any, ...] | list[Any]]:
    """What is set on the row: (column, form) in the columns' order, and a value for each VALUE and Inc.

    The values are a tuple where each stands for itself.
    """
    fields, chosen = row.__dict__, row.__pydantic_fields_set__
    choice = _choice(table, skip, chosen)
    picked = choice.pick(fields)
    if ORDINARY.issuperset(map(type, picked)):
        return choice.given, picked
    given: list[tuple[str, Any]] = []
    values: list[Any] = []
    for name in table.columns:
        if name not in chosen or name in skip:
            continue
        value = fields[name]
        if isinstance(value, Now) or value is Now:
            given.append((name, Now))
        elif isinstance(value, Inc):
            given.append((name, Inc))
            values.append(value)
        else:
            given.append((name, VALUE))
            values.append(value)
    return tuple(given), values


def insertable(
    row: Row, table: Table, target: Target | None
) -> tuple[tuple[tuple[str, Any], ...], Sequence[Any]]:
    """The row as an insert takes it; an Inc's two values (start + by, by) in their places."""
    given, values = given_by(row, table)
    if target is None and isinstance(values, tuple):
        return given, values
    upsert = target is not None and target.action == "upsert"
    increments = [v for v in values if isinstance(v, Inc)]
    if increments and not upsert:
        raise ValidationError(
            "Inc is one of the column-expression sentinels and needs a row to add to: "
            'use update, or on_conflict="upsert"',
            table=table.name,
        )
    if upsert:
        assert target is not None
        _check_upsert(table, target, [name for name, _ in given])
    if not increments:
        return given, values
    inserted = [v.start + v.by if isinstance(v, Inc) else v for v in values]
    return given, [*inserted, *(i.by for i in increments)]


def _check_upsert(table: Table, target: Target, names: Sequence[str]) -> None:
    key = target.key or table.key
    missing = [name for name in key if name not in names]
    if missing:
        raise ValidationError(
            f"an upsert by {list(key)} needs every one of them set; {missing} is not", table=table.name
        )
    if all(name in key or name in table.key for name in names):
        raise ValidationError(
            f'an upsert by {list(key)} needs a column to update; use on_conflict="ignore"', table=table.name
        )


_NOT_PLAIN = (Inc, Now, type)
"""Types of what is no value of a column (`type` is that of the bare word `Now`)."""


def groups_of(rows: Sequence[Row], table: Table, target: Target | None) -> list[Group]:
    """The rows by what is set on them and how, with their values.

    Rows come by the ten thousand: what is asked once per group or per column is not asked per row.
    """
    groups: dict[tuple[tuple[str, Any], ...], Group] = {}
    for chosen, places in _alike(rows).items():
        names = [name for name in table.columns if name in chosen]
        fields = [rows[i].__dict__ for i in places]
        values = Columnar([list(map(itemgetter(name), fields)) for name in names], len(fields))
        if any(issubclass(t, _NOT_PLAIN) for types in values.types for t in types):
            for place in places:
                given, changes = insertable(rows[place], table, target)
                _join(groups, given, [changes], [place])
            continue
        if target is not None and target.action == "upsert":
            _check_upsert(table, target, names)
        _join(groups, tuple((name, VALUE) for name in names), values, places)
    return list(groups.values())


_fields_set = attrgetter("__pydantic_fields_set__")


def _alike(rows: Sequence[Row]) -> Mapping[frozenset[str], Sequence[int]]:
    """The places of the rows on which the same fields are set."""
    chosen: list[set[str]] = list(map(_fields_set, rows))
    if chosen and chosen.count(chosen[0]) == len(chosen):
        return {frozenset(chosen[0]): range(len(chosen))}
    alike: dict[frozenset[str], list[int]] = {}
    for place, one in enumerate(chosen):
        alike.setdefault(frozenset(one), []).append(place)
    return alike


def _join(
    groups: dict[tuple[tuple[str, Any], ...], Group],
    given: tuple[tuple[str, Any], ...],
    values: Sequence[Sequence[Any]],
    places: Sequence[int],
) -> None:
    group = groups.get(given)
    if group is None:
        groups[given] = Group(given, values, places)
        return
    rows, known = group.rows, group.places
    if not isinstance(rows, list) or not isinstance(known, list):
        rows, known = list(rows), list(known)
        groups[given] = Group(given, rows, known)
    rows.extend(values)
    known.extend(places)


KEY_TYPES = frozenset({int, str, uuid.UUID})


def key_filter(row: Row, table: Table) -> dict[str, Any]:
    """The row's key as a filter; a ValidationError where a part of it is not set."""
    key = require_key(table)
    missing = [name for name in key if name not in row.model_fields_set]
    if missing:
        raise ValidationError(f"the primary key of {table.name} is not set: {missing}", table=table.name)
    values = ((name, row.__dict__[name]) for name in key)
    # Read faster, and to the same shape.
    return {name: value if type(value) in KEY_TYPES else {"eq": value} for name, value in values}


def by_key(table: Table) -> tuple[Shape, Callable[[Mapping[str, Any]], Sequence[Any]]]:
    """The shape of a row's own key where its values are plain, and what picks them."""
    found = table.facts.get("shape of a key")
    if found is None:
        shape, _ = read(dict.fromkeys(require_key(table), 0), table)
        found = table.facts["shape of a key"] = (shape, picker(table.key))
    return found


def changed(values: tuple[Any, ...] | list[Any]) -> Sequence[Any]:
    """What `given_by` gives, as an update takes it: an Inc is what it adds."""
    return values if isinstance(values, tuple) else [v.by if isinstance(v, Inc) else v for v in values]
