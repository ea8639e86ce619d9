"""Statements are cut where the database itself would cut them."""

from __future__ import annotations

import sqlite3

import pytest
import sqlparse
from hypothesis import given
from hypothesis import strategies as st

from rowstead.migrations.split import (
    MARIADB_SYNTAX,
    POSTGRESQL_SYNTAX,
    SQLITE_SYNTAX,
    leading_comments,
    split,
    transaction_word,
)


def texts(sql: str, syntax=POSTGRESQL_SYNTAX) -> list[str]:
    return [statement.text for statement in split(sql, syntax)]


def refused(sql: str, syntax=POSTGRESQL_SYNTAX) -> list[str]:
    return [word for statement in split(sql, syntax) if (word := transaction_word(statement))]


@pytest.mark.parametrize(
    "one",
    [
        "SELECT 'a;b''c;';",
        r"SELECT E'it\'s; \\', 1;",
        "SELECT E'a'\n  'b\\'; c';",
        "SELECT $$ a; b $$;",
        "SELECT $b1$ a; $$ b; $b1$;",
        "SELECT $ünï$ ; $ünï$;",
        'SELECT "a;""b;" FROM t;',
        "SELECT 1 -- no; end\n;",
        "SELECT /* a; /* b; */ c; */ 1;",
        "SELECT a$1$b;",
        "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b);",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; "
        "SELECT CASE WHEN false THEN CASE WHEN true THEN 2 END END; END;",
        "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC INSERT INTO t SELECT x.end FROM x; END;",
        "DO $$ BEGIN COMMIT; END $$;",
    ],
)
def test_a_statement_of_postgresql_stays_whole(one: str) -> None:
    assert texts(f"{one} SELECT 2;") == [one, "SELECT 2;"]


@pytest.mark.parametrize(
    "one",
    [
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; SELECT CASE WHEN 1 THEN 2 END; END;",
        "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT ';END;'; END;",
        "SELECT `a;`, [b;], \"c;\", ';' /* ; */ -- ;\n;",
    ],
)
def test_a_statement_of_sqlite_stays_whole(one: str) -> None:
    assert texts(f"{one} SELECT 2;", SQLITE_SYNTAX) == [one, "SELECT 2;"]


def test_semicolons_in_a_text_cost_sqlite_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    whole = sqlite3.complete_statement

    def counted(sql: str) -> bool:
        asked.append(sql)
        return whole(sql)

    monkeypatch.setattr(sqlite3, "complete_statement", counted)
    page = "INSERT INTO pages VALUES ('" + "a &amp; b;\n" * 1_000 + "');"
    trigger = "CREATE TEMP TRIGGER t AFTER INSERT ON pages BEGIN SELECT ';'; SELECT 2; END;"
    assert texts(f"{page}\n{page} -- ; \n{trigger}", SQLITE_SYNTAX) == [page, page, trigger]
    # At the three ends within the trigger alone.
    assert len(asked) == 3


def test_mariadbs_delimiter_is_a_command_of_its_own() -> None:
    body = "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT '\\';'; END$$"
    sql = f"DELIMITER $$\n{body}\nDELIMITER ;\nSELECT `;` # ;\n, 2;"
    assert texts(sql, MARIADB_SYNTAX) == [body.removesuffix("$$"), "SELECT `;` # ;\n, 2;"]


def test_statements_know_their_line_behind_comments_and_in_the_middle_of_one() -> None:
    sql = "-- first\n\n/* two\nlines */ SELECT 1;\nSELECT\n 2; SELECT 3;\n"
    assert [(s.line, s.head[1]) for s in split(sql, POSTGRESQL_SYNTAX)] == [(4, "1"), (5, "2"), (6, "3")]


@pytest.mark.parametrize("syntax", [POSTGRESQL_SYNTAX, SQLITE_SYNTAX, MARIADB_SYNTAX])
@pytest.mark.parametrize("sql", ["", "  \n", ";;", "-- only this", "/* ; */ ;\n-- x"])
def test_pieces_without_a_statement_are_left_out(sql: str, syntax) -> None:
    assert split(sql, syntax) == []


def test_only_the_comments_before_the_first_statement_are_leading() -> None:
    sql = "-- a\n/* b */ ; -- c\nSELECT 1; -- d"
    assert list(leading_comments(sql, POSTGRESQL_SYNTAX)) == ["-- a", "/* b */"]


