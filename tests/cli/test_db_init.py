"""`rowstead db init` makes the tables of the models, and `rowstead db health` says what is there."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from servers import with_driver

from .conftest import Run

pytestmark = pytest.mark.sqlite

URL = ("--url", "sqlite:///app.db")
MODELS = """
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table
from sqlalchemy.orm import Mapped, mapped_column

from rowstead.repository import Base, UUIDPKMixin, UpdateMixin


class User(Base, UUIDPKMixin, UpdateMixin):
    __tablename__ = "users"

    name: Mapped[str] = mapped_column()
    email: Mapped[str] = mapped_column(unique=True)


other = MetaData()
visits = Table("visits", other, Column("id", Integer, primary_key=True), Column("page", Integer, index=True))
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    package = tmp_path / "app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(MODELS)
    (package / "none.py").write_text("print('imported')\n")
    return package / "models.py"


def tables(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [
            n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
        ]


def test_repository_init_makes_the_tables_of_every_metadata_and_says_which(
    rowstead: Run, models: Path, tmp_path: Path
) -> None:
    made = "created 2 tables, 0 there already\n  users\n  visits\n"
    assert rowstead("db", "init", "--models", "app.models", *URL) == (0, made, "")
    assert tables(tmp_path / "app.db") == ["users", "visits"]


def test_init_again_makes_nothing_and_drops_nothing(rowstead: Run, models: Path, tmp_path: Path) -> None:
    rowstead("db", "init", "--models", "app.models", *URL)
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute("INSERT INTO visits VALUES (1, 2)")
        connection.execute("CREATE TABLE theirs (id INTEGER)")
        connection.execute("DROP TABLE users")
        connection.commit()
    again = rowstead("db", "init", "--models", "app.models", "--json", *URL)
    assert json.loads(again[1]) == {"created": ["users"], "there_already": 1}
    assert tables(tmp_path / "app.db") == ["theirs", "users", "visits"]
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        assert connection.execute("SELECT id, page FROM visits").fetchall() == [(1, 2)]


def test_the_configuration_names_models_and_database(rowstead: Run, models: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[database]\ndsn = "sqlite+aiosqlite:///configured.db"\nmodels = ["app.models"]\n'
    )
    assert rowstead("db", "init", "-c", "config.toml")[:1] == (0,)
    assert tables(tmp_path / "configured.db") == ["users", "visits"]
    # The one that is found by itself, and an address that is given beside it.
    assert rowstead("db", "init")[1].startswith("created 0 tables, 2 there already")
    assert rowstead("db", "init", *URL)[1].startswith("created 2 tables")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no models: name the module that holds them, as --models app.models"),
        (("--models", "app.none"), "module app.none defines no SQLAlchemy model"),
        (("--models", "app.modls"), "did you mean 'models'?"),
        (("--models", "app/models.py"), "did you mean 'app.models'?"),
    ],
)
def test_no_model_is_wrong_usage_and_makes_no_file(
    rowstead: Run, models: Path, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    code, out, error = rowstead("db", "init", *arguments, *URL)
    assert (code, out) == (2, "")
    assert told in error
    assert not (tmp_path / "app.db").exists()


@pytest.mark.postgresql
@pytest.mark.parametrize("backend", ["asyncpg", "psycopg"])
def test_init_works_on_a_server_and_before_migrations(
    rowstead: Run, models: Path, tmp_path: Path, postgres_url: str, backend: str
) -> None:
    environment = {"DATABASE_URL": with_driver(postgres_url, backend)}
    code, out, error = rowstead("db", "init", "--models", "app.models", **environment)
    assert (code, out, error) == (0, "created 2 tables, 0 there already\n  users\n  visits\n", "")
    with psycopg.connect(postgres_url) as admin:
        assert admin.execute("SELECT to_regclass('users') IS NOT NULL").fetchone() == (True,)
    rowstead("db", "create", "nothing", **environment)
    assert rowstead("db", "up", **environment)[0] == 0


# Health


def test_repository_p13_health_shows_what_is_in_use_and_no_defaults(rowstead: Run, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER)")
    version = sqlite3.sqlite_version
    assert rowstead("db", "health", *URL) == (
        0,
        "Checking database health...\n  dialect  sqlite\n  driver   aiosqlite\n  file     app.db\n"
        f"The database answers: SQLite {version}\n",
        "",
    )
    assert json.loads(rowstead("db", "health", "--json", *URL)[1]) == {
        "healthy": True,
        "dialect": "sqlite",
        "driver": "aiosqlite",
        "file": "app.db",
        "server": f"SQLite {version}",
    }


@pytest.mark.postgresql
def test_repository_p13_health_of_a_server_names_the_dsns_host_and_user(
    rowstead: Run, postgres_url: str
) -> None:
    url = with_driver(postgres_url, "psycopg")
    found = json.loads(rowstead("db", "health", "--json", DATABASE_URL=url)[1])
    with psycopg.connect(postgres_url) as admin:
        info = admin.info
        assert found["host"] == f"{info.host}:{info.port}"
        assert (found["db"], found["user"]) == (info.dbname, info.user)
        row = admin.execute("SELECT current_setting('server_version')").fetchone()
    assert row is not None
    assert (found["dialect"], found["driver"], found["server"]) == (
        "postgresql",
        "psycopg",
        f"PostgreSQL {row[0]}",
    )


def test_health_of_a_file_that_is_not_there_exits_3_and_makes_none(rowstead: Run, tmp_path: Path) -> None:
    code, _, error = rowstead("db", "health")
    assert code == 3
    assert error.startswith("error: ")
    assert "rowstead.db" in error
    assert list(tmp_path.iterdir()) == []


def test_health_of_a_server_that_is_not_there_exits_3_with_where_that_is(rowstead: Run) -> None:
    code, out, error = rowstead("db", "health", "--url", "postgresql+asyncpg://ann@127.0.0.1:1/shop")
    assert code == 3
    assert "  host     127.0.0.1:1\n  db       shop\n  user     ann\n" in out
    assert error.startswith("error: ")
