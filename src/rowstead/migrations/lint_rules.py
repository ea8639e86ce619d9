"""The rules of `rowstead db lint`, as data: what is a risk, where, why, and the safe way.

A pattern is matched against a statement's shape (`lint_statements.py`): words in capitals, `id` for a name
in quotes, `text` for a text. To add a rule, add an entry; docs/migrations-diff.md lists them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad a finding is. The command fails on errors and warnings."""

    ERROR = "error"
    """It fails where there are rows, or loses some."""
    WARN = "warn"
    """It is dangerous where the table is big or the program is running."""
    NOTE = "note"


class Where(Enum):
    """What a pattern is matched against."""

    STATEMENT = "the whole shape"
    OUTLINE = "the shape with empty parentheses"
    ACTION = "each part of an ALTER TABLE"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    name: str
    level: Level
    pattern: re.Pattern[str]
    why: str
    safe: str
    where: Where = Where.STATEMENT
    dialects: frozenset[str] = frozenset({"postgresql", "sqlite", "mariadb"})
    in_transaction: bool = False
    """Whether it is one only in a file that is one transaction."""
    on_new_tables: bool = False
    """Whether it is one on a table, too, that the same file has made."""
    holds_lock: bool = False
    """Whether others wait until its transaction ends."""


def _rule(name: str, level: Level, pattern: str, why: str, safe: str, **more: object) -> Rule:
    return Rule(name, level, re.compile(pattern), why, safe, **more)  # type: ignore[arg-type]


_PG = frozenset({"postgresql"})
_MARIADB = frozenset({"mariadb"})
_SQLITE = frozenset({"sqlite"})
_SERVERS = _PG | _MARIADB

_OUTSIDE = "in a file with `-- +goose NO TRANSACTION`"
_NO_COLUMN = "CONSTRAINT|CHECK|FOREIGN|UNIQUE|PRIMARY|EXCLUDE|INDEX|KEY|PARTITION"
_ADD = rf"ADD (?:COLUMN )?(?:IF NOT EXISTS )?(?!(?:{_NO_COLUMN})\b)"
_VALUED = "DEFAULT|GENERATED|AS|SERIAL|BIGSERIAL|SMALLSERIAL|AUTO_INCREMENT|IDENTITY"
_ALTER = r"ALTER (?:COLUMN )?\S+ "
_ADD_CONSTRAINT = r"ADD (?:CONSTRAINT \S+ )?"
# They give one value for all rows, so that it is kept once; any other function may give many.
_STABLE = (
    "NOW|CURRENT_TIMESTAMP|LOCALTIMESTAMP|CURRENT_TIME|LOCALTIME|STATEMENT_TIMESTAMP|TRANSACTION_TIMESTAMP"
    "|CAST|COALESCE|UPPER|LOWER|TO_TIMESTAMP|MAKE_DATE|JSON_BUILD_OBJECT|JSONB_BUILD_OBJECT|VARCHAR|CHAR|NUMERIC"
)

