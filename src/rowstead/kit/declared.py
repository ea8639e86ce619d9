"""One table of a schema dict, read into a `schema.Table`. Every mistake in it is a ValidationError.

What concerns several tables (references, names that are taken) is `catalogue`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from rowstead.errors import did_you_mean
from rowstead.kit.columns import check_default, read_column
from rowstead.kit.entries import (
    constraint_name,
    distinct,
    entries,
    flag,
    mistake,
    name_of,
    number_of,
    require_unicode,
    saying_where,
    several,
)
from rowstead.rules.checks import parse
from rowstead.rules.columns import rule_trees
from rowstead.tables.dicts import dict_rows
from rowstead.tables.schema import COMPOSITE_KINDS, Check, Column, ForeignKey, Index, Table, Unique

ACTIONS = ("restrict", "cascade", "set_null")
INDEX_KINDS = ("bitmap", "min_hash", "learned_range", "ann", "fulltext", "sparse", "btree", "hash")
"""Taken and not kept: an index is the database's own."""
RESERVED = ("__kit_", "_rowstead", "sqlite_")

_TABLE_KEYS = (
    "id",
    "name",
    "columns",
    "primary_key",
    "indexes",
    "foreign_keys",
    "unique_constraints",
    "check_constraints",
)


def read_table(given: Any) -> Table:
    """The table, with references that are not looked up yet."""
    found = entries(given, "a table", _TABLE_KEYS, ("id", "name", "columns", "primary_key"))
    name = name_of(found["name"], "a table")
    where = f"table {name!r}"
    for prefix in RESERVED:
        if name.lower().startswith(prefix):
            raise mistake(where, f"names that begin with {prefix!r} are taken by the database; use another")
    number = number_of(found["id"], where)
    given_columns = several(found["columns"], f"{where}, columns")
    if not given_columns:
        raise mistake(where, "a table has at least one column")
    read = [read_column(column, where) for column in given_columns]
    distinct((column.name for column, _ in read), where, "column")
    distinct((column.number or 0 for column, _ in read), where, "the column id")
    columns = {column.name: column for column, _ in read}
    key = _key(found["primary_key"], where, columns, [c.name for c, flags in read if flags["primary_key"]])
    described = Table(
        name,
        columns,
        key,
        dict_rows,
        uniques=_uniques(found.get("unique_constraints"), where, columns),
        indexes=_indexes(found.get("indexes"), where, columns),
        foreign_keys=_foreign_keys(found.get("foreign_keys"), where, columns),
        checks=_checks(found.get("check_constraints"), where, columns, read),
        number=number,
    )
    _no_name_twice(described, where)
    for column in columns.values():
        check_default(described, column, where)
    return described


def _named_columns(given: Any, where: str, columns: Collection[str]) -> tuple[str, ...]:
    names = [given] if isinstance(given, str) else several(given, where)
    if not names:
        raise mistake(where, "at least one column is needed")
    for name in names:
        if not isinstance(name, str) or name not in columns:
            raise mistake(where, f"there is no column {name!r}; {did_you_mean(str(name), columns)}")
    distinct(names, where, "column")
    return tuple(names)


def _key(given: Any, where: str, columns: Mapping[str, Column], flagged: Sequence[str]) -> tuple[str, ...]:
    where = f"{where}, primary_key"
    key = _named_columns(given, where, columns)
    for name in flagged:
        if name not in key:
            raise mistake(where, f"column {name!r} has primary_key=True and is not in {list(key)}", name)
    for name in key:
        if columns[name].nullable:
            raise mistake(where, f"column {name!r} is nullable; a key has a value in every row", name)
    _comparable(key, where, columns)
    return key


def _comparable(names: Sequence[str], where: str, columns: Mapping[str, Column]) -> None:
    for name in names:
        if columns[name].kind in COMPOSITE_KINDS:
            raise mistake(where, f"column {name!r} holds {columns[name].storage}, which is no key", name)


