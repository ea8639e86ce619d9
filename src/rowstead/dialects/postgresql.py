"""PostgreSQL's facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowstead.dialects.record import Dialect, Sequences

if TYPE_CHECKING:
    from sqlalchemy.engine.default import DefaultDialect
    from sqlalchemy.sql.selectable import TableClause


def _insert(table: TableClause) -> Any:
    from sqlalchemy.dialects.postgresql import insert

    return insert(table)


def _text(paramstyle: str) -> DefaultDialect:
    from sqlalchemy.dialects.postgresql.base import PGDialect

    return PGDialect(paramstyle=paramstyle)


def _with_types(paramstyle: str) -> DefaultDialect:
    # It writes a parameter's type beside it; it is the class for a driver, which is not imported for it.
    from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

    return PGDialect_asyncpg(paramstyle=paramstyle)


# With the end of the log, the end of the server's last recovery and its clock: after a crash or a promotion
# the id of a transaction that was lost is given to another one, whose `committed` would be taken for ours.
# A recovery that came as far as our first write knows its id, and gives it to no other.
_TRANSACTION_ID = (
    "CASE WHEN pg_current_xact_id_if_assigned() IS NOT NULL THEN"
    " concat_ws(' ', pg_current_xact_id_if_assigned(), pg_current_wal_insert_lsn(),"
    " coalesce(pg_last_wal_replay_lsn(), '0/0'), extract(epoch FROM clock_timestamp())) END"
)

_ENOUGH_LEFT = (
    "(SELECT coalesce(pg_sequence_last_value($1::text::regclass), 0)) <= 9223372036854775807 - $2::bigint"
)

POSTGRESQL = Dialect(
    name="postgresql",
    insert=_insert,
    sqlalchemy=_text,
    written=_with_types,
    max_params=32_767,
    array_params=True,
    copy=True,
    regex=True,
    text_collation=None,
    full_join=True,
    like_is_glob=False,
    like_escape="''",
    like_escaping=None,
    limit_in_subquery=True,
    position="strpos",
    bytes_position="position",
    starts_with="starts_with",
    ilike=None,
    enums_are_no_text=True,
    cuts_single_floats=False,
    decimal_key=None,
    decimal_add=None,
    aggregates={
        ("avg", "int"): "CAST(avg({}) AS DOUBLE PRECISION)",
        # There is no order of booleans here that min and max know.
        ("min", "bool"): "bool_and({})",
        ("max", "bool"): "bool_or({})",
    },
    full_join_by_equality=True,
    values_list=False,
    json_list=None,
    json_compared="jsonb",
    nulls_are_high=True,
    null_sorts_free=True,
    places_nulls=True,
    key_may_be_null=False,
    nul_text=None,
    alters_constraints=True,
    typed_columns=True,
    conflicts_alone=False,
    one_writer=False,
    levels=True,
    level_stands_apart=False,
    commits_by_itself=None,
    transaction_id=f"SELECT {_TRANSACTION_ID}",
    returned_id=f", {_TRANSACTION_ID} AS transaction_id",
    transaction_status=(
        "SELECT CASE WHEN pg_is_in_recovery() THEN NULL"
        " WHEN t.recovered NOT IN (t.recovered_then, '0/0') AND t.recovered < t.written THEN 'aborted'"
        " WHEN t.recovered = '0/0' AND extract(epoch FROM pg_postmaster_start_time()) >= t.moment"
        " THEN 'unsure' ELSE pg_xact_status(t.id) END"
        " FROM (SELECT coalesce(pg_last_wal_replay_lsn(), '0/0') AS recovered, i.said[1]::xid8 AS id,"
        " i.said[2]::pg_lsn AS written, i.said[3]::pg_lsn AS recovered_then, i.said[4]::numeric AS moment"
        " FROM (SELECT string_to_array($1::text, ' ') AS said) i) t"
    ),
    update_returns=True,
    returning_judges=True,
    upsert_guard=None,
    update_sees_itself=False,
    row_number=None,
    explain="EXPLAIN",
    column_types=(
        "SELECT a.attname::text, format_type(a.atttypid, -1), t.typcategory::text,"
        " c.relkind IN ('r', 'p') AND NOT c.relrowsecurity,"
        " has_database_privilege(current_database(), 'TEMPORARY')"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE c.oid = to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped"
    ),
    stage=(
        "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {columns} WITH NO DATA",
        "DROP TABLE pg_temp.{name}",
    ),
    stage_schema="pg_temp",
    # REPEATABLE READ sees what was there when its first statement came, not when it began. No row is
    # waited for longer than the file would be elsewhere.
    snapshot=("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT set_config('lock_timeout', '{}ms', true)"),
    snapshot_only_reads=False,
    impatience="SELECT set_config('lock_timeout', '250ms', true)",
    keeps_schemas=True,
    failure_is_local=False,
    restricts_at_once=False,
    names_foreign_keys=True,
    sequences=Sequences(
        exists="SELECT to_regclass($1::text) IS NOT NULL",
        take=f"SELECT nextval($1::text::regclass) FROM generate_series(1, $2::bigint) WHERE {_ENOUGH_LEFT}",
        take_ends=(
            "SELECT min(t.n), max(t.n) FROM (SELECT nextval($1::text::regclass) AS n"
            f" FROM generate_series(1, $2::bigint) WHERE {_ENOUGH_LEFT}) t"
        ),
        skip=(
            "SELECT setval(s.counter, s.last + $2::bigint)"
            " FROM (SELECT c.counter, coalesce(pg_sequence_last_value(c.counter), 0) AS last"
            " FROM (SELECT $1::text::regclass AS counter) c) s"
            " WHERE s.last <= 9223372036854775807 - $2::bigint"
        ),
        # Numbers are taken one by one where that is fast enough, since then nobody has to wait. Whoever
        # asked a function for the last one would hold the counter, and two who then jump wait for each other.
        pass_by=(
            "SELECT CASE WHEN $2::bigint - s.last > 10000 THEN true"
            " ELSE (SELECT max(t.n) IS NULL FROM (SELECT nextval($1::text::regclass) AS n"
            " FROM generate_series(1, $2::bigint - s.last)) t) END"
            " FROM (SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END AS last FROM {}) s"
            " WHERE s.last < $2::bigint"
        ),
        # It changes nothing, and takes a lock that `nextval` and `setval` of others wait for.
        lock="ALTER SEQUENCE {} OWNED BY NONE",
        # Without the lock it would undo what others took since the last value was looked at.
        jump=(
            "SELECT setval(s.counter, $2::bigint)"
            " FROM (SELECT c.counter, coalesce(pg_sequence_last_value(c.counter), 0) AS last"
            " FROM (SELECT $1::text::regclass AS counter) c) s WHERE s.last < $2::bigint"
        ),
        last="SELECT coalesce(pg_sequence_last_value($1::text::regclass), 0)",
        of_column=(
            "SELECT s.counter, q.seqincrement"
            " FROM (SELECT pg_get_serial_sequence($1::text, $2::text) AS counter) s"
            " JOIN pg_sequence q ON q.seqrelid = s.counter::regclass"
            " WHERE has_sequence_privilege(s.counter, 'SELECT')"
            " AND has_sequence_privilege(s.counter, 'UPDATE')"
        ),
        move=(
            "SELECT setval(q.seqrelid::regclass, $2::bigint) FROM pg_sequence q"
            " WHERE q.seqrelid = $1::text::regclass AND $2::bigint BETWEEN q.seqmin AND q.seqmax"
            " AND CASE WHEN q.seqincrement > 0"
            " THEN coalesce(pg_sequence_last_value(q.seqrelid::regclass), q.seqstart - 1) < $2::bigint"
            " ELSE coalesce(pg_sequence_last_value(q.seqrelid::regclass), q.seqstart + 1) > $2::bigint END"
        ),
    ),
    # A transaction can be made one that writes only before its first query.
    hold_to_reading="SELECT 1",
    integrity=None,
    definitions=(
        "SELECT c.relname::text, 'column', a.attname::text,"
        " format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')"
        " AND a.attnum > 0 AND NOT a.attisdropped"
        " UNION ALL SELECT c.relname::text, 'constraint', n.conname::text, pg_get_constraintdef(n.oid)"
        " FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid"
        " WHERE c.relnamespace = current_schema()::regnamespace AND n.contype IN ('p', 'u', 'f', 'c')"
        " UNION ALL SELECT tablename::text, 'index', indexname::text, indexdef FROM pg_indexes"
        " WHERE schemaname = current_schema() ORDER BY 1, 2, 3"
    ),
    definitions_version=None,
    stateless_words=frozenset(),
    now="CURRENT_TIMESTAMP",
    utc_now="CURRENT_TIMESTAMP",
    server_version="SELECT 'PostgreSQL ' || current_setting('server_version')",
)