@pytest.mark.parametrize(
    "word",
    [
        "BEGIN",
        "COMMIT",
        "END",
        "ABORT",
        "ROLLBACK",
        "START TRANSACTION",
        "SAVEPOINT a",
        "RELEASE a",
        "PREPARE TRANSACTION 'x'",
        "commit and chain",
    ],
)
def test_rows_d09_every_transaction_word_is_found_wherever_it_is_a_statement(word: str) -> None:
    expected = " ".join(word.upper().split()[: 2 if word.upper().startswith(("START", "PREPARE")) else 1])
    assert refused(f"SELECT 1; -- don't stop\n/* x */ {word};\nSELECT 'it'") == [expected]


@pytest.mark.parametrize(
    "word", ["BEGIN", "BEGIN IMMEDIATE", "COMMIT", "END", "ROLLBACK", "SAVEPOINT s", "RELEASE s"]
)
def test_rows_d09_every_transaction_word_of_sqlite_is_found(word: str) -> None:
    assert refused(f"SELECT 1; -- don't\n{word};", SQLITE_SYNTAX) == [word.split()[0]]


@pytest.mark.parametrize(
    "sql",
    [
        "/* BEGIN */ SELECT 1;",
        'CREATE TABLE t (commit int, "end" int); SELECT commit FROM t;',
        "SELECT $b1$ COMMIT; $b1$;",
        "DO $$ BEGIN PERFORM 1; END $$;",
        "SELECT ' ; COMMIT;';",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
        "PREPARE q AS SELECT 1;",
        "-- COMMIT;\nSELECT 1;",
    ],
)
def test_rows_d10_a_transaction_word_that_is_no_statement_is_fine(sql: str) -> None:
    assert refused(sql) == []


def test_rows_d10_a_trigger_of_sqlite_is_fine() -> None:
    sql = "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END; SELECT 'COMMIT;';"
    assert refused(sql, SQLITE_SYNTAX) == []


FRAGMENTS = st.sampled_from(
    [
        *";;;'\"`$(){}[]\n\t #\\",
        *("--", "/*", "*/", "$$", "$a1$", "E'", "''", "BEGIN", "ATOMIC", "CASE", "END", "CREATE"),
        *("FUNCTION", "TRIGGER", "DELIMITER $$\n", "DELIMITER ;\n", "SELECT", "x", "1", "é", "\\'"),
    ]
)
TEXTS = st.one_of(
    st.lists(FRAGMENTS, max_size=30).map(" ".join), st.lists(FRAGMENTS, max_size=30).map("".join), st.text()
)


@pytest.mark.parametrize("syntax", [POSTGRESQL_SYNTAX, SQLITE_SYNTAX, MARIADB_SYNTAX])
@given(sql=TEXTS)
def test_the_pieces_joined_are_the_text(syntax, sql: str) -> None:
    assert "".join(syntax.pieces(sql)) == sql
    assert "".join(token.text for token in syntax.tokens(sql)) == sql


PLAIN = st.sampled_from(
    ["SELECT 1", "INSERT INTO t VALUES ('a;b')", 'SELECT "x;y"', "SELECT 'it''s'", "DELETE FROM t -- all;\n"]
)


@given(statements=st.lists(PLAIN, min_size=1, max_size=8), gap=st.sampled_from(["", " ", "\n", " /* x; */ "]))
def test_postgresql_is_cut_as_sqlparse_cuts_where_sqlparse_is_right(statements: list[str], gap: str) -> None:
    sql = "".join(f"{statement};{gap}" for statement in statements)
    theirs = [sqlparse.format(piece, strip_comments=True).strip() for piece in sqlparse.split(sql)]
    ours = [sqlparse.format(text, strip_comments=True).strip() for text in texts(sql)]
    assert ours == [piece for piece in theirs if piece]
    assert len(ours) == len(statements)


@given(statements=st.lists(PLAIN, min_size=1, max_size=8))
def test_every_piece_of_sqlite_is_complete_to_sqlite(statements: list[str]) -> None:
    cut = texts("".join(f"{statement};\n" for statement in statements), SQLITE_SYNTAX)
    assert len(cut) == len(statements)
    assert all(sqlite3.complete_statement(text) for text in cut)
