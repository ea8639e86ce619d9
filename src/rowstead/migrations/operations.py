"""What a migration of schema operations may say, read and checked.

An operation names things ("add the column `age` of `users`"); what they are is in the schema that
goes with it. It answers for the names of operations, their fields and the one spelling that a
checksum is taken of. It must not know what an operation does (`evolution.py`), nor any database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rowstead.errors import ValidationError, did_you_mean

FIELDS: Mapping[str, tuple[str, ...]] = {
    "create_table": ("name",),
    "drop_table": ("name",),
    "add_column": ("table", "column"),
    "drop_column": ("table", "column"),
    "alter_column": ("table", "column"),
    "add_index": ("table", "index"),
    "drop_index": ("table", "index"),
    "add_unique": ("table", "constraint"),
    "drop_unique": ("table", "constraint"),
    "add_foreign_key": ("table", "constraint"),
    "drop_foreign_key": ("table", "constraint"),
    "add_check": ("table", "constraint"),
    "drop_check": ("table", "constraint"),
    "drop_view": ("name",),
    "drop_trigger": ("name",),
}
"""Operations of names alone, with their fields in the order that the checksum has them."""

BODIES: Mapping[str, str] = {
    "create_view": "view",
    "replace_view": "view",
    "create_trigger": "trigger",
    "replace_trigger": "trigger",
}
"""Operations that bring SQL: `{"name": n, <field>: {"name": n, "sql": "…"}}`."""

RAW = "raw_sql"

ELSEWHERE: Mapping[str, str] = {
    # A SQL database has no procedures of steps as data. Functions have a body in a language of the
    # database's own, which no description of ours could check; so SQL says it, in the open.
    "create_procedure": "write CREATE FUNCTION or CREATE PROCEDURE in a raw_sql operation",
    "replace_procedure": "write CREATE OR REPLACE FUNCTION or PROCEDURE in a raw_sql operation",
    "drop_procedure": "write DROP FUNCTION or DROP PROCEDURE in a raw_sql operation",
    "create_virtual_table": "write CREATE VIRTUAL TABLE (SQLite) in a raw_sql operation",
    "drop_virtual_table": "write DROP TABLE in a raw_sql operation",
}
"""Operations that the kit does not carry out, and what to write."""

KNOWN = (*FIELDS, *BODIES, RAW)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what is done, to what. `sql` is what it brings along, if anything."""

    kind: str
    fields: tuple[tuple[str, str], ...]
    sql: str | None = None

    @property
    def table(self) -> str:
        """The table that it is about."""
        return self["table"] if self.kind not in ("create_table", "drop_table") else self["name"]

    @property
    def part(self) -> str:
        """The column, index or constraint of the table that it is about."""
        return self.fields[1][1]

    def __getitem__(self, field: str) -> str:
        return dict(self.fields)[field]

    def canonical(self) -> dict[str, str]:
        """The form whose JSON text the checksum is taken of."""
        form = {"op": self.kind, **dict(self.fields)}
        return form if self.sql is None else {**form, "sql": self.sql}

    def __str__(self) -> str:
        return " ".join([self.kind, ".".join(value for _, value in self.fields) or (self.sql or "")[:60]])


def read_operation(given: Any, where: str) -> Operation:
    """An operation from its notation. Raises ValidationError that begins with `where`."""
    if not isinstance(given, Mapping) or len(given) != 1:  # pyright: ignore[reportUnknownArgumentType]
        raise ValidationError(
            f'{where}: an operation is a dict of one key, {{"add_column": {{"table": …, "column": …}}}}, '
            f"got {given!r}"
        )
    ((kind, body),) = given.items()  # pyright: ignore[reportUnknownVariableType]
    if kind == RAW:
        return Operation(RAW, (), _text(body, f"{where}: raw_sql"))
    if kind in ELSEWHERE:
        raise ValidationError(f"{where}: {kind} is nothing that a SQL database has; {ELSEWHERE[kind]}")
    if kind not in FIELDS and kind not in BODIES:
        hint = did_you_mean(str(kind), KNOWN)  # pyright: ignore[reportUnknownArgumentType]
        raise ValidationError(
            f"{where}: there is no operation {kind!r}; {hint} (all of them: {', '.join(KNOWN)})"
        )
    place = f"{where}: {kind}"
    if kind in BODIES:
        return _with_body(str(kind), BODIES[kind], body, place)  # pyright: ignore[reportUnknownArgumentType]
    fields = _fields(body, FIELDS[kind], place)
    return Operation(str(kind), tuple((name, _text(fields[name], f"{place}, {name}")) for name in fields))  # pyright: ignore[reportUnknownArgumentType]


def _with_body(kind: str, field: str, body: Any, where: str) -> Operation:
    fields = _fields(body, ("name", field), where)
    name = _text(fields["name"], f"{where}, name")
    content = _fields(fields[field], ("name", "sql"), f"{where}, {field}")
    if content["name"] != name:
        raise ValidationError(f"{where}: it is named {name!r} and {content['name']!r}; give one name")
    return Operation(kind, (("name", name),), _text(content["sql"], f"{where}, sql"))


def _fields(body: Any, names: Sequence[str], where: str) -> dict[str, Any]:
    if not isinstance(body, Mapping) or set(body) != set(names):  # pyright: ignore[reportUnknownArgumentType]
        wanted = ", ".join(f'"{name}": …' for name in names)
        raise ValidationError(f"{where} wants {{{wanted}}}, got {body!r}")
    return {name: body[name] for name in names}


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValidationError(f"{where} wants a text that is not empty, got {value!r}")
    return value


def checksum_text(version: int, name: str, operations: Sequence[Operation]) -> str:
    """The text whose SHA-256 is a migration's checksum: JSON without spaces, non-ASCII as it is."""
    form = {"version": version, "name": name, "ops": [o.canonical() for o in operations]}
    return json.dumps(form, ensure_ascii=False, separators=(",", ":"))
