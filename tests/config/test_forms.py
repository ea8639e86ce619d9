"""Every form in which a database may be named, and the address that it comes to."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import make_url

from rowstead.config import DatabaseConfigSchema, config, databases
from rowstead.drivers.addresses import parse
from rowstead.errors import ValidationError

FULL = "postgresql+asyncpg://user:pass@localhost:5432/mydb"


def address(**keys: Any) -> str:
    """The built DSN as a plain string, which a failing test shows."""
    return "".join(DatabaseConfigSchema(**keys).build_dsn())


def core(**keys: Any) -> str:
    return "".join(DatabaseConfigSchema(**keys).core_url())


GUIDE: dict[str, tuple[dict[str, Any], str]] = {
    "full DSN": ({"dsn": FULL}, FULL),
    "DSN with user and password beside it": (
        {
            "dsn": "postgresql+asyncpg://defaultuser:defaultpass@localhost:5432/mydb",
            "user": "prod_user",
            "password": "secret_password",
        },
        "postgresql+asyncpg://prod_user:secret_password@localhost:5432/mydb",
    ),
    "driver only": (
        {
            "driver": "asyncpg",
            "db": "myapp-dev",
            "host": "localhost",
            "port": 5432,
            "user": "postgres",
            "password": "postgres",
        },
        "postgresql+asyncpg://postgres:postgres@localhost:5432/myapp-dev",
    ),
    "separate fields": (
        {
            "dialect": "postgresql",
            "driver": "asyncpg",
            "db": "myapp-dev",
            "user": "postgres",
            "password": "postgres",
            "host": "localhost",
            "port": 5432,
            "debug": False,
        },
        "postgresql+asyncpg://postgres:postgres@localhost:5432/myapp-dev",
    ),
    "nothing": ({}, "sqlite+aiosqlite:///rowstead.db"),
}


@pytest.mark.parametrize("form", GUIDE)
def test_a_form_of_the_guide_gives_its_address(form: str) -> None:
    keys, expected = GUIDE[form]
    assert address(**keys) == expected


@pytest.mark.parametrize(
    ("driver", "scheme"),
    [
        ("asyncpg", "postgresql+asyncpg"),
        ("psycopg", "postgresql+psycopg"),
        ("aiosqlite", "sqlite+aiosqlite"),
        ("aiomysql", "mysql+aiomysql"),
        ("asyncmy", "mysql+asyncmy"),
        ("aioodbc", "mssql+aioodbc"),
        ("oracledb", "oracle+oracledb"),
        ("ASYNCPG", "postgresql+asyncpg"),
        ("clickhouse", "clickhouse"),
    ],
)
def test_the_dialect_follows_from_the_driver(driver: str, scheme: str) -> None:
    assert make_url(address(driver=driver, db="x")).drivername == scheme


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("postgresql", "postgresql+asyncpg://localhost:5432/x"),
        ("postgres", "postgresql+asyncpg://localhost:5432/x"),
        ("sqlite", "sqlite+aiosqlite:///x"),
        ("mysql", "mysql+asyncmy://localhost:3306/x"),
        ("mariadb", "mariadb+asyncmy://localhost:3306/x"),
        ("mssql", "mssql+aioodbc://localhost:1433/x"),
        ("oracle", "oracle+oracledb://localhost:1521/x"),
        ("cockroachdb", "cockroachdb://localhost/x"),
    ],
)
def test_a_dialect_alone_has_its_asynchronous_driver_and_its_port(dialect: str, expected: str) -> None:
    assert address(dialect=dialect, db="x") == expected


def test_of_several_drivers_the_one_that_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "find_spec", lambda name: None if name == "asyncpg" else object())
    assert address(dsn="postgresql://h/d") == "postgresql+psycopg://h/d"
    monkeypatch.setattr(databases, "find_spec", lambda _: None)
    assert address(dsn="postgresql://h/d") == "postgresql+asyncpg://h/d"


def test_async_driver_is_another_name_of_driver_and_wins() -> None:
    assert address(async_driver="psycopg", driver="asyncpg", db="x").startswith("postgresql+psycopg://")
    assert address(async_driver=None, driver="asyncpg", db="x").startswith("postgresql+asyncpg://")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"user": "u2"}, "postgresql+asyncpg://u2:pass@localhost:5432/mydb"),
        ({"password": "p2"}, "postgresql+asyncpg://user:p2@localhost:5432/mydb"),
        ({"host": "h2"}, "postgresql+asyncpg://user:pass@h2:5432/mydb"),
        ({"host": "h2:6000"}, "postgresql+asyncpg://user:pass@h2:6000/mydb"),
        ({"port": 6000}, "postgresql+asyncpg://user:pass@localhost:6000/mydb"),
        ({"db": "d2"}, "postgresql+asyncpg://user:pass@localhost:5432/d2"),
        ({"driver": "psycopg"}, "postgresql+psycopg://user:pass@localhost:5432/mydb"),
        ({"params": {"ssl": "require"}}, f"{FULL}?ssl=require"),
        ({"host": "/run/pg"}, "postgresql+asyncpg://user:pass@/mydb?host=%2Frun%2Fpg&port=5432"),
    ],
)
def test_what_stands_beside_a_dsn_takes_the_place_of_that_part(keys: dict[str, Any], expected: str) -> None:
    assert address(dsn=FULL, **keys) == expected


@pytest.mark.parametrize(
    "keys", [{"user": "rowstead"}, {"host": "localhost"}, {"port": 5432}, {"db": "rowstead.db"}]
)
def test_repository_p03_a_value_that_is_a_default_somewhere_overrides_all_the_same(
    keys: dict[str, Any],
) -> None:
    found = make_url(address(dsn="postgresql+asyncpg://u:p@prod:6000/d", **keys))
    ((name, value),) = keys.items()
    assert getattr(found, {"user": "username", "db": "database"}.get(name, name)) == value


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql+asyncpg://localhost/prod-db",
        "postgresql+asyncpg:///prod-db",
        "postgresql+asyncpg://ann@localhost/prod-db",
        "mysql+asyncmy://localhost/prod-db",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///data.db",
        "sqlite+aiosqlite:////srv/data.db",
    ],
)
def test_repository_p03_nothing_is_added_to_a_dsn(dsn: str) -> None:
    assert address(dsn=dsn) == dsn


def test_repository_p03_an_ipv6_host_keeps_its_brackets() -> None:
    dsn = "postgresql+asyncpg://ann@[2001:db8::1]:6000/d"
    assert address(dsn=dsn) == core(dsn=dsn) == dsn
    for host in ("2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:6000"):
        found = make_url(address(driver="asyncpg", host=host, db="d"))
        assert found.host == "2001:db8::1"
        assert found.port == (6000 if host.endswith("6000") else 5432)


def test_an_ipv6_zone_is_encoded_where_a_url_is_decoded() -> None:
    database = DatabaseConfigSchema(driver="psycopg", host="fe80::1%eth0", db="d")
    assert make_url(database.build_dsn()).host == "fe80::1%eth0"
    assert "".join(database.core_url()) == "postgresql+psycopg://[fe80::1%25eth0]:5432/d"
    assert DatabaseConfigSchema(dsn=database.core_url()).url == database.url


@pytest.mark.parametrize(
    "keys",
    [
        {"dsn": "postgresql+asyncpg://ann@one:5432,two:5433/d"},
        {"driver": "asyncpg", "user": "ann", "host": "one:5432,two:5433", "db": "d"},
        {"dsn": "postgresql+asyncpg://ann@/d?host=one:5432&host=two:5433"},
        {"dsn": "postgresql+asyncpg://ann@/d?host=one,two&port=5432,5433"},
        {"dsn": "postgresql+asyncpg://ann@elsewhere/d", "host": "one,two:5433"},
    ],
)
def test_repository_p03_several_hosts_survive_in_both_forms(keys: dict[str, Any]) -> None:
    from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

    _, arguments = PGDialect_asyncpg().create_connect_args(make_url(address(**keys)))
    assert (arguments["host"], arguments["port"]) == (["one", "two"], [5432, 5433])
    assert core(**keys) in (
        "postgresql+asyncpg://ann@one:5432,two:5433/d",
        "postgresql+asyncpg://ann@one,two:5433/d",
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"dsn": "sqlite+aiosqlite://"}, ":memory:"),
        ({"dsn": "sqlite+aiosqlite:///:memory:"}, ":memory:"),
        ({"dialect": "sqlite", "db": ":memory:"}, ":memory:"),
        ({"dsn": "sqlite+aiosqlite:///a%20b%3F.db"}, "a b?.db"),
        ({"driver": "aiosqlite", "db": "/srv/ü #1.db"}, "/srv/ü #1.db"),
        ({"dsn": "sqlite:///old.db", "db": "new.db"}, "new.db"),
        ({"dsn": "sqlite+aiosqlite:///who@where.db"}, "who@where.db"),
    ],
)
def test_repository_p03_a_sqlite_file_is_the_one_that_is_named(keys: dict[str, Any], expected: str) -> None:
    database = DatabaseConfigSchema(**keys)
    assert (make_url("".join(database.build_dsn())).database or ":memory:") == expected
    assert parse(database.core_url()).path == expected
    assert database.describe()["file"] == expected


def test_a_sqlite_file_has_no_user_and_no_host() -> None:
    assert address(dialect="sqlite", db="x.db", user="u", host="h", password="p") == (
        "sqlite+aiosqlite:///x.db"
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"driver": "asyncpg", "host": "/run/pg", "db": "d"}, "postgresql+asyncpg:///d?host=%2Frun%2Fpg"),
        ({"dsn": "postgresql+asyncpg://%2Frun%2Fpg/d"}, "postgresql+asyncpg:///d?host=%2Frun%2Fpg"),
        ({"dsn": "postgresql+asyncpg:///d?host=/run/pg"}, "postgresql+asyncpg:///d?host=%2Frun%2Fpg"),
        (
            {"driver": "asyncpg", "db": "d", "params": {"host": "/run/pg"}},
            "postgresql+asyncpg:///d?host=%2Frun%2Fpg",
        ),
    ],
)
def test_a_socket_is_named_by_its_path(keys: dict[str, Any], expected: str) -> None:
    assert address(**keys) == expected
    assert core(**keys) == expected


def test_a_socket_of_mysql_has_its_own_parameter() -> None:
    assert address(driver="asyncmy", host="/run/m.sock", db="d") == (
        "mysql+asyncmy:///d?unix_socket=%2Frun%2Fm.sock"
    )


@pytest.mark.parametrize(
    ("dsn", "sqlalchemy", "own"),
    [
        ("postgresql+asyncpg://h/d?ssl=require", "ssl=require", "sslmode=require"),
        ("postgresql+asyncpg://h/d?sslmode=require", "ssl=require", "sslmode=require"),
        ("postgresql+psycopg://h/d?ssl=require", "sslmode=require", "sslmode=require"),
        ("postgresql+psycopg://h/d?sslmode=verify-full", "sslmode=verify-full", "sslmode=verify-full"),
        (
            "postgresql+asyncpg://h/d?sslmode=verify-full&sslrootcert=/ca.pem",
            "dsn=postgresql%3A%2F%2F%3Fsslmode%3Dverify-full%26sslrootcert%3D%252Fca.pem",
            "sslmode=verify-full&sslrootcert=%2Fca.pem",
        ),
    ],
)
def test_repository_p04_each_driver_is_told_of_tls_in_its_own_words(
    dsn: str, sqlalchemy: str, own: str
) -> None:
    assert address(dsn=dsn).partition("?")[2] == sqlalchemy
    assert core(dsn=dsn).partition("?")[2] == own


def test_repository_p04_a_built_dsn_is_read_again_as_the_same_address() -> None:
    dsn = "postgresql+asyncpg://h/d?sslmode=verify-full&sslrootcert=/ca.pem&application_name=a%26b"
    assert address(dsn=address(dsn=dsn)) == address(dsn=dsn)
    assert core(dsn=address(dsn=dsn)) == core(dsn=dsn)


def test_what_tunes_sqlalchemys_asyncpg_is_kept_from_our_own_driver() -> None:
    dsn = "postgresql+asyncpg://h/d?prepared_statement_cache_size=0&command_timeout=5&application_name=x"
    assert core(dsn=dsn) == "postgresql+asyncpg://h/d?application_name=x"


def test_of_mysqls_parameters_ours_gets_those_about_tls_and_not_the_tuning() -> None:
    dsn = "mysql+asyncmy://u@h/d?charset=utf8mb4&ssl_ca=%2Fca.pem&read_timeout=5"
    assert make_url(address(dsn=dsn)) == make_url(dsn)
    assert core(dsn=dsn) == "mysql+asyncmy://u@h/d?charset=utf8mb4&ssl_ca=%2Fca.pem"
    assert core(driver="aiomysql", user="u", password="p@s:s/w", host="::1", db="d") == (
        "mysql+aiomysql://u:p%40s%3As%2Fw@[::1]:3306/d"
    )


def test_a_parameter_beside_a_dsn_wins_whatever_the_driver_calls_it() -> None:
    keys: dict[str, Any] = {"dsn": "postgresql+asyncpg://h/d?ssl=require", "params": {"sslmode": "disable"}}
    assert address(**keys) == "postgresql+asyncpg://h/d?ssl=disable"
    assert core(**keys) == "postgresql+asyncpg://h/d?sslmode=disable"


def test_our_own_mode_of_a_sqlite_file_is_sqlalchemys_too() -> None:
    found = make_url(address(dsn="sqlite:///a%20b%3F.db?mode=ro"))
    assert (found.database, dict(found.query)) == ("file:a%20b%3F.db", {"mode": "ro", "uri": "true"})
    assert core(dsn=address(dsn="sqlite:///a%20b%3F.db?mode=ro")) == "sqlite:///a%20b%3F.db?mode=ro"


def test_a_mode_of_a_sqlite_uri_is_ours_too() -> None:
    assert core(dsn="sqlite+aiosqlite:///file:x.db?mode=ro&uri=true&timeout=9") == "sqlite:///x.db?mode=ro"


def test_a_database_that_only_sqlalchemy_knows_has_no_url_of_ours() -> None:
    with pytest.raises(ValidationError, match=r"do not know mssql.*Alembic"):
        core(driver="aioodbc", db="x")


def test_a_driver_that_only_sqlalchemy_knows_leaves_the_choice_to_ours() -> None:
    assert core(dsn="postgresql+pg8000://ann@h/d") == "postgresql://ann@h/d"


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        ({"driver": "asyncgp"}, "did you mean 'asyncpg'"),
        ({"driver": "asyncpg", "dialect": "mysql"}, "asyncpg is for postgresql.*asyncmy, aiomysql"),
        ({"dsn": FULL, "driver": "aiosqlite"}, "aiosqlite is for sqlite"),
        ({"dsn": FULL, "dialect": "mysql"}, "leave one of them out"),
        ({"user": "ann", "password": "x"}, "user, password is set.*`dialect`"),
        ({"pasword": "x"}, "did you mean 'password'"),
        ({"url": FULL}, "did you mean 'dsn'"),
        ({"database": "x"}, "did you mean 'db'"),
        ({"username": "x"}, "did you mean 'user'"),
        ({"qqqq": "x"}, "known: dsn, dialect"),
        ({"dsn": "mydb"}, "no database URL"),
        ({"dsn": "sqlite+aiosqlite://data.db"}, "three slashes"),
        ({"dsn": "postgresql+asyncpg:///d?host=one,two,three&port=1,2"}, "3 hosts and 2 ports"),
        ({"dsn": "postgresql+asyncpg://h:port/d"}, "host is no name"),
        ({"dsn": "postgresql+asyncpg://h:99999/d"}, "from 1 to 65535"),
        ({"dsn": "postgresql+asyncpg://[::1/d"}, r"without its \]"),
        ({"dsn": "postgresql+asyncpg://u:%ff@h/d"}, "stand for a character"),
        ({"dsn": "postgresql+asyncpg://h/d?ssl"}, "name=value"),
        ({"host": "a b", "driver": "asyncpg"}, "no name and no address"),
        ({"host": "u@h", "driver": "asyncpg"}, "no name and no address"),
        ({"host": "", "port": 0, "driver": "asyncpg"}, "from 1 to 65535"),
        ({"port": True, "driver": "asyncpg"}, "from 1 to 65535"),
        ({"port": "54 32", "driver": "asyncpg"}, "from 1 to 65535"),
        ({"host": "one,two", "driver": "asyncmy"}, "takes one host"),
        ({"user": ["a"]}, "valid string"),
        ({"password": "\ud800"}, "UTF-8"),
        ({"debug": "perhaps"}, "boolean"),
        ({"connect_timeout": 0}, "greater than 0"),
        ({"pool_size": -1}, "greater than or equal to 0"),
        ({"params": ["ssl"]}, "dictionary"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_what_can(keys: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        DatabaseConfigSchema(**keys).build_dsn()


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql+asyncpg://u:p@ss/w:rd@host/db",
        "postgresql+asyncpg://u:p@ss@host/db",
        "postgresql+asyncpg://u:p/ss@host/db",
        "postgresql+asyncpg://u:12/ss@host/db",
        "postgresql+asyncpg://u:12?a=b@host/db",
    ],
)
def test_repository_p02_a_password_that_is_not_encoded_is_never_taken_for_a_host(dsn: str) -> None:
    with pytest.raises(ValidationError, match=r"can be read in two ways|no name") as caught:
        DatabaseConfigSchema(dsn=dsn)
    assert "ss" not in str(caught.value).replace("password", "").replace("address", "")


@pytest.mark.parametrize("name", ["user", "password", "db"])
def test_repository_p02_overrides_hold_any_character(name: str) -> None:
    value = "a@b:c/d?e#f%41&g=h [i] ü\\'\""
    found = make_url(address(dsn=FULL, **{name: value}))
    assert (found.host, found.port) == ("localhost", 5432)
    assert getattr(found, {"user": "username", "db": "database"}.get(name, name)) == value


def test_repository_p02_a_parameter_cannot_bring_others_along() -> None:
    found = make_url(address(dsn=FULL, params={"application_name": "x&ssl=disable"}, driver="psycopg"))
    assert dict(found.query) == {"application_name": "x&ssl=disable"}


def test_repository_p13_what_is_described_is_what_is_used() -> None:
    assert DatabaseConfigSchema(dsn=FULL, port=6000).describe() == {
        "dialect": "postgresql",
        "driver": "asyncpg",
        "host": "localhost:6000",
        "db": "mydb",
        "user": "user",
    }
    assert DatabaseConfigSchema(dsn="postgresql+psycopg://h/d").describe() == {
        "dialect": "postgresql",
        "driver": "psycopg",
        "host": "h",
        "db": "d",
    }
    assert DatabaseConfigSchema(dsn="sqlite:///x.db").describe() == {
        "dialect": "sqlite",
        "driver": "aiosqlite",
        "file": "x.db",
    }


def test_a_setting_that_was_refused_leaves_the_old_one() -> None:
    database = DatabaseConfigSchema()
    with pytest.raises(ValidationError, match="set `dialect`"):
        database.user = "ann"
    with pytest.raises(ValidationError, match="from 1 to 65535"):
        database.port = "x"  # pyright: ignore[reportAttributeAccessIssue]
    assert (database.user, database.port, address()) == (None, None, "".join(database.build_dsn()))
    database.driver = "asyncpg"
    database.user = "ann"
    assert "".join(database.build_dsn()) == "postgresql+asyncpg://ann@localhost:5432"


def test_a_copy_with_other_values_is_checked() -> None:
    database = DatabaseConfigSchema(dsn=FULL)
    copied = database.model_copy(update={"password": "p2", "port": "6000"})
    assert "".join(copied.build_dsn()) == "postgresql+asyncpg://user:p2@localhost:6000/mydb"
    with pytest.raises(ValidationError, match="did you mean 'port'"):
        database.model_copy(update={"prt": 1})
    assert "".join(database.model_copy(deep=True).build_dsn()) == FULL


def test_the_pools_options_are_those_that_are_set() -> None:
    database = DatabaseConfigSchema(pool_size=3, pool_pre_ping=False)
    assert database.pool_options() == {"pool_size": 3, "pool_pre_ping": False}
    assert DatabaseConfigSchema().pool_options() == {}


def test_settings_may_be_given_as_an_object() -> None:
    found = config(database=DatabaseConfigSchema(dsn=FULL, port=6000))
    assert found.schema.database.describe()["host"] == "localhost:6000"


def test_importing_rowstead_imports_no_configuration() -> None:
    look = "print([m for m in sys.modules if m.startswith('rowstead.config') or m == 'yaml'])"
    program = f"import sys, rowstead, rowstead.cli; rowstead.cli.parser(); {look}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