def _uniques(given: Any, where: str, columns: Mapping[str, Column]) -> tuple[Unique, ...]:
    found: list[Unique] = []
    for one in several(given, f"{where}, unique_constraints"):
        read = entries(one, f"{where}, a unique constraint", ("name", "columns"), ("name", "columns"))
        name = constraint_name(read["name"], f"{where}, a unique constraint")
        here = f"{where}, unique constraint {name!r}"
        names = _named_columns(read["columns"], here, columns)
        _comparable(names, here, columns)
        found.append(Unique(name, names))
    return tuple(found)


def _indexes(given: Any, where: str, columns: Mapping[str, Column]) -> tuple[Index, ...]:
    found: list[Index] = []
    for one in several(given, f"{where}, indexes"):
        known = ("name", "columns", "unique", "kind")
        read = entries(one, f"{where}, an index", known, ("name", "columns"))
        name = constraint_name(read["name"], f"{where}, an index")
        here = f"{where}, index {name!r}"
        kind = read.get("kind", "bitmap")
        if kind not in INDEX_KINDS:
            raise mistake(here, f"there is no kind {kind!r}; {did_you_mean(str(kind), INDEX_KINDS)}")
        names = _named_columns(read["columns"], here, columns)
        unique = flag(read, "unique", here)
        if unique:
            _comparable(names, here, columns)
        found.append(Index(name, names, unique))
    return tuple(found)


def _foreign_keys(given: Any, where: str, columns: Mapping[str, Column]) -> tuple[ForeignKey, ...]:
    found: list[ForeignKey] = []
    required = ("name", "columns", "references_table", "references_columns")
    for one in several(given, f"{where}, foreign_keys"):
        read = entries(one, f"{where}, a foreign key", (*required, "on_delete", "on_update"), required)
        name = constraint_name(read["name"], f"{where}, a foreign key")
        here = f"{where}, foreign key {name!r}"
        actions = {key: read.get(key) or "restrict" for key in ("on_delete", "on_update")}
        for key, action in actions.items():
            if action not in ACTIONS:
                raise mistake(here, f"there is no {key} {action!r}; {did_you_mean(str(action), ACTIONS)}")
        references = read["references_columns"]
        references = [references] if isinstance(references, str) else several(references, here)
        names = _named_columns(read["columns"], here, columns)
        found.append(ForeignKey(name, names, read["references_table"], tuple(references), **actions))
    return tuple(found)


def _checks(
    given: Any,
    where: str,
    columns: Mapping[str, Column],
    read: Iterable[tuple[Column, Mapping[str, Any]]],
) -> tuple[Check, ...]:
    found = [
        _check(f"{column.name}_check", flags["check_expr"], where, columns, column.name)
        for column, flags in read
        if flags["check_expr"] is not None
    ]
    for one in several(given, f"{where}, check_constraints"):
        entry = entries(one, f"{where}, a check", ("name", "expr"), ("name", "expr"))
        name = constraint_name(entry["name"], f"{where}, a check")
        found.append(_check(name, entry["expr"], where, columns, None))
    return tuple(found)


def _check(name: str, text: Any, where: str, columns: Mapping[str, Column], column: str | None) -> Check:
    where = f"{where}, check {name!r}"
    if not isinstance(text, str):
        raise mistake(where, f"an expression is a text, not {type(text).__name__}", column)
    require_unicode(text, where, "the expression", column)
    tree = saying_where(where, lambda: parse(text, columns), column)
    return Check(name, text, tree, column)


def _no_name_twice(table: Table, where: str) -> None:
    """Refuse names of constraints that the database would take for the same."""
    rules = [name for column in table.columns.values() for name in rule_trees(column)]
    checks = [check.name for check in table.checks]
    distinct(
        [table.key_name, *rules, *checks, *(key.name for key in table.foreign_keys)], where, "the constraint"
    )
    indexed = (*table.uniques, *table.indexes)
    distinct([one.name for one in indexed], where, "the unique constraint or index")
