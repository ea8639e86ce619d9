"""A schema dict, or its JSON, as tables; and tables as a schema dict again.

    {"tables": [{"id", "name", "columns": […], "primary_key", "indexes", "foreign_keys",
                 "unique_constraints", "check_constraints"}, …]}

What has no effect here (`application_type`, an index's `kind`) is taken and not kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rowstead.errors import ValidationError, did_you_mean
from rowstead.kit.declared import read_table
from rowstead.kit.entries import distinct, entries, mistake, several
from rowstead.tables.constraints import physical_name
from rowstead.tables.schema import Column, Default, ForeignKey, Rules, Table

__all__ = ["differences", "tables_of", "to_dict", "to_json"]


def tables_of(schema: Any) -> dict[str, Table]:
    """The tables of a schema, a dict or JSON text, by name and in its order.

    Raises ValidationError, which says where, for every mistake in it.
    """
    if isinstance(schema, (str, bytes)):
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError) as error:
            raise ValidationError(f"schema: this is not JSON that can be read: {error}") from None
    if not isinstance(schema, Mapping) or "columns" in schema:
        raise ValidationError(f'schema: a schema is {{"tables": [table, …]}}, not {_in_words(schema)}')
    found = entries(schema, "the schema", ("tables",), ("tables",))
    tables = [read_table(table) for table in several(found["tables"], "tables")]
    distinct((table.name for table in tables), "tables", "table")
    distinct((table.number or 0 for table in tables), "tables", "the table id")
    by_name = {table.name: table for table in tables}
    for table in tables:
        for key in table.foreign_keys:
            _look_up(table, key, by_name)
    _no_name_twice(tables)
    return by_name


def _in_words(given: Any) -> str:
    return "one table alone" if isinstance(given, Mapping) else f"a {type(given).__name__}"


def _look_up(table: Table, key: ForeignKey, tables: Mapping[str, Table]) -> None:
    """Refuse a foreign key to what is not there, not unique, or of another type."""
    where = f"table {table.name!r}, foreign key {key.name!r}"
    parent = tables.get(key.table)
    if parent is None:
        raise mistake(where, f"there is no table {key.table!r}; {did_you_mean(str(key.table), tables)}")
    for name in key.references:
        if name not in parent.columns:
            raise mistake(
                where, f"{parent.name} has no column {name!r}; {did_you_mean(str(name), parent.columns)}"
            )
    if len(key.columns) != len(key.references):
        raise mistake(
            where,
            f"{len(key.columns)} columns cannot refer to {len(key.references)} of {parent.name}",
        )
    if not any(set(unique.columns) == set(key.references) for unique in parent.unique_keys()):
        raise mistake(
            where,
            f"{', '.join(key.references)} of {parent.name} is no primary key and not unique; "
            "add a unique constraint on exactly these columns",
        )
    for name, reference in zip(key.columns, key.references, strict=True):
        own, other = table.columns[name], parent.columns[reference]
        if own.kind is not other.kind:
            raise mistake(
                where, f"{name!r} is {own.storage} and {parent.name}.{reference} is {other.storage}", name
            )


def _no_name_twice(tables: Iterable[Table]) -> None:
    """Refuse names that would be the same in the database, which keeps tables and indexes in one place."""
    names: list[str] = []
    for table in tables:
        names += [table.name, table.key_name]
        names += [physical_name(table.name, one.name) for one in (*table.uniques, *table.indexes)]
    distinct(names, "tables and indexes", "the name")


def to_dict(tables: Mapping[str, Table]) -> dict[str, Any]:
    """The schema dict of these tables; `tables_of` makes the same tables of it."""
    return {"tables": [_table_dict(table) for table in tables.values()]}


def to_json(tables: Mapping[str, Table]) -> str:
    """The same as JSON text."""
    return json.dumps(to_dict(tables), ensure_ascii=False, separators=(",", ":"))


def _table_dict(table: Table) -> dict[str, Any]:
    checks = {check.column: check.expression for check in table.checks if check.column is not None}
    return {
        "id": table.number,
        "name": table.name,
        "columns": [
            _column_dict(column, column.name in table.key, checks.get(column.name))
            for column in table.columns.values()
        ],
        "primary_key": list(table.key),
        "indexes": [
            {"name": index.name, "columns": list(index.columns), "unique": index.unique, "kind": "bitmap"}
            for index in table.indexes
        ],
        "foreign_keys": [_foreign_key_dict(key) for key in table.foreign_keys],
        "unique_constraints": [{"name": u.name, "columns": list(u.columns)} for u in table.uniques],
        "check_constraints": [
            {"name": check.name, "expr": check.expression} for check in table.checks if check.column is None
        ],
    }


def _column_dict(column: Column, in_key: bool, check: str | None) -> dict[str, Any]:
    rules = column.rules or Rules()
    optional = {
        "default": None if column.default is None else _default_form(column.default),
        "enum_values": None if rules.choices is None else list(rules.choices),
        "min": rules.min,
        "max": rules.max,
        "min_length": rules.min_length,
        "max_length": rules.max_length,
        "regex": rules.pattern,
        "check_expr": check,
    }
    if column.storage == "embedding":
        del optional["min_length"], optional["max_length"]
        optional["embedding_dim"] = rules.max_length
    return {
        "id": column.number,
        "name": column.name,
        "storage_type": column.storage,
        "application_type": column.storage,
        "nullable": column.nullable,
        "primary_key": in_key,
        "generated": column.generated,
    } | {key: value for key, value in optional.items() if value is not None}


def _default_form(default: Default) -> Any:
    if default.kind in ("now", "uuid"):
        return default.kind
    return {"custom_name" if default.kind == "custom" else default.kind: default.value}


def _foreign_key_dict(key: ForeignKey) -> dict[str, Any]:
    form = {
        "name": key.name,
        "columns": list(key.columns),
        "references_table": key.table,
        "references_columns": list(key.references),
        "on_delete": key.on_delete,
    }
    return form if key.on_update == "restrict" else form | {"on_update": key.on_update}


def differences(old: Mapping[str, Table], new: Mapping[str, Table]) -> list[str]:
    """What must be done to `old` to have `new`, a sentence each; the order of things does not count."""
    before = {form["name"]: form for form in to_dict(old)["tables"]}
    after = {form["name"]: form for form in to_dict(new)["tables"]}
    found = [f"table {name!r} is gone" for name in before if name not in after]
    found += [f"table {name!r} is new" for name in after if name not in before]
    for name in before.keys() & after.keys():
        found += [f"table {name!r}: {what}" for what in _of_table(before[name], after[name])]
    return sorted(found)


_PARTS = {
    "columns": "column",
    "indexes": "index",
    "foreign_keys": "foreign key",
    "unique_constraints": "unique constraint",
    "check_constraints": "check",
}


def _of_table(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    found = [
        f"{key} was {before[key]!r} and is {after[key]!r}"
        for key in ("id", "primary_key")
        if before[key] != after[key]
    ]
    for part, word in _PARTS.items():
        old, new = ({one["name"]: one for one in side[part]} for side in (before, after))
        found += [f"{word} {name!r} is gone" for name in old if name not in new]
        found += [f"{word} {name!r} is new" for name in new if name not in old]
        for name in old.keys() & new.keys():
            found += [f"{word} {name!r}: {what}" for what in _of_entries(old[name], new[name])]
    return found


def _of_entries(before: Mapping[str, Any], after: Mapping[str, Any]) -> Sequence[str]:
    keys = dict.fromkeys((*before, *after))
    skipped = ("application_type", "kind")
    return [
        f"{key} was {before.get(key)!r} and is {after.get(key)!r}"
        for key in keys
        if key not in skipped and before.get(key) != after.get(key)
    ]
