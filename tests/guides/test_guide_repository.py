"""Guide 001, the quick start, the commands and the migrations: as written there, with only names changed.

`test_guide_repository_config.py` has the forms of the configuration.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
import uuid
from pathlib import Path

import pytest

from conftest import Backend, backend_of
from rowstead import DB, Row

from .guide_repository import APPLICATION, MODELS, REPOSITORY, SHOWN, Project

ROOT = Path(__file__).parent.parent.parent

MIGRATION = """\
-- +goose Up
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
-- +goose StatementBegin
INSERT INTO users (id, name) VALUES (1, 'first; and only');
-- +goose StatementEnd

-- +goose Down
DROP TABLE users;
"""

CONFIG = """\
name: my-app
database:
  dsn: {dsn}
  models: [models]
"""


class StoredUser(Row):
    """The guide's table as a typed row reads it."""

    __table__ = "users"
    id: uuid.UUID
    name: str
    email: str
    is_active: bool


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each database of the repository, empty."""
    return backend_of(request, tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def dsn(backend: Backend) -> str:
    """The backend's address as the guide writes one, `driver` and all."""
    return backend.url.replace("sqlite:", "sqlite+aiosqlite:")


def worked(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


# Installation


@pytest.mark.parametrize("extra", ["pg", "cli", "all"])
def test_every_extra_of_the_guide_can_be_installed(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extra in project["optional-dependencies"]


# Quick start


async def test_the_quick_start_creates_the_table_and_the_user(project: Project, backend: Backend) -> None:
    project.write(
        {
            "config.yaml": CONFIG.format(dsn=dsn(backend)),
            "models.py": MODELS,
            "main.py": "from models import User\n" + REPOSITORY + APPLICATION + SHOWN,
        }
    )
    assert worked(project.rowstead("db init")).splitlines() == ["created 1 table, 0 there already", "  users"]
    assert "Checking database health..." in worked(project.rowstead("db health"))
    *truths, key = worked(project.python("main.py")).split()
    assert truths == ["True", "True", "Alice", "True"]
    async with await DB.from_url(backend.url) as db:
        (stored,) = await db.query(StoredUser)
    assert stored == StoredUser(id=uuid.UUID(key), name="Alice", email="alice@example.com", is_active=True)


def test_init_only_creates_and_never_drops(project: Project) -> None:
    project.write(
        {
            "config.yaml": CONFIG.format(dsn="sqlite+aiosqlite:///app.db"),
            "models.py": MODELS,
            "main.py": "from models import User\n" + REPOSITORY + APPLICATION + SHOWN,
        }
    )
    worked(project.rowstead("db init"))
    worked(project.python("main.py"))
    assert worked(project.rowstead("db init")) == "created 0 tables, 1 there already\n"
    # The user is still there, so that the program cannot write it again.
    again = project.python("main.py")
    assert again.returncode == 1
    assert "rowstead.errors.DuplicateError" in again.stderr


def test_without_a_configuration_the_database_is_a_sqlite_file(project: Project) -> None:
    project.write({"models.py": MODELS})
    worked(project.rowstead("db init --models models"))
    assert [path.name for path in project.folder.glob("*.db")] == ["rowstead.db"]
    assert "file     rowstead.db" in worked(project.rowstead("db health"))


# CLI tools


async def test_the_commands_of_the_guide_in_their_order(project: Project, backend: Backend) -> None:
    project.write(
        {
            "config.yaml": CONFIG.format(dsn=dsn(backend)),
            "your_app/__init__.py": "",
            "your_app/models.py": MODELS,
        }
    )
    assert "schemas.py" in worked(
        project.rowstead("codegen generate-schemas your_app.models --output schemas.py")
    )
    read = "from schemas import UserSchema; print(sorted(UserSchema.model_fields))"
    fields = ["created_at", "email", "id", "is_active", "name", "updated_at"]
    assert worked(project.python("-c", read)).strip() == str(fields)

    worked(project.rowstead("db create add_users_table"))
    (file,) = (project.folder / "migrations").glob("*.sql")
    assert re.fullmatch(r"\d+_add_users_table\.sql", file.name)
    file.write_text(MIGRATION)
    assert "applied 1 migration" in worked(project.rowstead("db up"))
    assert file.name in worked(project.rowstead("db status"))
    async with await DB.from_url(backend.url) as db:
        assert await db.fetchval("SELECT name FROM users") == "first; and only"
        version = int(file.name.partition("_")[0])
        assert await db.fetchval("SELECT max(version_id) FROM goose_db_version") == version
    assert "undid 1 migration" in worked(project.rowstead("db down"))
    async with await DB.from_url(backend.url) as db:
        assert await db.fetchval("SELECT max(version_id) FROM goose_db_version") == 0
    worked(project.rowstead("db health"))
    assert worked(project.rowstead("version")).startswith("rowstead ")


@pytest.mark.parametrize(
    ("dsn", "driver"),
    [
        ("oracle+oracledb://scott@localhost/orcl", "oracle"),
        ("snowflake://someone@account/db", "snowflake"),
        ("clickhousedb+asynch://localhost/db", "clickhouse"),
    ],
)
def test_a_database_that_the_commands_do_not_know_is_told_what_to_use(
    project: Project, dsn: str, driver: str
) -> None:
    project.write({"config.yaml": f"database:\n  dsn: {dsn}\n"})
    (project.folder / "migrations").mkdir()
    (project.folder / "migrations" / "00001_users.sql").write_text(MIGRATION)
    done = project.rowstead("db up")
    assert done.returncode == 2
    assert driver in done.stderr
    assert "Alembic" in done.stderr
    assert "client" in done.stderr


async def test_a_migration_of_the_guides_features_works_on_its_database(
    project: Project, backend: Backend
) -> None:
    """Triggers and functions on PostgreSQL; a trigger on SQLite and MariaDB."""
    project.write({"config.yaml": CONFIG.format(dsn=dsn(backend))})
    (project.folder / "migrations").mkdir()
    (project.folder / "migrations" / "00001_log.sql").write_text(TRIGGERS[backend.name])
    worked(project.rowstead("db up"))
    async with await DB.from_url(backend.url) as db:
        await db.execute("INSERT INTO users (name) VALUES ('Alice')")
        assert await db.fetchval("SELECT entry FROM log") == "Alice came; welcome"
    worked(project.rowstead("db down"))
    async with await DB.from_url(backend.url) as db:
        await db.execute("CREATE TABLE log (entry TEXT)")


POSTGRES_TRIGGER = """\
-- +goose Up
CREATE TABLE users (name TEXT NOT NULL);
CREATE TABLE log (entry TEXT NOT NULL);
-- +goose StatementBegin
CREATE FUNCTION log_user() RETURNS trigger AS $$
BEGIN
    INSERT INTO log (entry) VALUES (NEW.name || ' came; welcome');
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;
-- +goose StatementEnd
CREATE TRIGGER users_logged AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION log_user();

-- +goose Down
DROP TABLE users;
DROP FUNCTION log_user();
DROP TABLE log;
"""

SQLITE_TRIGGER = """\
-- +goose Up
CREATE TABLE users (name TEXT NOT NULL);
CREATE TABLE log (entry TEXT NOT NULL);
-- +goose StatementBegin
CREATE TRIGGER users_logged AFTER INSERT ON users BEGIN
    INSERT INTO log (entry) VALUES (NEW.name || ' came; welcome');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE users;
DROP TABLE log;
"""

MARIA_TRIGGER = """\
-- +goose Up
CREATE TABLE users (name VARCHAR(80) NOT NULL);
CREATE TABLE log (entry VARCHAR(80) NOT NULL);
-- +goose StatementBegin
CREATE TRIGGER users_logged AFTER INSERT ON users FOR EACH ROW BEGIN
    INSERT INTO log (entry) VALUES (concat(NEW.name, ' came; welcome'));
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE users;
DROP TABLE log;
"""

TRIGGERS = {
    "sqlite": SQLITE_TRIGGER,
    "asyncpg": POSTGRES_TRIGGER,
    "psycopg": POSTGRES_TRIGGER,
    "mariadb": MARIA_TRIGGER,
}
