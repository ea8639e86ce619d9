"""MariaDB's entry of facts: which statements commit by themselves, and how one in doubt is settled.

DDL cannot be undone there. So what may share a transaction with its progress is named, and everything
else stands alone: what is begun and was interrupted is settled by comparing the catalogue.

https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/
"""

from __future__ import annotations

import re

from rowstead.migrations.capabilities import Facts, plainly
from rowstead.migrations.doubt import Catalogue, Repeatable, SchemaCatalogue, Unknowable
from rowstead.migrations.named_lock import NamedLock
from rowstead.migrations.split import MARIADB_SYNTAX

_HIDDEN = r"(?:/ \* (?:M )?! (?:\d+ )?+)?+"
"""`/*!40101 … */` and `/*M!100100 … */`: the server runs what stands in them."""
_COMPOUND = r"BEGIN NOT ATOMIC|IF|CASE|FOR|LOOP|WHILE|REPEAT"
_SETTING = r"SET (?!((@ @ )?GLOBAL|PASSWORD|DEFAULT ROLE|STATEMENT)\b)|USE\b"
_SHARES = (
    r"(INSERT|REPLACE|UPDATE|DELETE|SELECT|WITH|VALUES|TABLE|LOAD DATA|LOAD XML|DO|SHOW|DESC|DESCRIBE|EXPLAIN"
    r"|SIGNAL|HANDLER|CREATE( OR REPLACE)? TEMPORARY TABLE|DROP TEMPORARY TABLE)\b|\("
)
"""Statements that neither commit nor may do so."""


def _any(pattern: str) -> re.Pattern[str]:
    return re.compile(f"{_HIDDEN}({pattern})")


# Sums that do not depend on the order: a text of all lines would be cut at group_concat_max_len.
_SUMMED = (
    "SELECT CONCAT(COUNT(*), ' ', COALESCE(BIT_XOR(CAST(CONV(LEFT(MD5(line), 16), 16, 10) AS UNSIGNED)), 0), "
    "' ', COALESCE(SUM(CRC32(line)), 0)) FROM ("
)

# Neither counters, sizes nor times: rows that others write must not look like a change.
_SCHEMA = (
    _SUMMED
    + """
  SELECT CONCAT_WS('|', 's', SCHEMA_NAME, DEFAULT_COLLATION_NAME, SCHEMA_COMMENT) AS line
    FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = :schema
  UNION ALL SELECT CONCAT_WS('|', 't', TABLE_NAME, TABLE_TYPE, QUOTE(ENGINE), QUOTE(ROW_FORMAT),
      QUOTE(TABLE_COLLATION), QUOTE(CREATE_OPTIONS), TABLE_COMMENT)
    FROM information_schema.TABLES WHERE TABLE_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'c', TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, QUOTE(COLUMN_DEFAULT),
      IS_NULLABLE, COLUMN_TYPE, QUOTE(COLLATION_NAME), COLUMN_KEY, EXTRA, COLUMN_COMMENT,
      QUOTE(GENERATION_EXPRESSION))
    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'i', TABLE_NAME, INDEX_NAME, NON_UNIQUE, SEQ_IN_INDEX, QUOTE(COLUMN_NAME),
      QUOTE(COLLATION), QUOTE(SUB_PART), INDEX_TYPE, IGNORED, INDEX_COMMENT)
    FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'k', TABLE_NAME, CONSTRAINT_NAME, CONSTRAINT_TYPE)
    FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'f', TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME, UPDATE_RULE,
      DELETE_RULE)
    FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'h', TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE)
    FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'v', TABLE_NAME, VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE)
    FROM information_schema.VIEWS WHERE TABLE_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'r', ROUTINE_NAME, ROUTINE_TYPE, QUOTE(ROUTINE_DEFINITION), DTD_IDENTIFIER,
      SQL_DATA_ACCESS, SECURITY_TYPE, ROUTINE_COMMENT, DEFINER)
    FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'a', SPECIFIC_NAME, ROUTINE_TYPE, ORDINAL_POSITION, QUOTE(PARAMETER_NAME),
      DTD_IDENTIFIER)
    FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'g', TRIGGER_NAME, EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING,
      ACTION_ORDER, ACTION_STATEMENT, DEFINER)
    FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'e', EVENT_NAME, EVENT_DEFINITION, QUOTE(EXECUTE_AT), QUOTE(INTERVAL_VALUE),
      QUOTE(INTERVAL_FIELD), QUOTE(STARTS), QUOTE(ENDS), STATUS, ON_COMPLETION, EVENT_COMMENT)
    FROM information_schema.EVENTS WHERE EVENT_SCHEMA = :schema
  UNION ALL SELECT CONCAT_WS('|', 'p', TABLE_NAME, PARTITION_NAME, QUOTE(SUBPARTITION_NAME),
      PARTITION_METHOD, QUOTE(PARTITION_EXPRESSION), QUOTE(PARTITION_DESCRIPTION))
    FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = :schema AND PARTITION_NAME IS NOT NULL
) AS catalogue"""
)

