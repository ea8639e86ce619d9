"""What a database service is told: where the database is, and what is wrong with what it was told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.database import Database
from rowstead.errors import HandleClosed, ReadOnlyError, UsageError, ValidationError
from rowstead.service import DatabaseService, SQLFunctionsRegistry, UserFunction
from rowstead.service.database_settings import Address, Place


def url(**settings: Any) -> str:
    """The address that these settings mean, as the core's drivers take it."""
    return str(Place.of(Address(**settings)).url)


SERVER: dict[str, Any] = {"host": "db.example.org", "database": "shop", "user": "app", "password": "pw"}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (SERVER, "postgresql+{pg}://app:pw@db.example.org/shop"),
        (SERVER | {"port": 5433}, "postgresql+{pg}://app:pw@db.example.org:5433/shop"),
        (SERVER | {"port": "5433"}, "postgresql+{pg}://app:pw@db.example.org:5433/shop"),
        (SERVER | {"host": None, "port": 1}, "postgresql+{pg}://app:pw@localhost:1/shop"),
        (SERVER | {"host": "::1", "port": 1}, "postgresql+{pg}://app:pw@[::1]:1/shop"),
        (SERVER | {"password": 123}, "postgresql+{pg}://app:123@db.example.org/shop"),
        (SERVER | {"password": "a@b%40/ü"}, "postgresql+{pg}://app:a%40b%2540%2F%C3%BC@db.example.org/shop"),
        (SERVER | {"driver": "psycopg"}, "postgresql+psycopg://app:pw@db.example.org/shop"),
        (SERVER | {"driver": "aiomysql"}, "mysql+aiomysql://app:pw@db.example.org/shop"),
        (
            SERVER | {"port": 5433, "fallback_hosts": ["two", "three:6000"]},
            "postgresql+{pg}://app:pw@db.example.org:5433,two:5433,three:6000/shop",
        ),
        (
            SERVER | {"fallback_hosts": "two, three"},
            "postgresql+{pg}://app:pw@db.example.org,two,three/shop",
        ),
        ({"url": "postgresql://a:b@h/d"}, "postgresql://a:b@h/d"),
        ({"url": "postgresql://a:b@h:1/d", "password": "c"}, "postgresql+{pg}://a:c@h:1/d"),
        ({"url": "postgresql://a:b@h:1/d", "port": 2}, "postgresql+{pg}://a:b@h:2/d"),
        ({"url": "postgresql://a:b@h:1/d", "host": "i"}, "postgresql+{pg}://a:b@i/d"),
        ({"url": "postgresql://a:b@h/d", "database": "e"}, "postgresql+{pg}://a:b@h/e"),
        ({"url": "sqlite:///file.db"}, "sqlite:///file.db"),
        ({"database": "some/file.db"}, "sqlite:///some/file.db"),
        ({"driver": "sqlite", "database": "x.db"}, "sqlite:///x.db"),
        ({}, "sqlite:///rowstead.db"),
    ],
)
def test_settings_are_an_address(settings: dict[str, Any], wanted: str) -> None:
    assert url(**settings) == wanted.format(pg="asyncpg")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"hots": "localhost"}, "no setting 'hots'; did you mean 'host'"),
        ({"dsn": "sqlite://"}, "did you mean url"),
        ({"engine_settings": {}}, "pool_size"),
        ({"host": "h", "user": "u"}, "name the database"),
        ({"host": "h h", "database": "d"}, "host"),
        ({"host": "h", "database": "d", "port": 0}, "port"),
        ({"host": "h", "database": "d", "port": True}, "port is text"),
        ({"host": "h", "database": ["d"]}, "database is text, not list"),
        ({"host": "h", "database": "d", "driver": "asyncpgg"}, "asyncpg"),
        ({"url": "not a url"}, "URL"),
        ({"database": "f.db", "driver": "sqlite", "host": "h", "user": "u"}, "host, user: a SQLite file"),
        ({"url": "sqlite:///f.db", "root_user": "r"}, "root_user: a SQLite file"),
        ({"host": "h", "database": "d", "driver": "mariadb", "fallback_hosts": ["i"]}, "fallback_hosts"),
        ({"pool_size": 0}, "pool_size is at least 1"),
        ({"pool_size": "many"}, "pool_size: "),
        ({"idle_connection_lifetime": 0}, "idle_connection_lifetime"),
        ({"extensions": ["ltree"]}, "extensions: this database has none"),
        ({"extensions": 7}, "extensions is a list"),
        ({"db": object()}, "connection is"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, Any], says: str) -> None:
    with pytest.raises((ValidationError, UsageError), match=says):
        DatabaseService(**settings)