RULES: tuple[Rule, ...] = (
    _rule(
        "concurrently-in-transaction", Level.ERROR,
        r"(CREATE (UNIQUE )?INDEX|DROP INDEX|REINDEX\b.*?) CONCURRENTLY\b"
        r"|ALTER TABLE\b.*\bDETACH PARTITION\b.*\bCONCURRENTLY\b",
        "the server refuses it inside a transaction",
        f"put it alone {_OUTSIDE}",
        dialects=_PG, in_transaction=True, on_new_tables=True,
    ),
    _rule(
        "create-index", Level.WARN, r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY\b)",
        "nobody can write to the table until the index is built",
        f"CREATE INDEX CONCURRENTLY {_OUTSIDE}",
        dialects=_PG, holds_lock=True,
    ),
    _rule(
        "drop-index", Level.WARN, r"DROP INDEX (?!CONCURRENTLY\b)",
        "it waits for every query on the table, and all others wait for it",
        f"DROP INDEX CONCURRENTLY {_OUTSIDE}",
        dialects=_PG, holds_lock=True,
    ),
    _rule(
        "reindex", Level.WARN, r"REINDEX (?!.*\bCONCURRENTLY\b)",
        "nobody can write to the table until the index is built",
        f"REINDEX … CONCURRENTLY {_OUTSIDE}",
        dialects=_PG, holds_lock=True,
    ),
    _rule(
        "add-column-not-null", Level.ERROR,
        _ADD + rf"(?!.*\b({_VALUED})\b).*\bNOT NULL\b",
        "it fails where the table has rows",
        "give it a DEFAULT, or add it without NOT NULL, fill it, and say NOT NULL afterwards",
        where=Where.ACTION, dialects=_PG | _SQLITE, holds_lock=True,
    ),
    _rule(
        "add-column-implicit-value", Level.WARN,
        _ADD + rf"(?!.*\b({_VALUED})\b).*\bNOT NULL\b",
        "rows that are there silently get 0, an empty text or a date of zeros",
        "give it a DEFAULT, or add it without NOT NULL, fill it, and say NOT NULL afterwards",
        where=Where.ACTION, dialects=_MARIADB,
    ),
    _rule(
        "add-column-rewrite", Level.WARN,
        _ADD + rf".*(\bDEFAULT\b.*?(?<!\w)(?!(?:{_STABLE}) \()[A-Z_][A-Z0-9_.]* \(|\b(BIG|SMALL)?SERIAL\b"
        r"|\bGENERATED (ALWAYS|BY DEFAULT) AS (IDENTITY|\(.*\) STORED)\b)",
        "each row needs a value of its own, so the whole table is written anew while nobody can read it",
        "add it without a value, set its DEFAULT, and fill the rows in small batches",
        where=Where.ACTION, dialects=_PG, holds_lock=True,
    ),
    _rule(
        "set-not-null", Level.WARN, _ALTER + r"SET NOT NULL",
        "the whole table is read while nobody can use it, and it fails where a value is NULL",
        "ADD CONSTRAINT … CHECK (column IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT, then SET NOT NULL",
        where=Where.ACTION, dialects=_PG, holds_lock=True,
    ),
    _rule(
        "change-type", Level.WARN, _ALTER + r"(SET DATA )?TYPE\b",
        "the table and its indexes may be written anew while nobody can use them, and values may not fit",
        "add a column of the new type, write both, fill it in batches, and change over",
        where=Where.ACTION, dialects=_PG, holds_lock=True,
    ),
    _rule(
        "constraint-not-valid", Level.WARN,
        rf"({_ADD_CONSTRAINT}(FOREIGN KEY|CHECK)\b|{_ADD}\S+.*\bREFERENCES\b)(?!.*\bNOT VALID\b)",
        "every row is checked while nobody can write",
        "ADD CONSTRAINT … NOT VALID, and VALIDATE CONSTRAINT in a migration of its own",
        where=Where.ACTION, dialects=_PG, holds_lock=True,
    ),
    _rule(
        "add-unique", Level.WARN, rf"{_ADD_CONSTRAINT}(UNIQUE|PRIMARY KEY|EXCLUDE)\b(?!.*\bUSING INDEX\b)",
        "its index is built while nobody can use the table",
        f"CREATE UNIQUE INDEX CONCURRENTLY {_OUTSIDE}, then ADD CONSTRAINT … USING INDEX",
        where=Where.ACTION, dialects=_PG, holds_lock=True,
    ),
    _rule(
        "rewrite-table", Level.WARN,
        r"VACUUM \(? ?(.*\b)?FULL\b|CLUSTER\b|ALTER TABLE\b.*\bSET (TABLESPACE|LOGGED|UNLOGGED)\b",
        "the whole table is written anew while nobody can use it",
        "a tool that does it beside the table, or a time when nobody needs it",
        dialects=_PG, holds_lock=True,
    ),
    _rule(
        "lock-table", Level.WARN, r"LOCK\b",
        "others wait for it", "a statement that locks no more than its rows: SELECT … FOR UPDATE",
        dialects=_SERVERS, holds_lock=True,
    ),
    _rule(
        "drop-table", Level.WARN, r"DROP TABLE\b",
        "its rows are lost, and whoever still uses it fails",
        "deploy a version that does not use it, keep a copy, and drop it in a later release",
        holds_lock=True,
    ),
    _rule(
        "drop-schema", Level.ERROR, r"DROP (SCHEMA|DATABASE)\b",
        "everything in it is lost", "drop its tables one by one, where a review sees each",
        dialects=_SERVERS,
    ),
    _rule(
        "drop-column", Level.WARN,
        rf"DROP (COLUMN\b|(?!(?:{_NO_COLUMN})\b)\S+( CASCADE| RESTRICT)?$)",
        "its values are lost, and whoever still uses it fails",
        "deploy a version that does not use it, and drop it in a later release",
        where=Where.ACTION, holds_lock=True,
    ),
    _rule(
        "truncate", Level.WARN, r"TRUNCATE\b",
        "all rows are lost", "DELETE with a WHERE, in batches", holds_lock=True,
    ),
    _rule(
        "rename-column", Level.WARN, r"RENAME (?!TO\b|CONSTRAINT\b|INDEX\b|KEY\b|AS\b)(COLUMN )?\S+ TO\b",
        "whoever uses the old name fails from this moment on",
        "add the new column, write both, and drop the old one in a later release",
        where=Where.ACTION, holds_lock=True,
    ),
    _rule(
        "rename-table", Level.WARN, r"ALTER TABLE\b.*\bRENAME (TO|AS)\b|RENAME TABLE\b",
        "whoever uses the old name fails from this moment on",
        "a view of the old name over the new table, in the same transaction",
        holds_lock=True,
    ),
    _rule(
        "update-without-where", Level.WARN, r"(?:WITH\b.*?\) )?UPDATE\b(?!.*\bWHERE\b)",
        "every row is written, and stays locked until the end",
        "a WHERE, and batches in migrations without a transaction",
        where=Where.OUTLINE, holds_lock=True,
    ),
    _rule(
        "delete-without-where", Level.WARN, r"(?:WITH\b.*?\) )?DELETE FROM\b(?!.*\bWHERE\b)",
        "all rows are lost", "a WHERE",
        where=Where.OUTLINE, holds_lock=True,
    ),
    _rule(
        "algorithm-copy", Level.WARN,
        r"(MODIFY|CHANGE|CONVERT TO|DROP PRIMARY KEY|ORDER BY|ENGINE|FORCE)\b|ALGORITHM (= )?COPY\b",
        "the table may be copied while nobody can write to it",
        "say ALGORITHM=INPLACE, LOCK=NONE, by which the server refuses rather than copies; or a tool "
        "that changes the schema online",
        where=Where.ACTION, dialects=_MARIADB,
    ),
    _rule(
        "foreign-key-copies", Level.WARN, rf"{_ADD_CONSTRAINT}FOREIGN KEY\b",
        "the table is copied and every row checked while nobody can write to it",
        "a tool that changes the schema online, or a time when nobody needs it",
        where=Where.ACTION, dialects=_MARIADB,
    ),
    _rule(
        "index-locks", Level.WARN, r"CREATE (FULLTEXT|SPATIAL) INDEX\b",
        "nobody can write to the table until the index is built",
        "a time when nobody needs it",
        dialects=_MARIADB,
    ),
)  # fmt: skip
"""Every rule that one statement is enough for."""

REBUILD = _rule(
    "rebuild-with-foreign-keys", Level.ERROR, "",
    "dropping the old table deletes the rows that refer to it, unless foreign keys are off",
    "begin the file with PRAGMA foreign_keys = OFF, which Rowstead's runner carries out before the "
    "transaction; `rowstead db generate` writes such files",
    dialects=_SQLITE,
)  # fmt: skip
TOGETHER = _rule(
    "locks-together", Level.NOTE, "",
    "each of these locks is held until the last of them is done",
    "a migration of its own for each",
    dialects=_PG, in_transaction=True,
)  # fmt: skip
UNKNOWN = _rule(
    "unknown-rule", Level.WARN, "", "a comment allows a rule that is not there", "write the rule's name",
)  # fmt: skip

NAMES = tuple(rule.name for rule in (*RULES, REBUILD, TOGETHER, UNKNOWN))
