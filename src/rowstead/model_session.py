"""What a repository holds: a SQLAlchemy session, as the core works in it.

The session is its owner's: it begins, commits and rolls back there. Here conditions and orders become
expressions for its statements, plans run in its transaction, and whatever it raises becomes ours.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from rowstead.database import Database
from rowstead.dialects import Dialect
from rowstead.drivers.joined import translator
from rowstead.drivers.sqlalchemy import KNOWN, SQLAlchemyAdapter, known_as
from rowstead.drivers.sqlalchemy_errors import translated
from rowstead.errors import (
    CommitOutcomeUnknown,
    DisconnectedError,
    IntegrityError,
    RowsteadError,
    UsageError,
)
from rowstead.language.bound import ModelTable
from rowstead.plan import Call, Plan, Step, arun
from rowstead.plans.model_reads import gives_objects
from rowstead.statements.compiled import Compiler
from rowstead.statements.for_models import ModelStatements, Selected
from rowstead.tables.constraints import constraint_of
from rowstead.tables.from_sqlalchemy import named_table
from rowstead.tables.schema import Table
from rowstead.waiting import finish

R = TypeVar("R")

_COMPILERS: WeakKeyDictionary[Engine, Compiler] = WeakKeyDictionary()
"""The statements that were compiled for an engine, and what was learnt of its tables; each is bounded."""
_KEPT = "rowstead"
"""Names what is kept in a session's `info`."""


