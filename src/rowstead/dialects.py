"""One record of facts per database. Core code asks a fact, never a database's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rowstead.errors import ValidationError, did_you_mean

if TYPE_CHECKING:
    from sqlalchemy.engine.default import DefaultDialect
    from sqlalchemy.sql.selectable import TableClause

ISOLATION_LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")


@dataclass(frozen=True, slots=True)
class Sequences:
    """SQL for a database's own counters, each with the quoted counter as `$1`, where it says so as `{}`."""

    exists: str
    """One value: whether it is there."""
    take: str
    """The next `$2` numbers, one in each record; none where there are not so many left."""
    take_ends: str
    """Takes the next `$2` numbers: the first and the last; two NULLs where there are not so many left."""
    skip: str
    """Goes on behind the next `$2` numbers at once: the last; no record where there are not so many left."""
    pass_by: str
    """Goes on behind `$2` where that is near and `{}` is not so far yet; whether it was too far for that."""
    lock: str
    """Nobody else takes numbers of `{}` until the transaction or savepoint ends."""
    jump: str
    """Goes on behind `$2`, however far that is, where it has not come so far; no rollback undoes it."""
    last: str
    """The last number that was given; 0 where none was."""


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What a database can do and how it spells what SQLAlchemy leaves to us."""

    name: str
    max_params: int
    """The most parameters one statement may carry."""
    array_params: bool
    """Whether a whole list travels as one parameter: `= ANY($1)`, `unnest($1)`."""
    copy: bool
    """Whether there is a bulk path beside INSERT."""
    regex: bool
    """Whether the database has regular expressions."""
    like_is_glob: bool
    """Whether case-sensitive LIKE has to be spelled GLOB, with the pattern turned in the value."""
    position: str
    bytes_position: str
    """As `position`, of bytes in bytes."""
    """The function of (text, part) that gives where the part begins, 0 when it is not there."""
    ilike: str | None
    """Our function of (pattern, text) where the database's own knows only ASCII's cases."""
    decimal_key: str | None
    """Our function that gives a decimal's order where the database has no decimals; None: it has."""
    decimal_add: str | None
    """Our function that adds decimals exactly where the database has none."""
    aggregates: Mapping[tuple[str, str], str]
    """How an aggregate function over a kind of value is spelled where its plain name would not do."""
    full_join_by_equality: bool
    """Whether a full join needs an equality between its sides among its conditions."""
    json_list: str | None
    """Our function that turns an element of a JSON list back to bytes where lists travel as JSON."""
    nulls_are_high: bool
    """Whether NULL sorts above every value unless told."""
    key_may_be_null: bool
    """Whether a primary key's columns can hold NULL."""
    nul_text: str | None
    """SQL for a text that is one NUL, where texts can hold one (`length` ends there); None: they cannot."""
    alters_constraints: bool
    """Whether constraints can be added to a table later (and a foreign key's table must be there first)."""
    typed_columns: bool
    """Whether the server holds a value to its column's type (SQLite does not)."""
    one_writer: bool
    """Whether only one transaction may write at a time (and begins by taking that right)."""
    levels: bool
    """Whether isolation levels can be chosen; without, every transaction is serializable."""
    transaction_id: str | None
    """SQL for the running transaction's id, NULL when it wrote nothing; None: there is no such thing."""
    returned_id: str | None
    """The same as one more column behind RETURNING, so that a write brings it along."""
    transaction_status: str | None
    """SQL that tells, given an id as `$1`, `committed`, `aborted`, `in progress` or `unsure`."""
    update_sees_itself: bool
    """Whether a subquery of an UPDATE may see rows that it has changed already, unless it returns rows."""
    row_number: str | None
    """The column whose NULL asks for the next row, where `DEFAULT VALUES` takes no ON CONFLICT clause."""
    explain: str
    """What stands before a statement to see its plan."""
    column_types: str | None
    """SQL for a table's columns, given its quoted name as `$1`: (name, type, category, plain table?,
    may this role make temporary tables?)."""
    stage: tuple[str, str] | None
    """What makes the temporary table `{name}` of the `{columns}` of a query, and what drops it."""
    stage_schema: str | None
    """Where temporary tables are, whatever else is named like them."""
    snapshot: tuple[str, str]
    """Statements that begin a transaction, and read, so that from now on it sees this moment's state.
    `{}` is how long it waits for another's lock, in milliseconds."""
    snapshot_only_reads: bool
    """Whether the second of them does nothing but read, so that any other read will do."""
    impatience: str | None
    """Makes the running transaction hardly wait for locks; None where a lock is known to be taken."""
    failure_is_local: bool
    """Whether a statement that failed is undone by itself and its transaction goes on."""
    restricts_at_once: bool
    """Whether RESTRICT refuses a row that another one refers to which the same statement removes next."""
    names_foreign_keys: bool
    """Whether an error says which foreign key refused a write."""
    sequences: Sequences | None
    """Counters that no transaction holds; None: a counter is a row of a table."""
    hold_to_reading: str
    """Makes the running transaction, which began as one that only reads, unable to become another."""
    integrity: str | None
    """SQL that looks through the whole file: a record for each fault, or one that says `ok`."""
    definitions: str
    """SQL for what the database holds: (table, kind, name, definition), in an order that stays."""
    definitions_version: str | None
    """SQL for a number that is another one after each change of `definitions`; None where there is none."""
    stateless_words: frozenset[str]
    """First words of statements that cannot change a connection's state; no other can be trusted."""
    utc_now: str
    """SQL for the current time as a value with a zone is stored; `Now()` on such a column."""

    def begin(self, isolation: str | None, readonly: bool) -> str:
        """The statement that opens a transaction.

        `isolation` is any standard level's name, in any case; where the database has no levels every
        name is taken, since what it gives is serializable.
        """
        level = isolation_level(isolation) if isolation is not None else None
        if not self.levels:
            return "BEGIN" if readonly else "BEGIN IMMEDIATE"
        words = ["BEGIN"]
        if level is not None:
            words.append(f"ISOLATION LEVEL {level.upper()}")
        if readonly:
            words.append("READ ONLY")
        return " ".join(words)

    def insert(self, table: TableClause) -> Any:
        """An INSERT that knows this database's ON CONFLICT clause."""
        if self.name == "sqlite":
            from sqlalchemy.dialects.sqlite import insert as sqlite_insert

            return sqlite_insert(table)
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table)

    def sqlalchemy(self, paramstyle: str) -> DefaultDialect:
        """A SQLAlchemy dialect that only writes text."""
        if self.name == "sqlite":
            return _sqlite_text(paramstyle)
        return _postgresql_text(paramstyle)


