"""Writes of many rows: all or nothing, of any size, by the fastest way that each database has.

A database with arrays takes one parameter per column; rows that nobody asks back are copied where
there is a bulk path; otherwise one statement runs once per row, in one go. Written as plans.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from copy import copy
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from rowstead.errors import ValidationError
from rowstead.language.conditions import read
from rowstead.language.expressions import column_encoder, table_clause
from rowstead.language.shapes import IF_NEW, VALUE
from rowstead.plan import Atomic, Call, Copy, Many, Plan, Record
from rowstead.plans.apart import one_by_one
from rowstead.plans.referring import parents_first
from rowstead.plans.staging import STAGE_FROM, staged_insert
from rowstead.sentinels import Inc, Now
from rowstead.statements.builders import require_key
from rowstead.statements.compiled import Compiler, columns_of
from rowstead.statements.inserts import NOTHING_BACK, Back, Target
from rowstead.tables.schema import Kind, Table
from rowstead.values.columnar import Columnar
from rowstead.values.encoders import json_text

COPY_FROM = 50
"""Rows from which the bulk path is worth its extra round trips."""
ARRAY_ROWS = 10_000
"""Rows in one statement of array parameters: bounds the memory that one takes."""
COPY_ROWS = 1_000
"""Rows that are encoded at a time, column by column, while they are copied."""
KEYS_PER_DELETE = 500
_PLAIN_KEYS = frozenset({int, str, bytes, UUID})

Given = tuple[tuple[str, Any], ...]


class Group(NamedTuple):
    """Rows that set the same columns in the same way: their values and their places in the input."""

    given: Given
    rows: Sequence[Sequence[Any]]
    places: Sequence[int]


class ColumnType(NamedTuple):
    """What the server says of a column: its type's name, and whether a value is a list."""

    name: str
    is_array: bool


class ServerTable(NamedTuple):
    """What the server says of a table."""

    columns: dict[str, ColumnType]
    copyable: bool
    stageable: bool


def insert_many(
    compiler: Compiler,
    table: Table,
    groups: Sequence[Group],
    target: Target | None,
    returning: bool | Back,
) -> Plan[Any]:
    """Insert the rows of these groups; the count, or the stored rows (whole, unless a `Back` says less) in
    input order.

    Conflicts are settled as if row by row. Ignored rows are not in the result. The same key twice in
    one upsert: the last wins, and both places of the result show it; with an `Inc` both count.
    """
    found: list[Any] = [None] * sum(len(group.rows) for group in groups)
    back = Back(table.all) if returning is True else returning or None
    if not groups:
        return [] if back else 0
    if len(groups) > 1 and target is not None and _may_meet(compiler, table, groups, target):
        groups = _runs(groups)
    if len(groups) == 1:
        total: int = yield from _insert_group(compiler, table, groups[0], target, found, back)
    else:
        total = yield Atomic(_insert_groups(compiler, table, groups, target, found, back))
    return [row for row in found if row is not None] if back else total


def _may_meet(compiler: Compiler, table: Table, groups: Sequence[Group], target: Target) -> bool:
    """Whether rows of different groups may be the same row to the database: their order then counts."""
    seen: set[Hashable] = set()
    for group in groups:
        keys = _keys(compiler, table, group, target)
        if keys is None or not seen.isdisjoint(keys):
            return True
        seen.update(keys)
    return False


def _runs(groups: Sequence[Group]) -> list[Group]:
    """The rows in input order, those in a row that are of one group still together."""
    ordered: list[tuple[int, Sequence[Any], Given]] = []
    for group in groups:
        ordered.extend((place, row, group.given) for place, row in zip(group.places, group.rows, strict=True))
    ordered.sort(key=itemgetter(0))
    runs: list[tuple[Given, list[Sequence[Any]], list[int]]] = []
    for place, row, given in ordered:
        if not runs or runs[-1][0] is not given:
            runs.append((given, [], []))
        runs[-1][1].append(row)
        runs[-1][2].append(place)
    return [Group(*run) for run in runs]


def _insert_groups(
    compiler: Compiler,
    table: Table,
    groups: Sequence[Group],
    target: Target | None,
    found: list[Any],
    back: Back | None,
) -> Plan[int]:
    total = 0
    for group in groups:
        total += yield from _insert_group(compiler, table, group, target, found, back)
    return total


