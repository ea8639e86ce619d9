"""What a repository sends on databases that Rowstead has no driver for: its statements compile for them.

No server of theirs is asked. Each call runs on SQLite, and what it sends there is compiled for SQL Server
and for Oracle. The language of filters, bulk writes and migrations know their databases and refuse others.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import mssql, oracle
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import CreateTable

from rowstead import ValidationError
from rowstead.drivers.sqlalchemy import known_as
from rowstead.repository import (
    Base,
    BaseRepository,
    IntPKMixin,
    PersistEngine,
    SoftDeleteMixin,
    UpdateMixin,
    UUIDPKMixin,
    VersionMixin,
)

MSSQL, ORACLE = mssql.dialect(), oracle.dialect()


class Local(Base):
    """Tables of this file only, whatever others are called."""

    __abstract__ = True
    metadata = sa.MetaData()


class User(Local, UUIDPKMixin, UpdateMixin):
    __tablename__ = "users"

    name: Mapped[str] = mapped_column(sa.String(40))
    is_active: Mapped[bool] = mapped_column(default=True)


class Note(Local, IntPKMixin, SoftDeleteMixin, VersionMixin):
    __tablename__ = "notes"

    text: Mapped[str] = mapped_column(sa.String(80))


class Kinds(Local, IntPKMixin):
    __tablename__ = "kinds"

    price: Mapped[Decimal]
    at: Mapped[datetime.datetime]
    day: Mapped[datetime.date]
    raw_data: Mapped[bytes]
    data: Mapped[dict[str, Any]]


def one_line(text: object) -> str:
    """The text without SQLAlchemy's line breaks."""
    return " ".join(str(text).split()).replace("( ", "(").replace(" )", ")")


@pytest.mark.parametrize(
    ("model", "on_mssql", "on_oracle"),
    [
        (
            User,
            "CREATE TABLE users (id UNIQUEIDENTIFIER NOT NULL, name VARCHAR(40) NOT NULL, is_active BIT NOT NULL, created_at DATETIMEOFFSET NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at DATETIMEOFFSET NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (id))",
            "CREATE TABLE users (id CHAR(32) NOT NULL, name VARCHAR2(40 CHAR) NOT NULL, is_active BOOLEAN NOT NULL, created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL, updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL, PRIMARY KEY (id))",
        ),
        (
            Note,
            "CREATE TABLE notes (id BIGINT NOT NULL IDENTITY, text VARCHAR(80) NOT NULL, deleted_at DATETIMEOFFSET NULL, version BIGINT NOT NULL DEFAULT 1, PRIMARY KEY (id))",
            "CREATE TABLE notes (id INTEGER NOT NULL, text VARCHAR2(80 CHAR) NOT NULL, deleted_at TIMESTAMP WITH TIME ZONE, version INTEGER DEFAULT 1 NOT NULL, PRIMARY KEY (id))",
        ),
        (
            Kinds,
            "CREATE TABLE kinds (id BIGINT NOT NULL IDENTITY, price NUMERIC NOT NULL, at DATETIMEOFFSET NOT NULL, day DATETIME NOT NULL, raw_data VARBINARY(max) NOT NULL, data NVARCHAR(max) NOT NULL, PRIMARY KEY (id))",
            "CREATE TABLE kinds (id INTEGER NOT NULL, price NUMERIC NOT NULL, at TIMESTAMP WITH TIME ZONE NOT NULL, day DATE NOT NULL, raw_data BLOB NOT NULL, data JSON NOT NULL, PRIMARY KEY (id))",
        ),
    ],
)
def test_the_tables_of_models(model: type[Base], on_mssql: str, on_oracle: str) -> None:
    create = CreateTable(model.metadata.tables[model.__tablename__])
    assert one_line(create.compile(dialect=MSSQL)) == on_mssql
    assert one_line(create.compile(dialect=ORACLE)) == on_oracle


Notes = BaseRepository[Note]
NOTE = "notes.id, notes.text, notes.deleted_at, notes.version FROM notes"
NAMED = (
    "notes.id AS id, notes.text AS text, notes.deleted_at AS deleted_at, notes.version AS version FROM notes"
)


async def saved(notes: Notes) -> Note:
    return await notes.save(Note(text="first"))


async def changed(notes: Notes) -> None:
    note = await saved(notes)
    note.text = "second"
    await notes.save(note)