def isolation_level(name: str) -> str:
    """The standard's spelling of an isolation level, or a ValidationError with a suggestion."""
    level = " ".join(str(name).replace("_", " ").replace("-", " ").lower().split())
    if level not in ISOLATION_LEVELS:
        hint = did_you_mean(level, ISOLATION_LEVELS)
        raise ValidationError(f"there is no isolation level {name!r}; {hint}")
    return level


def _postgresql_text(paramstyle: str) -> DefaultDialect:
    from sqlalchemy.dialects.postgresql.base import PGDialect

    return PGDialect(paramstyle=paramstyle)


def _sqlite_text(paramstyle: str) -> DefaultDialect:
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
    max_params=32_767,
    array_params=True,
    copy=True,
    regex=True,
    like_is_glob=False,
    position="strpos",
    bytes_position="position",
    ilike=None,
    decimal_key=None,
    decimal_add=None,
    aggregates={
        ("avg", "int"): "CAST(avg({}) AS DOUBLE PRECISION)",
        # There is no order of booleans here that min and max know.
        ("min", "bool"): "bool_and({})",
        ("max", "bool"): "bool_or({})",
    },
    full_join_by_equality=True,
    json_list=None,
    nulls_are_high=True,
    key_may_be_null=False,
    nul_text=None,
    alters_constraints=True,
    typed_columns=True,
    one_writer=False,
    levels=True,
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
    utc_now="CURRENT_TIMESTAMP",
)

SQLITE = Dialect(
    name="sqlite",
    max_params=32_766,
    array_params=False,
    copy=False,
    regex=False,
    like_is_glob=True,
    position="instr",
    bytes_position="instr",
    ilike="rowstead_ilike",
    decimal_key="rowstead_decimal",
    decimal_add="rowstead_decimal_add",
    aggregates={
        (function, "decimal"): f"rowstead_decimals('{function}', json_group_array({{}}))"
        for function in ("sum", "min", "max", "avg")
    },
    full_join_by_equality=False,
    json_list="rowstead_bytes",
    nulls_are_high=False,
    key_may_be_null=True,
    nul_text="char(0)",
    alters_constraints=False,
    typed_columns=False,
    one_writer=True,
    levels=False,
    transaction_id=None,
    returned_id=None,
    transaction_status=None,
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
    utc_now="strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')",
)

DIALECTS: Mapping[str, Dialect] = {d.name: d for d in (POSTGRESQL, SQLITE)}
