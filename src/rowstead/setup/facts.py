"""How each database is made ready: one entry for each, data and the steps that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rowstead.dialects import Dialect
from rowstead.errors import UsageError
from rowstead.plan import Atomic, Call, Plan
from rowstead.setup import mariadb, postgresql
from rowstead.setup.needs import ServerSteps, asked

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Facts:
    """What one database can do about tables and functions, and how it is asked what is there."""

    in_turn: Callable[[Callable[[], Plan[Any]]], Plan[Any]]
    """Does the work, one process at a time, as far as the database does not see to that itself."""
    undoes_ddl: bool
    """Whether the work is one transaction; where not, each statement passes over what is there."""
    server: ServerSteps | None
    """What its administrator does; None: it has none."""
    table_there: Callable[[str, str | None, str], Call[Any]]
    """Whether a table or view is there, by its name, its schema and both quoted."""
    sequence_there: Callable[[str], Call[Any] | None] = lambda _quoted: None
    """The same of a sequence; None where a name cannot be shared by tables."""
    type_there: Callable[[str], Call[Any] | None] = lambda _quoted: None
    before_functions: Sequence[str] = ()
    has_functions: bool = True
    """Whether functions can be made by SQL."""
    has_extensions: bool = False
    virtual_columns: Call[Any] | None = None
    """Whether the server computes columns when they are read, too; None: it does."""
    usual_schema: str | None = None
    """Where tables without a schema are; None: schemas are not what is made ready."""
    root_database: str = ""
    """A database that is there in any case."""

    def schemas_of(self, named: Sequence[str], tables: Iterable[Any]) -> tuple[str, ...]:
        """The schemas to make ready: those named, and those of SQLAlchemy's tables; else the usual one."""
        if self.usual_schema is None:
            return ()
        of_tables = (table.schema or self.usual_schema for table in tables)
        return tuple(dict.fromkeys((*named, *of_tables))) or (self.usual_schema,)


def facts_of(dialect: Dialect) -> Facts:
    """The entry of a database. Raises UsageError where there is none."""
    return facts_named(dialect.name)


def facts_named(name: str) -> Facts:
    """The same, by the dialect's name."""
    try:
        return FACTS[name]
    except KeyError:
        raise UsageError(f"no setting up on {name}; there is for: {', '.join(FACTS)}") from None


def _by_the_writer(work: Callable[[], Plan[R]]) -> Plan[R]:
    """A transaction on a file begins as the only one that writes."""
    return (yield Atomic(work()))


def _by_the_server(work: Callable[[], Plan[R]]) -> Plan[R]:
    return (yield from work())


def _by_regclass(_name: str, _schema: str | None, quoted: str) -> Call[Any]:
    return asked("SELECT to_regclass($1::text) IS NOT NULL", quoted)


def _in_file(name: str, schema: str | None, _quoted: str) -> Call[Any]:
    master = "sqlite_master" if schema is None else "`" + schema.replace("`", "``") + "`.sqlite_master"
    # Names differ by case only on other databases.
    return asked(
        f"SELECT count(*) FROM {master} WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE", name
    )


def _on_mariadb(name: str, schema: str | None, _quoted: str) -> Call[Any]:
    return asked(
        "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_NAME = %s"
        " AND TABLE_SCHEMA = COALESCE(%s, DATABASE())",
        name,
        schema,
    )


FACTS: Mapping[str, Facts] = {
    "postgresql": Facts(
        in_turn=postgresql.in_turn,
        undoes_ddl=True,
        server=postgresql.STEPS,
        table_there=_by_regclass,
        sequence_there=lambda quoted: _by_regclass("", None, quoted),
        type_there=lambda quoted: asked("SELECT to_regtype($1::text) IS NOT NULL", quoted),
        before_functions=("SET LOCAL check_function_bodies = off",),
        has_extensions=True,
        virtual_columns=asked("SELECT current_setting('server_version_num')::integer >= 180000"),
        usual_schema="public",
        root_database="postgres",
    ),
    "mariadb": Facts(
        in_turn=_by_the_server,
        undoes_ddl=False,
        server=mariadb.STEPS,
        table_there=_on_mariadb,
        root_database="information_schema",
    ),
    "sqlite": Facts(
        in_turn=_by_the_writer, undoes_ddl=True, server=None, table_there=_in_file, has_functions=False
    ),
}
