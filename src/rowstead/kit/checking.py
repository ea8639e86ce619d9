"""Looks for what should not be: a damaged file, rows without parents or against a rule, tables and
counters that do not fit.

A plan that gives sentences, none where all is well. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rowstead.errors import StatementError, StorageError, ValidationError
from rowstead.kit.catalogue import differences
from rowstead.kit.context import Context
from rowstead.kit.reading import Row, aggregate, count, select
from rowstead.kit.stored import Store
from rowstead.kit.stored_rows import broken_rules, shown_key
from rowstead.plan import Call, Plan, Record
from rowstead.plans.sequences import last_given
from rowstead.tables.schema import ForeignKey, Table

SOUND = "ok"
"""What a database says of a file without a fault."""


def problems(context: Context, store: Store) -> Plan[list[str]]:
    """All that is wrong, a sentence each."""
    looks: Sequence[tuple[str, Plan[list[str]]]] = (
        ("the file", _file(context)),
        ("the schema", _schema(context, store)),
        ("the foreign keys", _references(context)),
        ("the counters", _counters(context)),
        *((f"the rows of {table.name}", broken_rules(context, table)) for table in context.tables.values()),
    )
    found: list[str] = []
    for what, look in looks:
        try:
            found += yield from look
        except (StorageError, StatementError, ValidationError) as error:
            found.append(f"{what} could not be looked through: {error}")
    return found


def _file(context: Context) -> Plan[list[str]]:
    text = context.compiler.dialect.integrity
    if text is None:
        return []
    records: Sequence[Record] = yield Call(text, [], list)
    return [f"the file is damaged: {record[0]}" for record in records if record[0] != SOUND]


def _schema(context: Context, store: Store) -> Plan[list[str]]:
    changes = yield from store.changes()
    kept = yield from store.load()
    return [
        *(f"something else has changed the tables: {change}" for change in changes),
        *(f"this handle's schema is not the one in the database: {what}" for what in _unlike(kept, context)),
    ]


def _unlike(kept: Mapping[str, Table], context: Context) -> list[str]:
    return differences(kept, context.tables)


def _references(context: Context) -> Plan[list[str]]:
    found: list[str] = []
    for table in context.tables.values():
        for key in table.foreign_keys:
            found += yield from _orphans(context, table, key)
    return found


def _orphans(context: Context, table: Table, key: ForeignKey) -> Plan[list[str]]:
    parent = {theirs: f"$outer.{own}" for own, theirs in zip(key.columns, key.references, strict=True)}
    where = {
        "and": [
            *({own: {"is_null": False}} for own in key.columns),
            {"not_exists": {"table": key.table, "filter": parent}},
        ]
    }
    number: int = yield count(context, table.name, where, None)
    if not number:
        return []
    rows: list[Row] = yield select(
        context, table.name, where, list(table.key), 1, None, table.key, False, None
    )
    rest = "" if number == 1 else f" (and {number - 1} more)"
    shown = shown_key(table, rows[0]) if rows else "a key that is unknown"
    return [
        f"{table.name}: the row with {shown}{rest} refers by {key.name} to a row of {key.table} that is "
        "not there"
    ]


def _counters(context: Context) -> Plan[list[str]]:
    found: list[str] = []
    for table in context.tables.values():
        for column in table.columns.values():
            if column.default is None or column.default.kind != "sequence":
                continue
            name: str = column.default.value
            greatest: list[dict[str, Any]] = yield aggregate(
                context,
                table.name,
                [{"func": "max", "alias": "greatest", "column": column.name}],
                *(None,) * 7,
            )
            last = yield from last_given(context.compiler, name)
            if type(last) is not int:
                found.append(f"the counter {name!r} is damaged: it stands at {last!r}, which is no number")
                continue
            number = greatest[0]["greatest"]
            if number is not None and number > last:
                found.append(
                    f"the counter {name!r} stands at {last}, and {table.name}.{column.name} holds {number} "
                    f"already: take the numbers between by allocate_sequence({name!r}, {number - last})"
                )
    return found
