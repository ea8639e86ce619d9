"""Database URLs: what is understood, what is refused and how, and that passwords never show."""

from __future__ import annotations

import importlib.util

import pytest

from rowstead.drivers import addresses
from rowstead.drivers.addresses import ASYNC_DRIVERS, SYNC_DRIVERS, Address, choose, parse, safe_url
from rowstead.drivers.mysql_settings import read_url
from rowstead.drivers.sqlite import SQLiteDriver
from rowstead.drivers.urls import Options, make_driver
from rowstead.errors import ValidationError


@pytest.mark.parametrize(
    ("url", "path", "mode"),
    [
        ("sqlite:///file.db", "file.db", "rwc"),
        ("sqlite:////var/data/file.db", "/var/data/file.db", "rwc"),
        ("SQLite:///file.db", "file.db", "rwc"),
        ("sqlite+aiosqlite:///file.db", "file.db", "rwc"),
        ("sqlite:///:memory:", ":memory:", "rwc"),
        ("sqlite://", ":memory:", "rwc"),
        ("sqlite:///with%20space%3F%25.db", "with space?%.db", "rwc"),
        ("sqlite:///file.db?mode=ro", "file.db", "ro"),
        ("sqlite:///odd#name@x:1.db", "odd#name@x:1.db", "rwc"),
    ],
)
def test_rows_d20_a_sqlite_url_names_exactly_one_file(url: str, path: str, mode: str) -> None:
    assert parse(url) == Address("sqlite", path=path, mode=mode)


@pytest.mark.parametrize(
    "url", ["sqlite://x.db", "sqlite://data/x.db", "sqlite://:memory:", "sqlite://localhost/x.db"]
)
def test_rows_d20_two_slashes_are_an_error_that_says_to_write_three(url: str) -> None:
    with pytest.raises(ValidationError, match=r"three slashes.*sqlite:///"):
        parse(url)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("sqlite:///x.db?mode=readonly", "mode=readonly"),
        ("sqlite:///x.db?mod=ro", "did you mean 'mode'"),
        ("sqlite:///x.db?cache=shared", "no parameter 'cache'"),
        ("sqlite:///:memory:?mode=ro", "needs a file"),
        ("sqlite:///", "needs a file"),
        ("sqlite:///a%00b", "needs a file"),
    ],
)
def test_rows_d20_a_parameter_is_understood_or_refused(url: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        parse(url)


@pytest.mark.parametrize(
    ("scheme", "driver"),
    [
        ("postgresql", None),
        ("POSTGRES", None),
        ("postgresql+asyncpg", "asyncpg"),
        ("postgres+asyncpg", "asyncpg"),
        ("PostgreSQL+Psycopg", "psycopg"),
    ],
)
def test_a_postgresql_url_keeps_all_but_its_scheme(scheme: str, driver: str | None) -> None:
    rest = "ann:s%40crt@one:5432,two:5433/name?target_session_attrs=primary"
    assert parse(f"{scheme}://{rest}") == Address("postgresql", driver, dsn=f"postgresql://{rest}")


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("postgresq://ann:hush@h/d", "did you mean 'postgresql'"),
        ("sqlit:///x.db", "did you mean 'sqlite'"),
        ("oracle://ann:hush@h/d", "Known|known"),
        ("", "no database URL"),
        ("ann:hush@h/d", "no database URL"),
        ("file.db", "no database URL"),
    ],
)
def test_a_misspelt_url_is_an_error_that_says_which_are_known(url: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint) as caught:
        parse(url)
    assert "hush" not in str(caught.value)
    assert "sqlite" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hush@host:5432/name",
        "postgresql://ann:hu@sh/x?y@host/name",
        "postgresql://ann:hush@one:1,two:2/name",
        "postgresql://host/name?user=ann&password=hush&sslmode=require",
        "postgresql://host/name?sslpassword=hush",
        "ann:hush@host/name",
        "host=h password=hush dbname=name",
        "host=h password='hush hush' dbname=name",
        "postgresql://:hush@host/name",
    ],
)
def test_a_shown_url_holds_no_password_and_still_its_name(url: str) -> None:
    shown = safe_url(url)
    assert "hush" not in shown
    assert "hu@sh" not in shown
    assert "***" in shown
    assert "name" in shown or "sslpassword" in shown


