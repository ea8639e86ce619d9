# Generated from rowstead/kit/database.py by scripts/make_sync.py; do not edit.
"""`Database`: a database with its schema. Creating, opening, transactions, migrating."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar

from rowstead.drivers.addresses import LOCK_TIMEOUT, Options
from rowstead.errors import RowsteadError, UsageError, ValidationError
from rowstead.files.opening import Place, name_of, to_read, to_write
from rowstead.files.progress import Progress, watched
from rowstead.kit import reading
from rowstead.kit.catalogue import tables_of
from rowstead.kit.checking import problems
from rowstead.kit.context import Context
from rowstead.kit.defaults import Registry, fill
from rowstead.kit.files import format_of
from rowstead.kit.open_transactions import OpenTransactions
from rowstead.kit.place import url_to_create, url_to_open
from rowstead.kit.reading import Row, Specifications
from rowstead.kit.stored import Kept, Store, expected
from rowstead.kit.transfer import Import, Imported, rows_of
from rowstead.kit.transfer import export as export_plan
from rowstead.language.conditions import Where
from rowstead.language.ordering import Sort
from rowstead.plan import Atomic, Plan
from rowstead.plans.sequences import check_count, check_name, found_apart, is_known, take_block
from rowstead.statements.explaining import explain
from rowstead.sync.database import Database as Core
from rowstead.sync.kit.transaction import Transaction
from rowstead.sync.session import Session, Trace
from rowstead.sync.waiting import owner
from rowstead.tables.schema import Column, Table

T = TypeVar("T")

Schema = Mapping[str, Any] | str


class Database:
    """A database whose schema lies in it: a SQLite file by its path, or PostgreSQL by its URL.

    Made by `create` or `open`. Any number of callers and processes may use one database at once.
    """

    register_default = Registry()
    """`register_default(name, function)`: what `{"custom_name": name}` calls, on a handle or for all."""

    def __init__(self, core: Core, kept: Kept | None = None, timeout: float = LOCK_TIMEOUT) -> None:
        if kept is None:  # called as a program's own code would, with a path
            name = type(self).__name__
            raise UsageError(f"{name}.create(path, schema) makes a database, {name}.open(path) opens one")
        self.database = core
        self._timeout = timeout
        self._store = Store(core.compiler)
        self._open_ones = OpenTransactions()
        functions = self.register_default.functions
        self._context = Context(core.compiler, kept.tables, functions, edition=kept.edition)
        self._target: Mapping[str, Table] | None = None
        """The schema that `set_schema` gave, until migrations have made all of its tables."""

    @classmethod
    def create(
        cls,
        path: str | Path,
        schema: Schema,
        *,
        timeout: float = LOCK_TIMEOUT,
        statement_timeout: float | None = None,
        trace: Callable[[Trace], None] | None = None,
        trace_values: bool = False,
    ) -> Self:
        """Make a database with these tables. ValidationError where there is one, or the schema is wrong.

        `timeout` is how many seconds a writer waits for others, in this process or another, before it
        raises a TimeoutExceeded.
        """
        tables = tables_of(schema)
        options = _options(timeout, statement_timeout)
        core = Core.from_url(url_to_create(path), options, trace=trace, trace_values=trace_values)
        try:
            return cls(core, core.plan(Store(core.compiler).create(tables)), timeout)
        except BaseException:
            core.close()
            raise

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        verify: bool = True,
        timeout: float = LOCK_TIMEOUT,
        statement_timeout: float | None = None,
        trace: Callable[[Trace], None] | None = None,
        trace_values: bool = False,
    ) -> Self:
        """Open a database; its schema is read from it.

        StorageError where there is no file or it is damaged, or its tables are not as its schema says;
        not of the latter without `verify`, so that `check` can tell more. `timeout` as in `create`.
        """
        options = _options(timeout, statement_timeout)
        core = Core.from_url(url_to_open(path), options, trace=trace, trace_values=trace_values)
        store = Store(core.compiler)
        try:
            return cls(core, core.plan(store.open() if verify else store.kept()), timeout)
        except BaseException:
            core.close()
            raise

    def close(self) -> None:
        """Let go of the database; open transactions are rolled back. Twice is fine."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    # The schema

    def table_names(self) -> list[str]:
        """The names of the tables, in the order of the schema."""
        return list(self._context.tables)

    def tables(self) -> Mapping[str, Table]:
        """The tables as the core knows them, by name: columns, keys, constraints."""
        return MappingProxyType(self._context.tables)

    def table(self, name: str) -> Table:
        """One of them; UndefinedTableError with a suggestion."""
        return self._context.table(name)

    def set_schema(self, schema: Schema) -> None:
        """Take another schema for this handle, which `migrate` is then to bring about. Writes nothing."""
        self._target = tables_of(schema)
        self._context = self._context.with_tables(self._target, None)

    def migrate(self, migrations: Sequence[Mapping[str, Any]] | str) -> None:
        """Apply the migrations that are not applied yet, each as a whole or not at all.

        After an error the handle goes on with the schema that the database has; what `set_schema` gave
        is kept for the next `migrate`.
        """
        from rowstead.kit.migrating import migrate_kit_plan

        self._open_ones.refuse_within(owner(), "migrate")
        if self._target is None:
            self._load()
        compiler = self.database.compiler
        plan = migrate_kit_plan(
            migrations,
            self._target or self._context.tables,
            self._store,
            self._fill,
            compiler.dialect,
            compiler.codec,
            compiler.paramstyle,
        )
        try:
            self.database.plan(plan)
        except Exception:  # also an ImportError: changes of tables need Alembic
            with suppress(RowsteadError):
                self._load()
            raise
        self._load()
        if self._target is not None and self._target.keys() <= self._context.tables.keys():
            self._target = None

    def _renewed(self) -> None:
        """As a transaction does when it begins; not where the handle was told another schema."""
        if self._context.edition is not None:
            self._load()

    def _load(self, session: Session | None = None) -> Context:
        """Go on with the schema that the database has, as a session of it sees it."""
        kept = (session or self.database).plan(self._store.kept())
        if kept.edition != self._context.edition:
            self._context = self._context.with_tables(kept.tables, kept.edition)
        return self._context

    def _fill(self, table: Table, column: Column, count: int) -> Plan[Sequence[Any]]:
        return fill(self._context.compiler, self._context.functions, table, column, count)

    def allocate_sequence(self, name: str, count: int = 1) -> int:
        """Take `count` numbers of a counter, from 1 on; the first. The counter is made on first use.

        Where counters are rows of a table (SQLite) and a transaction that was begun here is open, the
        numbers belong to it. ValidationError where the counter has not so many left.
        """
        compiler = self._context.compiler
        plan = take_block(compiler, check_name(name), check_count(count))
        mine: list[Transaction] = self._open_ones.of(owner())
        if mine and (compiler.dialect.sequences is None or count > 1):
            # Whoever waits for a counter that one of these holds would wait for himself.
            return mine[-1].allocate_sequence(name, count)
        if compiler.dialect.sequences is None:
            return self.database.plan(_apart(plan))
        if count > 1:
            with self._transaction(None) as transaction:
                return transaction.allocate_sequence(name, count)
        if not is_known(compiler, name):
            self.database.plan(found_apart(compiler, name))
        return self.database.plan(plan)

    # Looking closer

    def explain(
        self,
        table: str,
        filter: Where = None,
        order: Sort = None,
        limit: int | None = None,
        offset: int | None = None,
        columns: str | Iterable[str] | None = None,
        distinct: bool = False,
        ctes: Specifications | None = None,
    ) -> str:
        """The database's plan for a `select` with these arguments, as text; nothing is run."""
        call = reading.select(self._context, table, filter, order, limit, offset, columns, distinct, ctes)
        return self.database.run(explain(self.database.dialect, call))

    def sql(self, text: str, *params: Any) -> list[Row]:
        """The rows of a statement that reads, as dicts; values are `$1`, `$2`, ….

        They come as the database stores them (on SQLite a date as text). What would write is refused by
        the database: ReadOnlyError.
        """
        result = self.database.read_only(self.database.raw_call(text, params))
        return [dict(zip(result.columns, record, strict=True)) for record in result.records]

    def check(self) -> list[str]:
        """Look through the file, its schema, foreign keys, counters and rows; a sentence for each fault.

        Of the rules of columns those that no database knows (patterns, lengths of JSON and of lists) are
        held against every row, of which one page is in memory at a time.
        """
        return self._at_one_moment(problems(self._context, self._store))

    def _at_one_moment(self, plan: Plan[T]) -> T:
        block = self.database.standing()
        session = block.start()
        try:
            return session.plan(plan)
        finally:
            # Nothing was written; and where the file is damaged, COMMIT would fail.
            block.roll_back()

    # Copies and files

    def backup(self, path: str | Path) -> None:
        """Copy the database, as it is at this moment, to a new file while it is used.

        ValidationError where a file is there, StorageError where the copy cannot be made, UsageError on
        a server, which has its own programs.
        """
        self.database.backup(str(path))

    def export(
        self,
        table: str,
        target: Place,
        *,
        format: str | None = None,
        filter: Where = None,
        columns: str | Iterable[str] | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Write a table's rows, as of one moment and in the order of their keys, to a file; how many.

        `format` is "csv" (NULL is nothing, the empty text `""`) or "jsonl", else by the file's name. The
        file gets its name when it is complete. `progress(rows, part)` is called now and then; without it
        a line on the terminal tells, where standard error is one.
        """
        file_format = format_of(target, format)
        self._renewed()
        self._context.table(table)
        with watched(progress, table) as told, to_write(target) as write:
            plan = export_plan(self._context, table, write, file_format, filter, columns, told)
            return self._at_one_moment(plan)

    def import_(
        self,
        table: str,
        source: Place,
        *,
        format: str | None = None,
        batch: int | None = None,
        progress: Progress | None = None,
    ) -> Imported:
        """Insert the rows of a file, as `insert_many` does: all of them or, after any error, none.

        With `batch` that many rows are committed at a time, and rows that are there just as the file has
        them are passed over: the same command goes on where it was stopped. Errors name the file's line.
        """
        self._open_ones.refuse_within(owner(), "import_")
        file_format = format_of(source, format)
        self._renewed()
        self._context.table(table)
        name = name_of(source)
        with watched(progress, table) as told, to_read(source) as lines:
            rows = rows_of(self._context, table, lines, file_format, name)
            work = Import(self._context, table, rows, name, lambda: lines.part, told)
            return self.database.plan(work.whole() if batch is None else work.in_batches(batch))

    # Transactions

    def begin(self) -> Transaction:
        """A transaction that has begun: it sees this moment's state, and what it writes itself.

        End it by `commit` or `rollback`, or use it in `with`. Of two transactions that write the
        same, the first to commit wins, the other gets a ConflictError.
        """
        return self._transaction(None).start()

    def _transaction(self, isolation: str | None) -> Transaction:
        context = self._context
        block = self.database.standing(isolation, self._timeout, expected(context.edition))
        return Transaction(block, context, self._open_ones, self._load)

    def transaction(self, function: Callable[[Transaction], T], max_retries: int = 5) -> T:
        """Run `function` in a transaction and commit; again, with a pause, when another was first.

        Serializable: a read-add-write never loses an update. The function may run more than once.
        """
        if type(max_retries) is not int or max_retries < 0:
            raise ValidationError(f"max_retries is a whole number from 0 on, not {max_retries!r}")
        self._open_ones.refuse_within(owner(), "another one")

        return self.database.retry(lambda: self._transaction("serializable"), function, max_retries)


def _options(timeout: float, statement_timeout: float | None) -> Options:
    if isinstance(timeout, bool) or not 0 < timeout < float("inf"):
        raise ValidationError(f"timeout is a number of seconds above 0, not {timeout!r}")
    return Options(
        acquire_timeout=timeout, lock_timeout=timeout, statement_timeout=statement_timeout, lazy=True
    )


def _apart(plan: Plan[T]) -> Plan[T]:
    """The plan, in a transaction of its own."""
    return (yield Atomic(plan))
