"""MariaDB's facts. `docs/mariadb.md` says what of them a user notices."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rowstead.dialects.record import Dialect

if TYPE_CHECKING:
    from sqlalchemy.engine.default import DefaultDialect
    from sqlalchemy.sql.selectable import TableClause


def _insert(table: TableClause) -> Any:
    from sqlalchemy.dialects.mysql import insert

    return insert(table)


def _text(paramstyle: str) -> DefaultDialect:
    from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect

    dialect = MariaDBDialect(paramstyle=paramstyle)
    # What SQLAlchemy would ask a server for: 10.11 is the oldest that is tested.
    dialect.server_version_info = (10, 11, 0)
    return dialect


_COMMITS = re.compile(
    r"ALTER\b|ANALYZE\s+TABLE\b|CACHE\s+INDEX\b|CHECK\s+TABLE\b"
    r"|CREATE\s+(?!(?:OR\s+REPLACE\s+)?TEMPORARY\s+TABLE\b)|DROP\s+(?!TEMPORARY\s+TABLE\b)"
    r"|FLUSH\b|GRANT\b|INSTALL\b|LOAD\s+INDEX\b|(?:UN)?LOCK\s+TABLES?\b|OPTIMIZE\b|RENAME\b|REPAIR\b|RESET\b"
    r"|REVOKE\b|SET\s+(?:DEFAULT\s+ROLE|PASSWORD)\b|SHUTDOWN\b|START\b|STOP\b|TRUNCATE\b|UNINSTALL\b"
    r"|SET\s+(?:[^'\"]*,)?\s*(?:@@)?(?:SESSION\s*\.?\s*|LOCAL\s*\.?\s*)?AUTOCOMMIT\b",
    re.IGNORECASE,
)
"""The server's own list of statements that commit, and what turns committing by itself on."""

MARIADB = Dialect(
    name="mariadb",
    insert=_insert,
    sqlalchemy=_text,
    written=_text,
    max_params=65_535,
    array_params=False,
    copy=False,
    # It has PCRE, whose patterns and cases are not those of `~` elsewhere.
    regex=False,
    text_collation="utf8mb4_nopad_bin",
    full_join=False,
    like_is_glob=False,
    # An empty one means the backslash there, and is refused where a backslash is a character.
    like_escape="X'00'",
    like_escaping="\0",
    limit_in_subquery=False,
    position="instr",
    bytes_position="instr",
    starts_with=None,
    ilike=None,
    enums_are_no_text=False,
    cuts_single_floats=True,
    decimal_key=None,
    decimal_add=None,
    aggregates={
        # It would divide to four places.
        ("avg", "int"): "avg({} + 0e0)",
        # Added as decimals, which a whole number comes back from as one.
        ("avg", "decimal"): "avg(CAST({} AS DECIMAL(65, 24)))",
    },
    full_join_by_equality=True,
    values_list=True,
    json_list=None,
    json_compared=None,
    nulls_are_high=False,
    null_sorts_free=False,
    places_nulls=False,
    key_may_be_null=False,
    nul_text=None,
    alters_constraints=True,
    typed_columns=True,
    # Two inserts of neighbouring keys wait for each other's gap: InnoDB undoes one of them.
    conflicts_alone=True,
    one_writer=False,
    levels=True,
    level_stands_apart=True,
    commits_by_itself=_COMMITS,
    transaction_id=None,
    returned_id=None,
    transaction_status=None,
    update_returns=False,
    returning_judges=True,
    upsert_guard="(SELECT 'found by another key' UNION SELECT '')",
    update_sees_itself=False,
    row_number=None,
    explain="EXPLAIN FORMAT=JSON",
    column_types=None,
    stage=None,
    stage_schema=None,
    snapshot=("START TRANSACTION WITH CONSISTENT SNAPSHOT", "SELECT 1"),
    snapshot_only_reads=True,
    impatience=None,
    keeps_schemas=False,
    failure_is_local=True,
    restricts_at_once=True,
    names_foreign_keys=True,
    sequences=None,
    hold_to_reading="SELECT 1",
    integrity=None,
    definitions=(
        "SELECT table_name, 'column', column_name, concat(column_type,"
        " CASE WHEN is_nullable = 'NO' THEN ' NOT NULL' ELSE '' END, ' ', extra)"
        " FROM information_schema.columns WHERE table_schema = database()"
        " UNION ALL SELECT table_name, 'index', index_name,"
        " concat(CASE WHEN non_unique THEN '' ELSE 'UNIQUE ' END,"
        " group_concat(column_name ORDER BY seq_in_index))"
        " FROM information_schema.statistics WHERE table_schema = database()"
        " GROUP BY table_name, index_name, non_unique ORDER BY 1, 2, 3"
    ),
    definitions_version=None,
    stateless_words=frozenset(),
    # Our sessions are in UTC.
    now="CURRENT_TIMESTAMP(6)",
    utc_now="CURRENT_TIMESTAMP(6)",
    server_version="SELECT concat('MariaDB ', version())",
)
