"""What is known of each database, as one record of facts; and isolation levels, which all of them name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rowstead.errors import UsageError, ValidationError, did_you_mean

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
    of_column: str
    """The counter that fills the column `$2` of the table `$1`, as its name in SQL, and its step: no record
    where there is none, or this role may not move it. The table is given as a name in SQL, too."""
    move: str
    """Goes on behind `$2`, in the direction of its steps, where it has not come so far and could."""


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What a database can do and how it spells what SQLAlchemy leaves to us."""

    name: str
    insert: Callable[[TableClause], Any]
    """Makes an INSERT that knows this database's clause for rows that are there already."""
    sqlalchemy: Callable[[str], DefaultDialect]
    """Makes a SQLAlchemy dialect that only writes text, for a parameter style."""
    written: Callable[[str], DefaultDialect]
    """The same for a user's own statements, whose parameters may stand where only a value tells the type."""
    max_params: int
    """The most parameters one statement may carry."""
    array_params: bool
    """Whether a whole list travels as one parameter: `= ANY($1)`, `unnest($1)`."""
    copy: bool
    """Whether there is a bulk path beside INSERT."""
    regex: bool
    """Whether the database has regular expressions."""
    text_collation: str | None
    """The collation by which texts are compared exactly, where a column's own may hold `a` and `A` equal."""
    full_join: bool
    """Whether there is FULL JOIN."""
    like_is_glob: bool
    """Whether case-sensitive LIKE has to be spelled GLOB, with the pattern turned in the value."""
    like_escape: str
    """What stands behind ESCAPE so that no character that anybody types escapes a wildcard."""
    like_escaping: str | None
    """The character that does so all the same, and is therefore doubled in a pattern."""
    limit_in_subquery: bool
    """Whether a query behind IN may have a LIMIT of its own."""
    position: str
    bytes_position: str
    """As `position`, of bytes in bytes."""
    """The function of (text, part) that gives where the part begins, 0 when it is not there."""
    starts_with: str | None
    """The function of (text, beginning) that tells whether one begins with the other; None: `position`."""
    ilike: str | None
    """Our function of (pattern, text) where the database's own knows only ASCII's cases."""
    enums_are_no_text: bool
    """Whether functions and patterns of text take no enumeration, nor another type written as text."""
    cuts_single_floats: bool
    """Whether a number of single precision is given back with fewer digits than are stored."""
    decimal_key: str | None
    """Our function that gives a decimal's order where the database has no decimals; None: it has."""
    decimal_add: str | None
    """Our function that adds decimals exactly where the database has none."""
    aggregates: Mapping[tuple[str, str], str]
    """How an aggregate function over a kind of value is spelled where its plain name would not do."""
    full_join_by_equality: bool
    """Whether a full join needs an equality between its sides among its conditions."""
    values_list: bool
    """Whether a list of values travels as one parameter that is written out where it stands: `IN (1, 2)`."""
    json_list: str | None
    """Our function that turns an element of a JSON list back to bytes where lists travel as JSON."""
    json_compared: str | None
    """The type that a plain JSON value is turned into where it cannot be compared as it is."""
    nulls_are_high: bool
    """Whether NULL sorts above every value unless told."""
    null_sorts_free: bool
    """Whether a column of which the condition says that it is NULL costs nothing in ORDER BY."""
    places_nulls: bool
    """Whether ORDER BY knows NULLS FIRST and NULLS LAST."""
    key_may_be_null: bool
    """Whether a primary key's columns can hold NULL."""
    nul_text: str | None
    """SQL for a text that is one NUL, where texts can hold one (`length` ends there); None: they cannot."""
    alters_constraints: bool
    """Whether constraints can be added to a table later (and a foreign key's table must be there first)."""
    typed_columns: bool
    """Whether the server holds a value to its column's type (SQLite does not)."""
    conflicts_alone: bool
    """Whether writes that are transactions of their own conflict with each other, with nothing kept then."""
    one_writer: bool
    """Whether only one transaction may write at a time (and begins by taking that right)."""
    levels: bool
    """Whether isolation levels can be chosen; without, every transaction is serializable."""
    level_stands_apart: bool
    """Whether a transaction's level is chosen by a statement of its own, before the one that opens it."""
    commits_by_itself: re.Pattern[str] | None
    """Statements that commit an open transaction, which our blocks therefore refuse; None: there are none."""
    transaction_id: str | None
    """SQL for the running transaction's id, NULL when it wrote nothing; None: there is no such thing."""
    returned_id: str | None
    """The same as one more column behind RETURNING, so that a write brings it along."""
    transaction_status: str | None
    """SQL that tells, given an id as `$1`, `committed`, `aborted`, `in progress` or `unsure`."""
    update_returns: bool
    """Whether UPDATE can give back the rows that it changed."""
    returning_judges: bool
    """Whether a condition behind RETURNING says of a row what it says in WHERE."""
    upsert_guard: str | None
    """SQL that fails, where an upsert answers to any unique key though one is meant; None: it names one."""
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
    keeps_schemas: bool
    """Whether a schema can be kept in it as data, and change with its tables in one transaction."""
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
    now: str
    """SQL for the current time, to the microsecond where the database has those."""
    utc_now: str
    """The same as a value with a zone is stored; `Now()` on such a column."""
    server_version: str
    """SQL for the database's name and version, as a person reads it."""

    def begin(self, isolation: str | None, readonly: bool) -> tuple[str, ...]:
        """The statements that open a transaction, one behind the other.

        `isolation` is any standard level's name, in any case; where the database has no levels every
        name is taken, since what it gives is serializable.
        """
        level = isolation_level(isolation) if isolation is not None else None
        if not self.levels:
            return ("BEGIN" if readonly else "BEGIN IMMEDIATE",)
        chosen = "" if level is None else f" ISOLATION LEVEL {level.upper()}"
        access = " READ ONLY" if readonly else ""
        if not self.level_stands_apart:
            return (f"BEGIN{chosen}{access}",)
        begin = f"START TRANSACTION{access}"
        return (begin,) if level is None else (f"SET TRANSACTION{chosen}", begin)

    def require_transactional(self, statement: str) -> None:
        """Raise UsageError for a statement (from its first word on) that would commit an open transaction."""
        if self.commits_by_itself is not None and self.commits_by_itself.match(statement):
            raise UsageError(
                f"`{' '.join(statement.split()[:2])} …` would commit this transaction block: {self.name} "
                "commits by itself for such a statement. Run it outside the block, by the database's own "
                "handle, or in a migration"
            )


def isolation_level(name: str) -> str:
    """The standard's spelling of an isolation level, or a ValidationError with a suggestion."""
    level = " ".join(str(name).replace("_", " ").replace("-", " ").lower().split())
    if level not in ISOLATION_LEVELS:
        hint = did_you_mean(level, ISOLATION_LEVELS)
        raise ValidationError(f"there is no isolation level {name!r}; {hint}")
    return level