def _insert_group(
    compiler: Compiler,
    table: Table,
    group: Group,
    target: Target | None,
    found: list[Any],
    back: Back | None,
) -> Plan[int]:
    """Insert one group; puts what `back` asks for into `found`."""
    increments = any(form is Inc for _, form in group.given)
    rows = group.rows
    stands_for: Sequence[int] = range(len(rows))
    if target is not None and target.action == "upsert" and not increments:
        rows, stands_for = _last_of_each(compiler, table, group, target)
    values_only = all(form in (VALUE, IF_NEW) for _, form in group.given)
    if compiler.dialect.array_params and values_only and group.given:
        server = yield from server_table(compiler, table)
        plain = all(name in server.columns and not server.columns[name].is_array for name, _ in group.given)
        if back is None and target is None and server.copyable and len(rows) >= COPY_FROM:
            return (yield _copy(compiler, table, group.given, rows, table.schema, table.name))
        if back is None and target is not None and server.stageable and len(rows) >= STAGE_FROM:

            def copied(schema: str | None, name: str) -> Copy:
                return _copy(compiler, table, group.given, rows, schema, name)

            return (yield Atomic(staged_insert(compiler, table, group.given, target, copied)))
        if plain:
            records = yield from _by_arrays(compiler, table, group.given, rows, target, back, server)
            return records if back is None else _place(group, stands_for, records, found)
    records = yield from one_by_one(compiler, table, group.given, rows, target, back)
    return records if back is None else _place(group, stands_for, records, found)


def _last_of_each(
    compiler: Compiler, table: Table, group: Group, target: Target
) -> tuple[Sequence[Sequence[Any]], Sequence[int]]:
    """The last row of each key of an upsert, and for every row of the group which of them is its own."""
    keys = _keys(compiler, table, group, target)
    if keys is None or len(set(keys)) == len(keys):
        return group.rows, range(len(group.rows))
    number: dict[Hashable, int] = {}
    rows: list[Sequence[Any]] = []
    stands_for: list[int] = []
    for key, values in zip(keys, group.rows, strict=True):
        place = number.setdefault(key, len(rows))
        if place == len(rows):
            rows.append(values)
        else:
            rows[place] = values
        stands_for.append(place)
    return rows, stands_for


def _keys(compiler: Compiler, table: Table, group: Group, target: Target) -> list[Hashable] | None:
    """The rows' keys as they are stored; one with a NULL is like no other. None where they are not known."""
    names = [name for name, form in group.given if form is not Now]
    key = target.key or (require_key(table) if target.action == "upsert" else ())
    if not key or not set(key) <= set(names):
        return None
    columns: list[list[Any]] = []
    for name in key:
        place = names.index(name)
        encode = column_encoder(table.columns[name], compiler.codec)
        columns.append(encode([row[place] for row in group.rows]))
    keys = zip(*columns, strict=True)
    if all(_PLAIN_KEYS.issuperset(map(type, column)) for column in columns):
        return list(keys)
    return [object() if None in one else tuple(map(_hashable, one)) for one in keys]


def _hashable(value: Any) -> Hashable:
    return value if isinstance(value, Hashable) else json_text(value)


def _place(group: Group, stands_for: Sequence[int], result: Sequence[Any], found: list[Any]) -> int:
    """Put the stored rows at their places in the input; the number of rows written."""
    if len(result) < len(set(stands_for)):
        # Ignored rows are missing, and nobody says which: those that are there keep their order.
        stands_for = range(len(result))
    for place, number in zip(group.places, stands_for, strict=False):
        found[place] = result[number]
    return len(result)


def _by_arrays(
    compiler: Compiler,
    table: Table,
    given: Given,
    rows: Sequence[Sequence[Any]],
    target: Target | None,
    back: Back | None,
    server: ServerTable,
) -> Plan[Any]:
    types = tuple(_array_type(server.columns[name].name) for name, _ in given)
    asked = back or NOTHING_BACK
    compiled = compiler.get(("insert_from_arrays", table, given, types, target, *asked.key))
    chunks = [rows[i : i + ARRAY_ROWS] for i in range(0, len(rows), ARRAY_ROWS)]
    read = compiled.read_all if back else None
    calls = [compiled.call([*columns_of(chunk), *asked.values], read) for chunk in chunks]
    results = [(yield calls[0])] if len(calls) == 1 else (yield Atomic(_each(calls)))
    return [row for result in results for row in result] if back else sum(results)


def _array_type(name: str) -> tuple[str, str]:
    """JSON travels as an array of texts, since a driver cannot tell a JSON list from an array."""
    return ("text", name) if name in ("json", "jsonb") else (name, name)


def _each(calls: Sequence[Call[Any]]) -> Plan[list[Any]]:
    results: list[Any] = []
    for call in calls:
        results.append((yield call))
    return results


def _copy(
    compiler: Compiler,
    table: Table,
    given: Given,
    rows: Sequence[Sequence[Any]],
    schema: str | None,
    name: str,
) -> Copy:
    """The rows for the bulk path, into the table of this name, which has at least these columns."""
    names = [name for name, _ in given]
    encoders = [column_encoder(table.columns[name], compiler.codec) for name in names]

    def encoded() -> Iterator[Sequence[Any]]:
        for start in range(0, len(rows), COPY_ROWS):
            columns = columns_of(rows[start : start + COPY_ROWS])
            yield from zip(*(encode(c) for encode, c in zip(encoders, columns, strict=True)), strict=True)

    return Copy(schema, name, names, encoded())


