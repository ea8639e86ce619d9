"""Guide 001, "Configuration": every form of the file and of the environment, as written there.

An `export` of the guide is a variable here; the file is the guide's, letter by letter.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from conftest import Backend, backend_of
from rowstead.config import config
from rowstead.repository import PersistEngine

FULL_DSN = """\
name: my-app
database:
  dsn: postgresql+asyncpg://user:pass@localhost:5432/mydb
"""

DSN_WITH_OVERRIDES = """\
name: my-app
database:
  dsn: postgresql+asyncpg://defaultuser:defaultpass@localhost:5432/mydb
  user: ${DB_USER}      # Overrides user from DSN
  password: ${DB_PASSWORD}  # Overrides password from DSN
"""

DSN_ALONE = """\
name: my-app
database:
  dsn: postgresql+asyncpg://defaultuser:defaultpass@localhost:5432/mydb
"""

DRIVER_ONLY = """\
name: my-app
database:
  driver: asyncpg  # Auto-detects: dialect=postgresql
  db: myapp-dev
  host: localhost
  port: 5432
  user: postgres
  password: postgres
"""

FIELDS = """\
name: my-app
database:
  dialect: postgresql
  driver: asyncpg
  db: myapp-dev
  user: postgres
  password: postgres
  host: localhost
  port: 5432
  debug: false
"""

SECRETS = {"DB_USER": "prod_user", "DB_PASSWORD": "secret_password"}
EXPORTED = {
    "ROWSTEAD_DATABASE__USER": "prod_user",
    "ROWSTEAD_DATABASE__PASSWORD": "secret_password",
}
FINAL = "postgresql+asyncpg://prod_user:secret_password@localhost:5432/mydb"
FROM_FIELDS = "postgresql+asyncpg://postgres:postgres@localhost:5432/myapp-dev"


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each database of the repository, empty."""
    return backend_of(request, tmp_path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "variables", "dsn"),
    [
        pytest.param(FULL_DSN, {}, "postgresql+asyncpg://user:pass@localhost:5432/mydb", id="option 1"),
        pytest.param(DSN_WITH_OVERRIDES, SECRETS, FINAL, id="option 1b, in the file"),
        pytest.param(DSN_ALONE, EXPORTED, FINAL, id="option 1b, exported"),
        pytest.param(DRIVER_ONLY, {}, FROM_FIELDS, id="option 2"),
        pytest.param(FIELDS, {}, FROM_FIELDS, id="option 3"),
        pytest.param(
            FULL_DSN,
            {"ROWSTEAD_DATABASE__DSN": "postgresql+asyncpg://localhost/prod-db"},
            "postgresql+asyncpg://localhost/prod-db",
            id="the DSN exported",
        ),
    ],
)
def test_a_form_of_the_guide_gives_its_dsn(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, variables: dict[str, str], dsn: str
) -> None:
    (folder / "config.yaml").write_text(text)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = config("config.yaml").schema
    assert (found.name, found.database.build_dsn()) == ("my-app", dsn)


def test_debug_is_off_until_it_is_exported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config.yaml").write_text(FIELDS)
    assert config("config.yaml").schema.database.debug is False
    monkeypatch.setenv("ROWSTEAD_DATABASE__DEBUG", "true")
    assert config("config.yaml").schema.database.debug is True


def test_a_secret_that_is_not_exported_is_named_with_its_line(folder: Path) -> None:
    (folder / "config.yaml").write_text(DSN_WITH_OVERRIDES)
    with pytest.raises(ValueError, match=r"config\.yaml.*4.*DB_USER|DB_USER.*config\.yaml.*4"):
        config("config.yaml")


@pytest.mark.parametrize(
    ("driver", "dialect"),
    [
        ("asyncpg", "postgresql"),
        ("psycopg", "postgresql"),
        ("aiosqlite", "sqlite"),
        ("aiomysql", "mysql"),
        ("asyncmy", "mysql"),
        ("aioodbc", "mssql"),
    ],
)
def test_a_driver_of_the_guide_says_its_dialect(driver: str, dialect: str) -> None:
    found = config(database={"driver": driver, "db": "myapp-dev"}).schema.database
    assert found.url.drivername == f"{dialect}+{driver}"


async def test_a_form_of_the_guide_opens_its_database(folder: Path, backend: Backend) -> None:
    """Separate fields, filled in with where the test's database is."""
    url = sa.make_url(backend.url.replace("sqlite:", "sqlite+aiosqlite:"))
    dialect, _, driver = url.drivername.partition("+")
    lines = {
        "dialect": dialect,
        "driver": driver,
        "db": url.database,
        "user": url.username,
        "password": url.password,
        "host": url.host,
        "port": url.port,
        "debug": "false",
    }
    said = "".join(f"  {name}: {value}\n" for name, value in lines.items() if value is not None)
    (folder / "config.yaml").write_text(f"name: my-app\ndatabase:\n{said}")
    async with PersistEngine(config("config.yaml").schema.database) as engine:
        _, session_factory = engine.session()
        async with session_factory() as session:
            assert await session.scalar(sa.text("SELECT 1")) == 1
