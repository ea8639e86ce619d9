"""What a database says that its tables are, in a form in which two of them can be compared.

The order of columns and constraints, and how names are quoted, do not count.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from typing import Any

import psycopg

from conftest import Backend

_SQLITE = "SELECT type, tbl_name, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY 2, 1, 3"
_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, l.collname
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE n.nspname = 'public' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
"""
_CONSTRAINTS = """
SELECT c.relname, o.conname, pg_get_constraintdef(o.oid) FROM pg_constraint o
JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'
"""
_INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
_OWN = ("_rowstead", "__kit_")


def fingerprint(backend: Backend) -> list[tuple[Any, ...]]:
    """The tables but our own: columns, constraints and indexes, sorted."""
    if backend.is_postgres:
        with psycopg.connect(backend.url.replace("+psycopg", ""), autocommit=True) as connection:
            found = [
                (kind, *record)
                for kind, sql in (("column", _COLUMNS), ("constraint", _CONSTRAINTS), ("index", _INDEXES))
                for record in connection.execute(sql).fetchall()
            ]
        return sorted((f for f in found if not f[1].startswith(_OWN)), key=repr)
    connection = sqlite3.connect(backend.url.removeprefix("sqlite:///"))
    try:
        records = connection.execute(_SQLITE).fetchall()
    finally:
        connection.close()
    return sorted(_of_file(r for r in records if not r[1].startswith(_OWN)), key=repr)


def _of_file(records: Iterable[tuple[str, str, str, str]]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for kind, table, name, sql in records:
        text = " ".join(re.sub(r'["`]([A-Za-z_]\w*)["`]', r"\1", sql).split())
        if kind == "table":
            inside = text[text.index("(") + 1 : text.rindex(")")]
            found += [("part", table, part) for part in _parts(inside)]
        else:
            found.append((kind, table, name, text))
    return found


def _parts(text: str) -> list[str]:
    """The parts between commas that stand in no parentheses and no quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for at, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += (character == "(") - (character == ")")
            if character == "," and depth == 0:
                parts.append(text[start:at])
                start = at + 1
    return [re.sub(r"\s*\(\s*", " (", part).strip() for part in [*parts, text[start:]]]
