"""Arguments win over the environment, it over files, they over defaults; and what that means of a DSN."""

from __future__ import annotations

from typing import Any

import pytest

from rowstead.config import config
from rowstead.errors import ValidationError

from .conftest import Write


def address(path: object = None, **overrides: Any) -> str:
    return "".join(config(path, **overrides).schema.database.build_dsn())  # pyright: ignore[reportArgumentType]


def test_each_level_wins_over_the_next(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config().schema.name == "rowstead"
    write("name: file\ndatabase: {driver: asyncpg, db: file, user: file}")
    assert config().schema.name == "file"
    monkeypatch.setenv("ROWSTEAD_NAME", "environment")
    monkeypatch.setenv("ROWSTEAD_DATABASE__DB", "environment")
    assert config().schema.name == "environment"
    assert config(name="argument").schema.name == "argument"
    assert address() == "postgresql+asyncpg://file@localhost:5432/environment"
    assert address(database={"db": "argument"}) == "postgresql+asyncpg://file@localhost:5432/argument"


@pytest.mark.parametrize(
    "name", ["ROWSTEAD_DATABASE__DSN", "rowstead_database__dsn", "Rowstead_Database__Dsn"]
)
def test_the_guides_variables_work_in_any_case(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "postgresql+asyncpg://localhost/prod-db")
    monkeypatch.setenv("ROWSTEAD_DATABASE__DEBUG", "true")
    assert address() == "postgresql+asyncpg://localhost/prod-db"
    assert config().schema.database.debug is True


def test_a_whole_section_may_be_json_and_single_variables_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "ROWSTEAD_DATABASE", '{"driver": "asyncpg", "password": 12, "db": "a", "params": {"x": "1"}}'
    )
    monkeypatch.setenv("ROWSTEAD_DATABASE__DB", "b")
    monkeypatch.setenv("ROWSTEAD_DATABASE__PARAMS__SSLMODE", "require")
    monkeypatch.setenv("ROWSTEAD_DATABASE__CREATE_ENGINE_KWARGS", '{"echo_pool": true}')
    monkeypatch.setenv("ROWSTEAD_DATABASE__MODELS", "app.models, app.more")
    database = config().schema.database
    assert database.password is not None
    assert database.password.get_secret_value() == "12"
    assert (database.db, database.params) == ("b", {"x": "1", "sslmode": "require"})
    assert database.create_engine_kwargs == {"echo_pool": True}
    assert database.models == ["app.models", "app.more"]
    monkeypatch.setenv("ROWSTEAD_DATABASE__MODELS", '["one"]')
    assert config().schema.database.models == ["one"]


def test_a_password_that_looks_like_json_is_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWSTEAD_DATABASE__DRIVER", "asyncpg")
    for password in ('{"a": 1}', "[x", "{", "${NOT_FILLED_IN}", "null"):
        monkeypatch.setenv("ROWSTEAD_DATABASE__PASSWORD", password)
        found = config().schema.database.password
        assert found is not None
        assert found.get_secret_value() == password


def test_an_empty_variable_says_nothing(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("database: {driver: asyncpg, user: ann, db: d}")
    monkeypatch.setenv("ROWSTEAD_DATABASE__USER", "")
    monkeypatch.setenv("ROWSTEAD_DATABASE", "")
    assert address() == "postgresql+asyncpg://ann@localhost:5432/d"


def test_variables_that_are_no_settings_are_somebody_elses(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWSTEAD_TEST_POSTGRES_URL", "x")
    monkeypatch.setenv("ROWSTEAD_OTHER__THING", "x")
    assert config().schema.model_dump().keys() == {"name", "database"}
    write("other: {thing: file, more: 1}\nodd: 1")
    monkeypatch.setenv("ROWSTEAD_ODD", "2")
    found: Any = config().schema
    assert (found.other.thing, found.other.more, found.odd) == ("x", 1, "2")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ROWSTEAD_DATABSE__DSN": "x"}, "ROWSTEAD_DATABSE__DSN: databse: .*did you mean 'database'"),
        ({"ROWSTEAD_DATABASE__PASWORD": "x"}, "ROWSTEAD_DATABASE__PASWORD: .*did you mean 'password'"),
        ({"ROWSTEAD_DATABASE__PORT": "x"}, "ROWSTEAD_DATABASE__PORT: database.port"),
        ({"ROWSTEAD_DATABASE": "sqlite:///x"}, "environment's ROWSTEAD_DATABASE: database must hold"),
        ({"ROWSTEAD_DATABASE": "{x"}, "ROWSTEAD_DATABASE begins like JSON"),
        ({"ROWSTEAD_DATABASE": "[1]"}, "database must hold"),
        ({"ROWSTEAD_DATABASE": "x", "ROWSTEAD_DATABASE__DB": "y"}, "ROWSTEAD_DATABASE must be a JSON object"),
    ],
)
def test_a_wrong_variable_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=said):
        config()