def test_a_service_with_more_settings_takes_them() -> None:
    class Tenants(DatabaseService):
        service_name = "tenants"

        def __init__(self, *, tenant: str, **settings: Any) -> None:
            super().__init__(**settings)
            self.tenant = tenant

    db = Tenants(tenant="one", database="f.db")
    assert (db.tenant, db.name) == ("one", "tenants")
    assert DatabaseService(database="f.db").name == "db"
    assert DatabaseService(database="f.db", name="other").name == "other"


# A file


def table(name: str = "t", metadata: sa.MetaData | None = None, **more: Any) -> sa.Table:
    return sa.Table(name, metadata or sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), **more)


@pytest.mark.sqlite
async def test_a_file_and_its_tables_are_made(tmp_path: Path) -> None:
    made, file = table(), tmp_path / "new.db"
    for _ in range(2):
        db = DatabaseService(database=str(file))
        assert db.add_table(made) is made
        async with db:
            await db.execute(sa.insert(made).values())
    async with DatabaseService(database=str(file)) as db:
        assert await db.fetch(sa.select(made)) == [{"id": 1}, {"id": 2}]


@pytest.mark.sqlite
async def test_service_d02_a_file_gets_no_tables_that_are_not_wanted(tmp_path: Path) -> None:
    for setting in ("init_tables", "init_table"):
        db = DatabaseService(database=str(tmp_path / "f.db"), metadata=table().metadata, **{setting: False})
        async with db:
            assert await db.fetchval("SELECT count(*) FROM sqlite_master") == 0


@pytest.mark.sqlite
async def test_a_service_can_be_used_between_init_and_close(tmp_path: Path) -> None:
    db = DatabaseService(database=str(tmp_path / "f.db"))
    with pytest.raises(UsageError, match="init"):
        await db.fetch("SELECT 1")
    for _ in range(2):
        await db.init()
        await db.init()
        assert await db.fetchval("SELECT 1") == 1
        session = db.session
        await db.close()
        await db.close()
        with pytest.raises(UsageError, match="init"):
            _ = db.session
        with pytest.raises(HandleClosed):
            await session.fetchval("SELECT 1")


@pytest.mark.sqlite
async def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("a", sa.Integer, sa.ForeignKey("nowhere.id")))
    db = DatabaseService(database=str(tmp_path / "f.db"), metadata=metadata)
    with pytest.raises(UsageError, match=r"nowhere.*add_table"):
        await db.init()
    with pytest.raises(UsageError, match="init"):
        _ = db.session


@pytest.mark.sqlite
async def test_an_open_handle_is_used_and_stays_open(tmp_path: Path) -> None:
    made = table()
    async with await DB.from_url(f"sqlite:///{tmp_path / 'f.db'}") as db:
        for given in (db, db.session):
            async with DatabaseService(db=given, metadata=made.metadata) as service:
                await service.execute(sa.insert(made).values())
                async with service.connect() as connection:
                    assert await connection.fetchval("SELECT 1") == 1
            assert await db.fetchval("SELECT 1") == 1
        assert await db.fetchval("SELECT count(*) FROM t") == 2
        with pytest.raises(ValidationError, match="host, root_user is set beside db"):
            DatabaseService(db=db, host="h", root_user="r")


@pytest.mark.sqlite
async def test_the_transaction_of_a_handle_can_be_a_service(tmp_path: Path) -> None:
    made = table()
    async with await DB.from_url(f"sqlite:///{tmp_path / 'f.db'}") as db:
        with pytest.raises(RuntimeError):
            async with db.transaction() as transaction:
                async with DatabaseService(db=transaction, metadata=made.metadata) as service:
                    async with service.begin() as block:
                        await block.execute(sa.insert(made).values())
                    assert await service.fetchval("SELECT count(*) FROM t") == 1
                    with pytest.raises(UsageError, match="begin"):
                        async with service.connect():
                            pass
                raise RuntimeError
        assert await db.fetchval("SELECT count(*) FROM sqlite_master") == 0


@pytest.mark.sqlite
async def test_the_pool_is_as_large_as_told(tmp_path: Path) -> None:
    async with DatabaseService(database=str(tmp_path / "f.db"), pool_size=3) as db:
        assert isinstance(db.session, Database)
        options = db._options
        assert (options.max_size, options.max_idle, options.max_lifetime) == (3, 3600.0, 3600.0)


@pytest.mark.sqlite
async def test_echo_logs_each_statement(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="rowstead.service")
    async with DatabaseService(database=str(tmp_path / "f.db"), echo=True) as db:
        await db.fetchval("SELECT :secret", {"secret": "hidden 7"})
    assert "SELECT ?" in caplog.text
    assert "hidden 7" not in caplog.text


@pytest.mark.sqlite
async def test_functions_need_a_database_that_has_some(tmp_path: Path) -> None:
    class Halved(UserFunction):
        name = "halved"
        body = "halved(n int) RETURNS int LANGUAGE sql AS $$ SELECT n / 2 $$"

    with pytest.raises(ValidationError, match="functions"):
        DatabaseService(database=str(tmp_path / "f.db"), functions=[Halved])


