"""What a table's text on SQLite says besides is found, however it is written."""

from __future__ import annotations

import pytest

from rowstead.migrations.comparing.losses import lost_clauses
from rowstead.migrations.split import SQLITE_SYNTAX

MADE = "CREATE TABLE t (id INTEGER NOT NULL, PRIMARY KEY (id))"


@pytest.mark.parametrize(
    ("stored", "lost"),
    [
        ("create table t(a text check(length(a)>=2 and a<>')'))", ["CHECK (length (a) >= 2 and a <> ')')"]),
        ("create table t(a, /* , ( */ check (a > 0) -- check (b)\n)", ["CHECK (a > 0)"]),
        ("create table t(id integer primary key autoincrement)", ["AUTOINCREMENT"]),
        ('create table t("a b" text collate nocase)', ['"a b": COLLATE nocase']),
        ("create table t(a int primary key on conflict replace)", ["a: ON CONFLICT replace"]),
        ("create table t(a int primary key) without  rowid,strict", ["WITHOUT ROWID", "STRICT"]),
        ("create table t(a text default 'collate x' constraint q check (a > 'check ()'))", []),
        ('create table "check" ("autoincrement" int, b numeric(10, 2))', []),
    ],
)
def test_a_clause_that_the_models_lack_is_lost(stored: str, lost: list[str]) -> None:
    assert lost_clauses(stored, MADE, SQLITE_SYNTAX) == lost
    # Control: the same in other blanks, capitals and quotes is kept.
    assert lost_clauses(stored, stored.replace(",", " ,"), SQLITE_SYNTAX) == []