def server_table(compiler: Compiler, table: Table) -> Plan[ServerTable]:
    """What the server's catalogue says of the table; asked once per table."""
    known = compiler.facts.get(table)
    if known is not None:
        return known
    question = compiler.dialect.column_types
    assert question is not None
    name = compiler.quoted_name(table_clause(table))
    records: Sequence[Record] = yield Call(question, [name], list, table=table.name)
    columns = {record[0]: ColumnType(record[1], _is_list(record)) for record in records}
    found = ServerTable(
        columns,
        copyable=bool(records) and all(record[3] for record in records),
        stageable=bool(records) and all(record[4] for record in records),
    )
    if columns:
        compiler.facts[table] = found
    return found


def _is_list(record: Record) -> bool:
    # A value of a multirange travels as a list too, and a list of lists is no list of such.
    return record[2] == "A" or record[1].endswith("multirange")


_ASSUMED = {
    Kind.INT: "bigint",
    Kind.FLOAT: "double precision",
    Kind.BOOL: "boolean",
    Kind.BYTES: "bytea",
    Kind.DECIMAL: "numeric",
    Kind.UUID: "uuid",
    Kind.DATE: "date",
    Kind.TIME: "time without time zone",
    Kind.DATETIME: "timestamp with time zone",
    Kind.TIMEDELTA: "interval",
    Kind.JSON: "jsonb",
}


def assuming(compiler: Compiler, table: Table) -> Compiler:
    """A compiler that need not ask for the table's column types: for showing statements, not for running.

    What was not asked yet is assumed from the Python types.
    """
    if compiler.dialect.column_types is None or table in compiler.facts:
        return compiler
    types = {
        name: ColumnType(_ASSUMED.get(column.kind, "text"), column.kind is Kind.LIST)
        for name, column in table.columns.items()
    }
    assumed = copy(compiler)
    assumed.facts = {**compiler.facts, table: ServerTable(types, copyable=False, stageable=False)}
    return assumed


def delete_many(compiler: Compiler, table: Table, keys: Iterable[Any]) -> Plan[int]:
    """Remove the rows with these keys: values, or tuples or mappings for a composite key. The count."""
    key = require_key(table)
    if len(key) == 1:
        name = key[0]
        wanted = [_single_key(table, name, k) for k in keys]
        where, values = read({name: {"in": [k for k in wanted if k is not None]}}, table)
        if not wanted:
            return 0
        call: Call[int] = compiler.get(("delete", table, where)).call(values, None)
        return (yield call)
    parts = [_key_values(table, key, k) for k in keys]
    chunks = [parts[i : i + KEYS_PER_DELETE] for i in range(0, len(parts), KEYS_PER_DELETE)]
    calls: list[Call[int]] = []
    for chunk in chunks:
        compiled = compiler.get(("delete_keys", table, len(chunk)))
        calls.append(compiled.call([value for values in chunk for value in values], None))
    if not calls:
        return 0
    results: list[int] = yield Atomic(_each(calls))
    return sum(results)


def _single_key(table: Table, name: str, given: Any) -> Any:
    return _key_values(table, (name,), given)[0] if isinstance(given, dict) else given


def _key_values(table: Table, key: tuple[str, ...], given: Any) -> list[Any]:
    if isinstance(given, dict):
        missing = [name for name in key if name not in given]
        if missing:
            raise ValidationError(f"Missing PK fields {missing} in a key of {table.name}", table=table.name)
        return [given[name] for name in key]
    if isinstance(given, (tuple, list)) and len(given) == len(key):  # pyright: ignore[reportUnknownArgumentType]
        return list(given)  # pyright: ignore[reportUnknownArgumentType]
    raise ValidationError(
        f"{table.name} has a composite key {list(key)}: give a mapping per row, or a tuple in that order",
        table=table.name,
    )


def insert_columns(compiler: Compiler, table: Table, rows: Columnar, returning: bool) -> Plan[Any]:
    """Insert rows that give every column of a table of which the database changes nothing on its way.

    `rows` are in the order of the table's columns and not encoded. The count, or the stored rows.
    """
    given: Given = tuple((name, VALUE) for name in table.all)
    if compiler.dialect.typed_columns:
        group = Group(given, rows, range(len(rows)))
        return (yield from insert_many(compiler, table, [group], None, returning))
    compiled = compiler.get(("insert", table, given, None, table.all))
    params = compiled.bind_many(rows)
    order = parents_first(table, rows.columns, len(rows)) if table.foreign_keys else None
    sent = params if order is None else [params[place] for place in order]
    count: int = yield Many(compiler.get(("insert", table, given, None, ())).text, sent, table.name)
    # A database that holds values to no type has stored them as they were sent.
    return compiled.read_all(params) if returning else count