_ACCOUNTS = (
    _SUMMED
    + """
  SELECT CONCAT_WS('|', 'u', GRANTEE, PRIVILEGE_TYPE, IS_GRANTABLE) AS line
    FROM information_schema.USER_PRIVILEGES
  UNION ALL SELECT CONCAT_WS('|', 's', GRANTEE, TABLE_SCHEMA, PRIVILEGE_TYPE, IS_GRANTABLE)
    FROM information_schema.SCHEMA_PRIVILEGES
  UNION ALL SELECT CONCAT_WS('|', 't', GRANTEE, TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE, IS_GRANTABLE)
    FROM information_schema.TABLE_PRIVILEGES
) AS catalogue"""
)

MARIADB = Facts(
    syntax=MARIADB_SYNTAX,
    lock=NamedLock("rowstead_migrations"),
    find_table=(
        "SELECT TABLE_SCHEMA FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{name}'"
    ),
    new_schema="SELECT DATABASE()",
    session=_any(_SETTING),
    standing_alone=(
        # Dropping what is gone already is no error where the statement says so.
        (_any(r"DROP (?!TEMPORARY )\w+ IF EXISTS\b"), Repeatable()),
        (_any(r"(TRUNCATE|ANALYZE|OPTIMIZE|CHECK|REPAIR|FLUSH|(CACHE|LOAD) INDEX|GRANT)\b"), Repeatable()),
        (_any(r"SET ((@ @ )?GLOBAL|PASSWORD|DEFAULT ROLE)\b"), Repeatable()),
        (_any(rf"(CALL|EXECUTE|SET STATEMENT|{_COMPOUND})\b"), Unknowable()),
        (_any(r"((CREATE( OR REPLACE)?|DROP|RENAME) (USER|ROLE)|REVOKE)\b"), Catalogue(_ACCOUNTS)),
        (_any(rf"(?!({_SETTING}|{_SHARES}))"), SchemaCatalogue(_SCHEMA)),
    ),
    refused_in_transaction=frozenset(),
    otherwise=(),
    rebuilding=plainly,
    rebuild=None,
    drop_trigger="DROP TRIGGER IF EXISTS {name}",
    goose_table=(
        "CREATE TABLE {table} (id serial NOT NULL, version_id bigint NOT NULL, is_applied boolean NOT NULL, "
        "tstamp timestamp NULL default now(), PRIMARY KEY(id))"
    ),
    commits=_any(rf"(?!({_SETTING}|{_SHARES}))"),
    unsuitable=(
        (
            _any(r"(UN)?LOCK TABLES?\b"),
            "under LOCK TABLES the ledger could not be written; take it out: what a migration does is under "
            "the migrations' own lock already",
        ),
        (
            _any(r"(SET (@ @ )?(SESSION |LOCAL )?(\. )?AUTOCOMMIT|XA)\b"),
            "it rules transactions, which is the runner's business; take it out",
        ),
    ),
)