def test_a_functions_definition() -> None:
    class Tripled(UserFunction):
        name = "tripled"
        body = "tripled(n int) RETURNS int LANGUAGE sql AS $$ SELECT n * 3 $$;\n"

    class Nothing(UserFunction):
        name = "nothing"

    class Another(UserFunction):
        name = "tripled"
        identifier = "tripled_too"
        body = "tripled() RETURNS int LANGUAGE sql AS $$ SELECT 3 $$"

    assert Tripled.sql() == "FUNCTION tripled(n int) RETURNS int LANGUAGE sql AS $$ SELECT n * 3 $$;"
    with pytest.raises(ValidationError, match="no body"):
        Nothing.sql()
    registry = SQLFunctionsRegistry()
    assert registry.register(Tripled) is registry.register(Tripled)
    with pytest.raises(UsageError, match="another name"):
        registry.register(Another)
    assert dict(registry) == {"tripled": Tripled}


# Tables


def test_service_k14_tables_of_one_name_are_kept_apart_by_their_schemas() -> None:
    db = DatabaseService(database="f.db")
    plain, archived = table(), table(schema="archive")
    assert db.add_table(plain) is plain
    assert db.add_table(archived) is archived
    assert dict(db.tables) == {"t": plain, "archive.t": archived}


def test_service_k14_a_second_table_of_one_schema_and_name_is_refused() -> None:
    first, second = table(), table()
    db = DatabaseService(database="f.db", metadata=first.metadata)
    assert db.add_table(first) is first
    assert db.add_table(first) is first
    with pytest.raises(UsageError, match="another table 't'"):
        db.add_table(second)
    assert dict(db.tables) == {"t": first}


@pytest.mark.sqlite
async def test_tables_of_several_metadata_refer_to_each_other_by_name(tmp_path: Path) -> None:
    child = sa.Table(
        "a_child",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("parent", sa.ForeignKey("z_parent.id")),
        sa.Index("ix_parent", "parent"),
    )
    parent = table("z_parent")
    sa.event.listen(parent, "after_create", sa.DDL("INSERT INTO z_parent VALUES (7)"))
    sa.event.listen(child.metadata, "after_create", sa.DDL("INSERT INTO a_child VALUES (1, 7)"))
    seen: list[str] = []
    db = DatabaseService(database=str(tmp_path / "f.db"), trace=lambda statement: seen.append(statement.sql))
    for each in (child, parent):
        db.add_table(each)
    async with db:
        assert await db.fetch(sa.select(child)) == [{"id": 1, "parent": 7}]
    made = [
        text.split("(")[0].split("\n")[0].strip() for text in seen if text.startswith(("CREATE", "INSERT"))
    ]
    assert made == [
        "CREATE TABLE z_parent",
        "INSERT INTO z_parent VALUES",
        "CREATE TABLE a_child",
        "CREATE INDEX ix_parent ON a_child",
        "INSERT INTO a_child VALUES",
    ]
    assert {each.metadata is not db.metadata for each in (child, parent)} == {True}


@pytest.mark.sqlite
async def test_a_table_of_another_case_is_there_on_a_file(tmp_path: Path) -> None:
    async with DatabaseService(database=str(tmp_path / "f.db"), metadata=table("People").metadata):
        pass
    async with DatabaseService(database=str(tmp_path / "f.db"), metadata=table("people").metadata) as db:
        assert await db.fetchval("SELECT count(*) FROM sqlite_master WHERE type = 'table'") == 1


@pytest.mark.sqlite
async def test_tables_are_made_whole_or_not_at_all(tmp_path: Path) -> None:
    metadata = sa.MetaData()
    table("a", metadata)
    broken = table("b", metadata)
    sa.event.listen(broken, "after_create", sa.DDL("INSERT INTO nothing_there VALUES (1)"))
    file = str(tmp_path / "f.db")
    with pytest.raises(ValidationError, match="nothing_there"):
        await DatabaseService(database=file, metadata=metadata).init()
    async with DatabaseService(database=file) as db:
        assert await db.fetchval("SELECT count(*) FROM sqlite_master") == 0


@pytest.mark.sqlite
async def test_a_file_that_can_only_be_read_is_a_database_too(tmp_path: Path) -> None:
    made = table()
    async with DatabaseService(database=str(tmp_path / "f.db"), metadata=made.metadata):
        pass
    url = f"sqlite:///{tmp_path / 'f.db'}?mode=ro"
    async with DatabaseService(url=url, metadata=made.metadata) as db:
        assert await db.fetch(sa.select(made)) == []
        with pytest.raises(ReadOnlyError):
            await db.execute(sa.insert(made).values())
    with pytest.raises(ReadOnlyError):
        await DatabaseService(url=url, metadata=table("another").metadata).init()