class ModelSession:
    """A session and what the core needs to work in it; one for each session, by `ModelSession.of`."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        try:
            dialect: Any = session.get_bind().dialect
        except SQLAlchemyError as error:
            raise UsageError(
                f"this session has no one engine; make it with `async_sessionmaker(engine)` ({error})"
            ) from error
        self._known = (dialect.name, dialect.driver) in KNOWN
        self._dialect_named = dialect
        self._database: Database | None = None
        self._map = translator(known_as(dialect)[1]) if self._known else _nobodys

    @classmethod
    def of(cls, session: AsyncSession) -> ModelSession:
        """The one of this session."""
        if not isinstance(session, AsyncSession):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(
                f"a repository works on an AsyncSession, not on {type(session).__name__}; make one with "
                "`async_sessionmaker(engine)` or `PersistEngine(...).session()`"
            )
        found: ModelSession | None = session.info.get(_KEPT)
        if found is None or found.session is not session:
            found = session.info[_KEPT] = cls(session)
        return found

    def check_bind(self, model: ModelTable) -> None:
        """UsageError where the session has another engine for this class than for everything else."""
        if self.session.get_bind(model.mapper) is not self.session.get_bind():
            raise UsageError(
                f"this session has an engine of its own for {model.model.__name__} (binds=), and a "
                "repository's statements go to the session's one engine; make a session with that engine: "
                "`async_sessionmaker(engine)`"
            )

    # What the database is

    @property
    def is_known(self) -> bool:
        """Whether the core has a record of the session's database and driver."""
        return self._known

    @property
    def has_sequences(self) -> bool:
        """Whether the session's database has sequences, so that SQLAlchemy asks a column's for its values."""
        return bool(self._dialect_named.supports_sequences)

    @property
    def dialect(self) -> Dialect:
        """The facts of the session's database. ValidationError for one that the core does not know."""
        return known_as(self._dialect_named)[0]

    def statements(self, model: ModelTable) -> ModelStatements:
        """Makes the core's statements of a mapped class for this session."""
        dialect, codec, _ = known_as(self._dialect_named)
        return ModelStatements(model, dialect, codec)

    @property
    def database(self) -> Database:
        """The core's handle whose statements run in the session's transaction, made when first asked for."""
        if self._database is None:
            self._database = Database(SQLAlchemyAdapter(self.session), batch_gets=False)
            self._database.compiler = self._compiler(self._database.compiler)
        return self._database

    def _compiler(self, new: Compiler) -> Compiler:
        bind = self.session.get_bind()
        engine = bind if isinstance(bind, Engine) else bind.engine
        return _COMPILERS.setdefault(engine, new)

    # Running

    async def plan(self, plan: Plan[R], model: ModelTable) -> R:
        """Run the core's statements in the session's transaction, behind what the session has to write."""
        with self.errors(model):
            await self._flushed()
            await self._check_schemas()
            return await self.database.plan(plan)

    async def run(self, call: Call[R], model: ModelTable) -> R:
        """As `plan`, one statement; it may be one of the session's own (`Selected`)."""
        with self.errors(model):
            await self._flushed()
            if isinstance(call, Selected):
                return await self.perform(call)
            await self._check_schemas()
            return await self.database.run(call)

    async def read(self, work: Call[R] | Plan[R], model: ModelTable) -> R:
        """Run one statement of the session's own (`Selected`), or a plan of such."""
        with self.errors(model):
            return await (self.perform(work) if isinstance(work, Call) else arun(work, self))

    async def scalars(self, statement: Any, model: ModelTable) -> list[Any]:
        """The first column of what a select gives; an object once, though its collections be joined to it."""
        with self.errors(model):
            result = await self.session.execute(statement)
            rows = (result.unique() if gives_objects(statement) else result).all()
            return [row[0] for row in rows]

    async def perform(self, step: Step) -> Any:
        """One step of such a plan."""
        assert isinstance(step, Selected)
        if step.may_call_functions:
            await self._ready()
        result: Any = await self.session.execute(step.statement, step.values)
        if step.read is None:
            return result.rowcount
        # A collection that is loaded eagerly, by a join, gives its object once for each of its rows.
        return step.read(cast("Sequence[Any]", result.unique().all()))

    async def _ready(self) -> None:
        """Let the session's own statements call the functions that the core adds to the database."""
        if self.dialect.ilike is not None:
            await cast("SQLAlchemyAdapter", self.database.driver).prepare()

    async def _check_schemas(self) -> None:
        """UsageError where SQLAlchemy would put other schemas into statements: the core's say the table's."""
        below: Any = (await self.session.connection()).sync_connection
        if below.get_execution_options().get("schema_translate_map"):
            raise UsageError(
                "bulk_insert, update_where and delete_where do not heed schema_translate_map, and would "
                "write into another schema; name the schema by the connection, as in "
                "`PersistEngine.session(schema=...)`, or write through objects (save, add_all, delete)"
            )

    async def _flushed(self) -> None:
        if self.session.autoflush:
            await self.session.flush()

    # Writing

    @asynccontextmanager
    async def unit(self, model: ModelTable, commit: bool) -> AsyncGenerator[None]:
        """A block whose errors are ours. With `commit` it is committed at its end.

        Whatever fails in one that commits rolls the session back, so that it can be used again.
        """
        try:
            with self.errors(model):
                yield
            if commit:
                await self.commit(model)
        except BaseException:
            if commit:
                await finish(self.session.rollback())
            raise

    async def commit(self, model: ModelTable | None = None) -> None:
        """Commit the session's transaction; what fails is an error of ours, told of the class, if any."""
        try:
            await self.session.commit()
        except Exception as error:
            own = self.translated(error, model)
            if isinstance(own, DisconnectedError):
                own = CommitOutcomeUnknown(
                    f"the connection broke during COMMIT: the transaction may have been kept ({own})"
                )
            if own is None or own is error:
                raise
            raise own from error

    # Errors

    def errors(self, model: ModelTable | None = None) -> _Translating:
        """A block in which SQLAlchemy's errors become ours, told of the class whose rows they are about."""
        return _Translating(self, model)

    def translated(self, error: Exception, model: ModelTable | None) -> RowsteadError | None:
        """Ours for what was raised; None for what is no error of a database."""
        own = translated(error, self._map)
        if own is not None and model is not None:
            _tell_place(own, model)
        return own


def _nobodys(_error: Exception) -> None:
    """Of a driver that the core does not know."""


def _tell_place(error: RowsteadError, model: ModelTable) -> None:
    """Say which table an error is about and, of a constraint, the declared name."""
    table = named_table(model.mapper.local_table)
    if table is None:
        return
    if isinstance(error, IntegrityError):
        error.constraint = constraint_of(table, error, model.scope())
        if error.column is None:
            error.column = _only_column(table, error.constraint)
    if error.table is None:
        error.table = table.name


def _only_column(table: Table, constraint: str | None) -> str | None:
    """The column of a unique key of one: MariaDB's message has only the key's name."""
    columns = next((key.columns for key in table.unique_keys() if key.name == constraint), ())
    return columns[0] if len(columns) == 1 else None


class _Translating(AbstractContextManager[None]):
    """Raises SQLAlchemy's errors as ours, with the driver's own as their cause."""

    __slots__ = ("_model", "_session")

    def __init__(self, session: ModelSession, model: ModelTable | None) -> None:
        self._session = session
        self._model = model

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception):
            return
        own = self._session.translated(error, self._model)
        if own is not None and own is not error:
            raise own from error