def test_a_wrong_argument_is_an_error_that_says_so() -> None:
    with pytest.raises(ValidationError, match=r"^an argument: database\.prt: .*did you mean 'port'"):
        config(database={"prt": 1})


# What a DSN wins over, and what it leaves.

FILE = "database: {driver: asyncpg, user: dev, password: dev, host: devhost, port: 6000, db: dev}"
DEV = "postgresql+asyncpg://dev:dev@devhost:6000/dev"


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        # Its own parts win over the file's; what it does not say comes from the file.
        ("postgresql+asyncpg://u:p@prod:7000/x", "postgresql+asyncpg://u:p@prod:7000/x"),
        ("postgresql+asyncpg://prod/x", "postgresql+asyncpg://dev:dev@prod/x"),
        ("postgresql+asyncpg://u@prod/x", "postgresql+asyncpg://u:dev@prod/x"),
        ("postgresql://u:p@prod:7000/x", "postgresql+asyncpg://u:p@prod:7000/x"),
        ("postgresql+psycopg://u:p@prod:7000/x", "postgresql+psycopg://u:p@prod:7000/x"),
        # Of another database nothing is taken.
        ("mysql+asyncmy://prod/x", "mysql+asyncmy://prod/x"),
        ("sqlite+aiosqlite://", "sqlite+aiosqlite://"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
    ],
)
@pytest.mark.parametrize("level", ["environment", "argument", "own file"])
def test_a_dsn_of_a_higher_level_wins_over_the_parts_that_it_names(
    write: Write, monkeypatch: pytest.MonkeyPatch, dsn: str, expected: str, level: str
) -> None:
    write(FILE)
    assert address() == DEV
    if level == "environment":
        monkeypatch.setenv("ROWSTEAD_DATABASE__DSN", dsn)
        assert address() == expected
    elif level == "argument":
        assert address(database={"dsn": dsn}) == expected
    else:
        assert address(write(f"extends: config.yaml\ndatabase: {{dsn: '{dsn}'}}", "own.yaml")) == expected


def test_parts_of_a_higher_level_win_over_a_dsn(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("database: {dsn: 'postgresql+asyncpg://u:p@h:6000/d'}")
    monkeypatch.setenv("ROWSTEAD_DATABASE__USER", "prod_user")
    monkeypatch.setenv("ROWSTEAD_DATABASE__PASSWORD", "secret_password")
    monkeypatch.setenv("ROWSTEAD_DATABASE__DRIVER", "psycopg")
    assert address() == "postgresql+psycopg://prod_user:secret_password@h:6000/d"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DIALECT": "sqlite", "DB": "x.db"}, "sqlite+aiosqlite:///x.db"),
        ({"DRIVER": "aiosqlite"}, "sqlite+aiosqlite:///rowstead.db"),
        ({"DRIVER": "asyncmy", "HOST": "h"}, "mysql+asyncmy://h:3306"),
    ],
)
def test_a_level_that_names_another_database_takes_nothing_of_the_old_address(
    write: Write, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"ROWSTEAD_DATABASE__{name}", value)
    for text in (FILE, "database: {dsn: 'postgresql+asyncpg://u:p@h/d'}"):
        write(text)
        assert address() == expected


def test_a_dsns_parameters_win_over_those_of_lower_levels_and_the_others_stay(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("database: {driver: asyncpg, params: {ssl: require, application_name: x}}")
    monkeypatch.setenv("ROWSTEAD_DATABASE__DSN", "postgresql+psycopg://h/d?sslmode=verify-full")
    assert address() == "postgresql+psycopg://h/d?application_name=x&sslmode=verify-full"
    monkeypatch.setenv("ROWSTEAD_DATABASE__DSN", "postgresql+psycopg://h/d")
    assert address() == "postgresql+psycopg://h/d?application_name=x&sslmode=require"


def test_a_dsn_that_another_replaces_is_not_asked_for_its_variables(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("database: {dsn: 'postgresql+asyncpg://${GONE}@h/d', user: ann}")
    monkeypatch.setenv("ROWSTEAD_DATABASE__DSN", "postgresql+asyncpg://prod/d")
    assert address() == "postgresql+asyncpg://ann@prod/d"
    monkeypatch.delenv("ROWSTEAD_DATABASE__DSN")
    with pytest.raises(ValidationError, match="GONE is not set"):
        config()


def test_the_variable_that_names_the_file_is_no_setting(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("config: {mine: 1}")
    monkeypatch.setenv("ROWSTEAD_CONFIG", "config.yaml")
    found: Any = config().schema
    assert found.config.mine == 1


def test_repository_p03_the_guides_dsn_gets_no_credentials_from_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROWSTEAD_DATABASE__DSN", "postgresql+asyncpg://localhost/prod-db")
    found = config().schema.database.url
    assert (found.username, found.password, found.port) == (None, None, None)
