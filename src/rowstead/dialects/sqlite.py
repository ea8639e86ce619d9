"""SQLite's facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowstead.dialects.record import Dialect

if TYPE_CHECKING:
    from sqlalchemy.engine.default import DefaultDialect
    from sqlalchemy.sql.selectable import TableClause


def _insert(table: TableClause) -> Any:
    from sqlalchemy.dialects.sqlite import insert

    return insert(table)


def _text(paramstyle: str) -> DefaultDialect:
    from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect, SQLiteIdentifierPreparer

    class Preparer(SQLiteIdentifierPreparer):
        # SQLite takes a double-quoted name that it does not know for a string; a backtick it refuses.
        def __init__(self, dialect: DefaultDialect) -> None:
            super().__init__(dialect, initial_quote="`", final_quote="`", escape_quote="`")

    class Compiler(SQLiteCompiler):
        # SQLAlchemy writes `LIMIT ? OFFSET ?` even where no offset was asked for.
        def limit_clause(self, select: Any, **kw: Any) -> str:
            limit, offset = select._limit_clause, select._offset_clause
            text = f" LIMIT {self.process(limit, **kw)}" if limit is not None else " LIMIT -1"
            return text if offset is None else f"{text} OFFSET {self.process(offset, **kw)}"

    class Text(SQLiteDialect):
        preparer = Preparer
        statement_compiler = Compiler
        supports_statement_cache = False

    return Text(paramstyle=paramstyle)


SQLITE = Dialect(
    name="sqlite",
    insert=_insert,
    sqlalchemy=_text,
    written=_text,
    max_params=32_766,
    array_params=False,
    copy=False,
    regex=False,
    text_collation=None,
    full_join=True,
    like_is_glob=True,
    like_escape="''",
    like_escaping=None,
    limit_in_subquery=True,
    position="instr",
    bytes_position="instr",
    starts_with=None,
    ilike="rowstead_ilike",
    enums_are_no_text=False,
    cuts_single_floats=False,
    decimal_key="rowstead_decimal",
    decimal_add="rowstead_decimal_add",
    aggregates={
        (function, "decimal"): f"rowstead_decimals('{function}', json_group_array({{}}))"
        for function in ("sum", "min", "max", "avg")
    },
    full_join_by_equality=False,
    values_list=False,
    json_list="rowstead_bytes",
    json_compared=None,
    nulls_are_high=False,
    null_sorts_free=True,
    places_nulls=True,
    key_may_be_null=True,
    nul_text="char(0)",
    alters_constraints=False,
    typed_columns=False,
    conflicts_alone=False,
    one_writer=True,
    levels=False,
    level_stands_apart=False,
    commits_by_itself=None,
    transaction_id=None,
    returned_id=None,
    transaction_status=None,
    update_returns=True,
    # In 3.40 `x IS NULL` is 0 there, whatever x is, where an integer key is declared NOT NULL.
    returning_judges=False,
    upsert_guard=None,
    # Seen in 3.40: it changes rows while it still looks for others.
    update_sees_itself=True,
    row_number="rowid",
    explain="EXPLAIN QUERY PLAN",
    column_types=None,
    stage=None,
    stage_schema=None,
    snapshot=("BEGIN", "SELECT 1 FROM sqlite_master LIMIT 1"),
    snapshot_only_reads=True,
    impatience=None,
    keeps_schemas=True,
    failure_is_local=True,
    restricts_at_once=True,
    names_foreign_keys=False,
    sequences=None,
    hold_to_reading="PRAGMA query_only = ON",
    integrity="PRAGMA integrity_check",
    definitions=(
        "SELECT tbl_name, type, name, sql FROM sqlite_master"
        " WHERE sql IS NOT NULL AND type IN ('table', 'index') ORDER BY 1, 2, 3"
    ),
    definitions_version="PRAGMA schema_version",
    stateless_words=frozenset(
        {"select", "with", "values", "explain", "insert", "update", "delete", "replace"}
    ),
    now="CURRENT_TIMESTAMP",
    utc_now="strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')",
    server_version="SELECT 'SQLite ' || sqlite_version()",
)
