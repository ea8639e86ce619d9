# Generated from rowstead/kit/transaction.py by scripts/make_sync.py; do not edit.
"""`Transaction`: the kit's verbs on one transaction. Each is one line: a plan or call is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from rowstead.errors import HandleClosed, StatementTimeout
from rowstead.kit import reading, writing
from rowstead.kit.context import Context
from rowstead.kit.counters import counted_columns, go_behind_rows
from rowstead.kit.open_transactions import OpenTransactions, waiting_for_itself
from rowstead.kit.reading import Row, Specifications
from rowstead.language.conditions import Where
from rowstead.language.ordering import Sort
from rowstead.plan import Call, Plan
from rowstead.plans.sequences import check_count, check_name, found_apart, is_known, take_block
from rowstead.sync.standing import StandingBlock, StandingTransaction
from rowstead.sync.waiting import owner

R = TypeVar("R")


class Transaction:
    """One transaction: it sees one moment's state and its own writes, all of which commit or none.

    A statement that raises is undone by itself, and the transaction goes on. After `commit` or
    `rollback` every other use raises HandleClosed. Any thread may use it, one at a time.
    """

    def __init__(
        self,
        block: StandingBlock,
        context: Context,
        open_ones: OpenTransactions,
        reload: Callable[[StandingTransaction], Context],
    ) -> None:
        self._block = block
        self._context = context
        self._open_ones = open_ones
        self._reload = reload
        """Where the schema is not the one of `context`: the view of the one that this transaction sees."""
        self._session: StandingTransaction | None = None
        self._counted = False
        """Whether it has seen to the counters of a schema that no database keeps."""
        self._end: str | None = None
        """What ended it; None while it is open."""

    def start(self) -> Self:
        """Begin; `begin` of the database does it."""
        if self._session is None and self._end is None:
            session = self._block.start()
            if not session.as_expected:
                self._renew(session)
            self._session = session
            self._open_ones.add(self, owner())
        return self

    def _renew(self, session: StandingTransaction) -> None:
        try:
            self._context = self._reload(session)
        except BaseException:
            self._block.roll_back()
            raise

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._end is not None:
            return
        if error is None:
            self.commit()
        else:
            self.rollback()

    def __del__(self) -> None:
        if getattr(self, "_session", None) is not None and self._end is None:
            self._block.drop()

    @property
    def wrote(self) -> bool:
        """Whether it is open and has written something."""
        return self._end is None and self._session is not None and self._session.wrote

    def commit(self) -> None:
        """Keep everything. Twice is fine; HandleClosed where it was rolled back or could not commit."""
        if self._end == "committed":
            return
        self._open_session()
        self._closed("a commit that failed")
        self._block.commit()
        self._end = "committed"

    def rollback(self) -> None:
        """Keep nothing. Does nothing to a transaction that has ended."""
        if self._end is None and self._session is not None:
            self._closed("rolled back")
            self._block.roll_back()

    def _closed(self, end: str) -> None:
        self._end = end
        self._open_ones.discard(self)

    def _open_session(self) -> StandingTransaction:
        if self._end is not None or self._session is None:
            how = f"has ended ({self._end})" if self._end is not None else "has not begun"
            raise HandleClosed(f"this transaction {how}; begin another with db.begin()")
        return self._session

    def _read(self, call: Call[R]) -> R:
        return self._open_session().run(call)

    def _write(self, plan: Plan[R]) -> R:
        session = self._open_session()
        if self._context.edition is None and not self._counted:
            self._make_counters(session)
        if self._open_ones.another_wrote(self, owner()):
            return self._write_beside(session, plan)
        return session.plan(plan)

    def _make_counters(self, session: StandingTransaction) -> None:
        """Of a schema that no database keeps yet: its new defaults may want counters that nobody has made."""
        tables = self._context.tables
        counted = counted_columns(tables)
        for _, _, name in counted:
            self._find_counter(name)
        # Here, since elsewhere it could wait for a counter that this transaction has taken numbers of.
        session.plan(go_behind_rows(self._context.compiler, tables, counted))
        self._counted = True

    def _write_beside(self, session: StandingTransaction, plan: Plan[R]) -> R:
        """Write while another transaction that was begun here has written: nobody waits for himself."""
        impatience = session.dialect.impatience
        if impatience is None:
            if not session.wrote:
                raise waiting_for_itself()
            return session.plan(plan)
        session.run(Call(impatience, [], list))
        try:
            return session.plan(plan)
        except StatementTimeout as error:
            raise waiting_for_itself() from error

    # Writing

    def insert(self, table: str, row: Mapping[str, Any]) -> Row:
        """Insert one row; the row as it is stored, with its defaults."""
        return self._write(writing.insert(self._context, table, row))

    @overload
    def insert_many(
        self, table: str, rows: Iterable[Mapping[str, Any]], *, returning: Literal[True] = True
    ) -> list[Row]: ...

    @overload
    def insert_many(
        self, table: str, rows: Iterable[Mapping[str, Any]], *, returning: Literal[False]
    ) -> int: ...

    def insert_many(
        self, table: str, rows: Iterable[Mapping[str, Any]], *, returning: bool = True
    ) -> list[Row] | int:
        """Insert any number of rows, all or none; the stored rows in the order given.

        Without `returning` only how many: then a generator of millions takes little memory.
        """
        return self._write(writing.insert_many(self._context, table, rows, returning))

    def insert_returning(self, table: str, row: Mapping[str, Any], columns: str | Iterable[str]) -> Row:
        """Insert one row; these columns of it, as they are stored."""
        return self._write(writing.insert_returning(self._context, table, row, columns))

    def update(self, table: str, pk: Any, patch: Mapping[str, Any]) -> Row:
        """Change what `patch` names in the row with this key; the row now. RowNotFound without one."""
        return self._write(writing.update(self._context, table, pk, patch))

    def update_where(
        self,
        table: str,
        *,
        set: Mapping[str, Any],
        filter: Where = None,
        returning: str | Iterable[str] | None = None,
    ) -> list[Row]:
        """Change every row that fulfils the filter, in one statement.

        A dict for each row: the columns of `returning` as they are now, else empty.
        """
        return self._write(writing.update_where(self._context, table, set, filter, returning))

    def upsert(
        self,
        table: str,
        row: Mapping[str, Any],
        on_conflict: Any = None,
        returning: str | Iterable[str] | None = None,
    ) -> Row:
        """Insert; where a row has this key already, leave it (`"do_nothing"`) or change what a patch names.

        The patch is `{"do_update": {"set": patch}}`. The row as it is stored, or its `returning` columns.
        """
        return self._write(writing.upsert(self._context, table, row, on_conflict, returning))

    def delete(self, table: str, pk: Any) -> None:
        """Remove the row with this key and what its foreign keys say. RowNotFound without one."""
        self._write(writing.delete(self._context, table, pk))

    def delete_where(
        self, table: str, *, filter: Where = None, returning: str | Iterable[str] | None = None
    ) -> list[Row]:
        """Remove every row that fulfils the filter, in one statement; a dict for each, as it was."""
        return self._write(writing.delete_where(self._context, table, filter, returning))

    def truncate(self, table: str) -> None:
        """Remove every row of a table that no other table refers to."""
        self._write(writing.truncate(self._context, table))

    def allocate_sequence(self, name: str, count: int = 1) -> int:
        """Take `count` numbers of a counter; the first. Where counters are rows a rollback frees them."""
        compiler = self._context.compiler
        plan = take_block(compiler, check_name(name), check_count(count))
        session = self._open_session()
        self._find_counter(name)
        if count > 1 and len(self._open_ones.of(owner())) > 1 and session.dialect.impatience is not None:
            # Others that were begun here may have taken numbers, which is no write.
            return self._write_beside(session, plan)
        return self._write(plan)

    def _find_counter(self, name: str) -> None:
        """Make the counter elsewhere: here a rollback would undo it, and until then others would wait."""
        compiler = self._context.compiler
        if not is_known(compiler, name):
            self._block.apart.plan(found_apart(compiler, name))

    # Reading

    def get_by_pk(self, table: str, pk: Any) -> Row | None:
        """The row with this key, or None. A composite key is a list, a tuple or a dict."""
        return self._read(reading.get_by_pk(self._context, table, pk))

    def select(
        self,
        table: str,
        filter: Where = None,
        order: Sort = None,
        limit: int | None = None,
        offset: int | None = None,
        columns: str | Iterable[str] | None = None,
        distinct: bool = False,
        ctes: Specifications | None = None,
    ) -> list[Row]:
        """Every row that fulfils the filter, in this order; `columns` of it, all different if `distinct`."""
        call = reading.select(self._context, table, filter, order, limit, offset, columns, distinct, ctes)
        return self._read(call)

    def count(self, table: str, filter: Where = None, ctes: Specifications | None = None) -> int:
        """How many rows fulfil the filter."""
        return self._read(reading.count(self._context, table, filter, ctes))

    def aggregate(
        self,
        table: str,
        aggregates: Specifications,
        filter: Where = None,
        group_by: str | Iterable[str] | None = None,
        having: Where = None,
        order: Sort = None,
        limit: int | None = None,
        offset: int | None = None,
        ctes: Specifications | None = None,
    ) -> list[Row]:
        """Groups with their aggregates (`agg("sum", "spent", "amount")`), those that fulfil `having`.

        One row without `group_by`. Ordered by the groups' columns that have an order unless told.
        """
        call = reading.aggregate(
            self._context, table, aggregates, filter, group_by, having, order, limit, offset, ctes
        )
        return self._read(call)

    def join(
        self,
        table: str,
        joins: Specifications,
        alias: str | None = None,
        filter: Any = None,
        order_by: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        ctes: Specifications | None = None,
    ) -> list[dict[str, Row | None]]:
        """Joined rows as `{alias: row}`; a side that an outer join did not find is None.

        `joins` are `{"kind", "table", "alias", "on"}`; filter and order name columns `alias.column`.
        """
        call = reading.join(self._context, table, joins, alias, filter, order_by, limit, offset, ctes)
        return self._read(call)