def test_a_url_without_password_is_shown_as_it_is() -> None:
    for url in ("sqlite:///file.db?mode=ro", "postgresql://ann@host:5432/name", "postgresql://host/name"):
        assert safe_url(url) == url


def test_an_address_shows_no_password() -> None:
    assert "hush" not in repr(parse("postgresql://ann:hush@host/name"))


def test_a_plain_url_takes_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    assert choose(parse("postgresql://h/d"), ASYNC_DRIVERS) == "asyncpg"
    assert choose(parse("postgresql://h/d"), SYNC_DRIVERS) == "psycopg"
    monkeypatch.setattr(addresses, "find_spec", lambda name: None if name == "asyncpg" else real(name))
    assert choose(parse("postgresql://h/d"), ASYNC_DRIVERS) == "psycopg"
    with pytest.raises(ImportError, match=r"pip install 'rowstead\[asyncpg\]'"):
        choose(parse("postgresql+asyncpg://h/d"), ASYNC_DRIVERS)


def test_an_asynchronous_driver_is_refused_in_synchronous_code() -> None:
    with pytest.raises(ValidationError, match=r"asyncpg is asynchronous only; use postgresql\+psycopg"):
        choose(parse("postgresql+asyncpg://h/d"), SYNC_DRIVERS)


def test_a_sqlite_url_makes_our_own_driver() -> None:
    driver = make_driver("sqlite:///x.db", Options(max_size=2))
    assert isinstance(driver, SQLiteDriver)
    assert (driver.path, driver.codec, driver.paramstyle) == ("x.db", "sqlite", "qmark")


# ── MariaDB ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "MySQL", "mysql+asyncmy", "mariadb+aiomysql"])
def test_a_mariadb_url_is_read_whole(scheme: str) -> None:
    address = parse(f"{scheme}://%C3%B6:p%40%2F%3A@[::1]:3307/app?unix_socket=/run/s&ssl=false")
    assert address.database == "mariadb"
    settings = read_url(address.dsn)
    assert (settings.host, settings.port, settings.user, settings.database) == ("::1", 3307, "ö", "app")
    assert str(settings.password) == "p@/:"
    assert (settings.unix_socket, settings.tls) == ("/run/s", None)
    assert "p@" not in repr(settings)
    assert "p%40" not in repr(address)


def test_each_world_has_its_drivers_for_mariadb(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = parse("mysql://h/db")
    assert (choose(plain, ASYNC_DRIVERS), choose(plain, SYNC_DRIVERS)) == ("asyncmy", "pymysql")
    assert choose(parse("mariadb+aiomysql://h/db"), ASYNC_DRIVERS) == "aiomysql"
    with pytest.raises(ValidationError, match=r"asyncmy is asynchronous only.*pymysql.*synchronous"):
        choose(parse("mysql+asyncmy://h/db"), SYNC_DRIVERS)
    with pytest.raises(ValidationError, match=r"pymysql is synchronous only.*asyncmy.*asynchronous"):
        choose(parse("mysql+pymysql://h/db"), ASYNC_DRIVERS)
    missing = {"asyncmy"}
    monkeypatch.setattr(addresses, "find_spec", lambda name: None if name in missing else object())
    assert choose(plain, ASYNC_DRIVERS) == "aiomysql"
    missing.add("aiomysql")
    with pytest.raises(ImportError, match=r"MariaDB needs asyncmy.*rowstead\[mysql\]"):
        choose(plain, ASYNC_DRIVERS)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("mysql://u:secret@h/db?charset=latin1", "charset"),
        ("mysql://u:secret@h/db?ssl_caa=x", "did you mean 'ssl_ca'"),
        ("mysql://u:secret@h/db?ssl=perhaps", "neither true nor false"),
        ("mysql://u:secret@a,b/db", "one host"),
        ("mysql://u:sec@ret@h/db", "percent-encoded"),
        ("mysql://u:secret@h:port/db", "percent-encoded"),
    ],
)
def test_what_is_wrong_with_a_mariadb_url_is_told_without_its_password(url: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint) as told:
        read_url(parse(url).dsn)
    assert "secret" not in str(told.value)
    assert told.value.__context__ is None
