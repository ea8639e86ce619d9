"""The SQL of a page behind a row, per dialect, next to the order that makes it."""

from collections.abc import Sequence
from typing import Any

import pytest

from rowstead import Row
from rowstead.dialects import POSTGRESQL, SQLITE
from rowstead.rows.calls import walk
from rowstead.statements.compiled import Compiler

POSTGRES = Compiler(POSTGRESQL, "asyncpg", "numeric_dollar")
LITE = Compiler(SQLITE, "sqlite", "qmark")


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None


# ── pages behind a row ───────────────────────────────────────────────────────────────────────


def _behind(
    compiler: Compiler, model: type[Row], order: Any, record: Sequence[Any], **filters: Any
) -> tuple[str, list[Any]]:
    rows = walk(compiler, model, filters, None, order)
    compiled, values = rows.statement(rows.behind(record), 10)
    return compiled.text.partition(" WHERE ")[2], compiled.bind(values)


# (model, order, filters, the last record, PostgreSQL, SQLite)
KEYSETS: Sequence[tuple[Any, Any, dict[str, Any], Sequence[Any], str, str]] = [
    (User, None, {}, (3, "n", "e"), "id > $1 ORDER BY id LIMIT $2", "id > ? ORDER BY id LIMIT ?"),
    (User, "-id", {}, (3, "n", "e"), "id < $1 ORDER BY id DESC LIMIT $2", "id < ? ORDER BY id DESC LIMIT ?"),
    (
        User,
        "name",
        {},
        (3, "n", "e"),
        "(name, id) > ($1, $2) ORDER BY name, id LIMIT $3",
        "(name, id) > (?, ?) ORDER BY name, id LIMIT ?",
    ),
    (
        User,
        "-name,-id",
        {"email": "e"},
        (3, "n", "e"),
        "email = $1 AND (name, id) < ($2, $3) ORDER BY name DESC, id DESC LIMIT $4",
        "email = ? AND (name, id) < (?, ?) ORDER BY name DESC, id DESC LIMIT ?",
    ),
    (
        User,
        "-name",
        {},
        (3, "n", "e"),
        "name <= $1 AND (name < $1 OR id > $2) ORDER BY name DESC, id LIMIT $3",
        "name <= ? AND (name < ? OR id > ?) ORDER BY name DESC, id LIMIT ?",
    ),
    (
        User,
        "email",
        {},
        (3, "n", "e"),
        "email IS NOT NULL AND (email, id) > ($1, $2) ORDER BY email, id LIMIT $3",
        "email IS NOT NULL AND (email, id) > (?, ?) ORDER BY email, id LIMIT ?",
    ),
    (
        User,
        "email",
        {},
        (3, "n", None),
        "email IS NULL AND id > $1 ORDER BY email, id LIMIT $2",
        "email IS NULL AND id > ? ORDER BY email, id LIMIT ?",
    ),
    (
        User,
        "name,email",
        {},
        (3, "n", None),
        "name >= $1 AND (name > $1 OR email IS NULL AND id > $2) ORDER BY name, email, id LIMIT $3",
        "name >= ? AND (name > ? OR email IS NULL AND id > ?) ORDER BY name, email NULLS LAST, id LIMIT ?",
    ),
    (
        User,
        "name,email",
        {},
        (3, "n", "e"),
        "name >= $1 AND (name > $1 OR (email >= $2 OR email IS NULL)"
        " AND (email > $2 OR email IS NULL OR id > $3))"
        " ORDER BY name, email, id LIMIT $4",
        "name >= ? AND (name > ? OR (email >= ? OR email IS NULL) AND (email > ? OR email IS NULL OR id > ?))"
        " ORDER BY name, email NULLS LAST, id LIMIT ?",
    ),
]


@pytest.mark.parametrize(
    ("model", "order", "filters", "record", "postgres", "sqlite"),
    KEYSETS,
    ids=[f"{k[1]}-{i}" for i, k in enumerate(KEYSETS)],
)
def test_a_page_behind_a_row_is_spelled(
    model: Any, order: Any, filters: dict[str, Any], record: Sequence[Any], postgres: str, sqlite: str
) -> None:
    assert _behind(POSTGRES, model, order, record, **filters)[0] == postgres
    text, params = _behind(LITE, model, order, record, **filters)
    assert text == sqlite
    assert len(params) == text.count("?")