async def removed(notes: Notes) -> None:
    await notes.delete(await saved(notes), hard=True)


CALLS: list[tuple[str, Callable[[Notes], Awaitable[Any]], str, str]] = [
    (
        "save, of a new object",
        saved,
        "INSERT INTO notes (text, deleted_at, version) OUTPUT inserted.id VALUES (:text, :deleted_at, :version)",
        "INSERT INTO notes (text, deleted_at, version) VALUES (:text, :deleted_at, :version) RETURNING notes.id INTO :ret_0",
    ),
    (
        "save, of a changed one",
        changed,
        "UPDATE notes SET text=:text, version=:version WHERE notes.id = :notes_id AND notes.version = :notes_version",
        "UPDATE notes SET text=:text, version=:version WHERE notes.id = :notes_id AND notes.version = :notes_version",
    ),
    (
        "delete",
        removed,
        "DELETE FROM notes WHERE notes.id = :id AND notes.version = :version",
        "DELETE FROM notes WHERE notes.id = :id AND notes.version = :version",
    ),
    (
        "get",
        lambda notes: notes.get(7),
        f"SELECT {NOTE} WHERE notes.id = :pk_1",
        f"SELECT {NOTE} WHERE notes.id = :pk_1",
    ),
    (
        "first",
        lambda notes: notes.first(),
        f"SELECT TOP 1 {NOTE} WHERE notes.deleted_at IS NULL ORDER BY notes.id",
        f"SELECT {NOTE} WHERE notes.deleted_at IS NULL ORDER BY notes.id FETCH FIRST 1 ROWS ONLY",
    ),
    (
        "where and all",
        lambda notes: notes.all(notes.where(Note.text == "x").order_by(Note.id.desc()), limit=5),
        f"SELECT TOP 5 {NOTE} WHERE notes.deleted_at IS NULL AND notes.text = :text_1 ORDER BY notes.id DESC",
        f"SELECT {NOTE} WHERE notes.deleted_at IS NULL AND notes.text = :text_1 ORDER BY notes.id DESC FETCH FIRST 5 ROWS ONLY",
    ),
    (
        "count",
        lambda notes: notes.count(notes.where(Note.text.like("x%"))),
        f"SELECT count(*) AS count_1 FROM (SELECT {NAMED} WHERE notes.deleted_at IS NULL AND notes.text LIKE :text_1) AS anon_1",
        f"SELECT count(*) AS count_1 FROM (SELECT {NAMED} WHERE notes.deleted_at IS NULL AND notes.text LIKE :text_1) anon_1",
    ),
    (
        "deleted_only",
        lambda notes: notes.all(notes.deleted_only()),
        f"SELECT {NOTE} WHERE notes.deleted_at IS NOT NULL",
        f"SELECT {NOTE} WHERE notes.deleted_at IS NOT NULL",
    ),
]


@pytest.mark.parametrize(
    ("call", "on_mssql", "on_oracle"), [case[1:] for case in CALLS], ids=[case[0] for case in CALLS]
)
async def test_the_last_statement_of_a_call(
    call: Callable[[Notes], Awaitable[Any]], on_mssql: str, on_oracle: str
) -> None:
    async with PersistEngine("sqlite+aiosqlite:///:memory:") as engines:
        engine, sessions = engines.session()
        async with engine.begin() as connection:
            await connection.run_sync(Note.metadata.tables["notes"].create)
        sent: list[tuple[Any, list[str]]] = []

        @event.listens_for(engine.sync_engine, "before_execute")
        def note(_connection: Any, statement: Any, several: Any, one: Any, _options: Any) -> None:
            sent.append((statement, list(several[0] if several else one)))

        async with sessions() as session:
            await call(BaseRepository(session, Note))
    statement, keys = sent[-1]
    spelled = [
        one_line(
            statement.compile(
                dialect=dialect, column_keys=keys or None, compile_kwargs={"render_postcompile": True}
            )
        )
        for dialect in (MSSQL, ORACLE)
    ]
    assert spelled == [on_mssql, on_oracle]


@pytest.mark.parametrize("dialect", [MSSQL, ORACLE], ids=["mssql", "oracle"])
def test_what_needs_to_know_its_database_refuses_others(dialect: sa.Dialect) -> None:
    with pytest.raises(ValidationError, match=rf"SQLAlchemy's {dialect.name}\+.*known: .*sqlite\+aiosqlite"):
        known_as(dialect)
