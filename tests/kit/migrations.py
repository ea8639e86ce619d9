"""A small schema in several versions, for the tests of migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from conftest import Backend
from rowstead.kit import Database
from rowstead.kit.builders import column, fk, table

Schema = dict[str, Any]


def users(*more: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    """`users` with a key and an e-mail address, and what else is given."""
    columns = [column("id", 1, "int64", primary_key=True), column("email", 2, "text"), *more]
    return table("users", 1, columns, "id", **parts)


def posts(**parts: Any) -> dict[str, Any]:
    """`posts`, children of `users` that go with them."""
    columns = [column("id", 1, "int64", primary_key=True), column("user_id", 2, "int64", nullable=True)]
    key = fk("fk_user", "user_id", "users", "id", on_delete="cascade")
    return table("posts", 2, columns, "id", foreign_keys=[key], **parts)


def schema(*tables: Mapping[str, Any]) -> Schema:
    return {"tables": list(tables)}


def version(number: int, *ops: Mapping[str, Any], name: str | None = None) -> dict[str, Any]:
    return {"version": number, "name": name or f"m{number}", "ops": list(ops)}


def op(kind: str, table: str, part: str | None = None) -> dict[str, Any]:
    """An operation by its table and what it is about."""
    if part is None:
        return {kind: {"name": table}}
    field = "column" if kind.endswith("column") else "index" if kind.endswith("index") else "constraint"
    return {kind: {"table": table, field: part}}


def fill(db: Database, **rows: Sequence[Mapping[str, Any]]) -> None:
    with db.begin() as txn:
        for name, some in rows.items():
            txn.insert_many(name, some)


def read(db: Database, name: str) -> list[dict[str, Any]]:
    """The rows of a table, by its first column."""
    with db.begin() as txn:
        return sorted(txn.select(name), key=lambda row: next(iter(row.values())))


def raw(backend: Backend, sql: str) -> list[Any]:
    """Records of plain SQL, beside everything of ours."""
    if backend.is_postgres:
        with psycopg.connect(backend.url.replace("+psycopg", ""), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []
    connection = sqlite3.connect(backend.url.removeprefix("sqlite:///"))
    try:
        records = connection.execute(sql).fetchall()
        connection.commit()
        return records
    finally:
        connection.close()
