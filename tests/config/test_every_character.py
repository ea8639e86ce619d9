"""Whatever text a user, a password, a host or a name is: it comes out of the built address as it went in."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from rowstead.config import DatabaseConfigSchema
from rowstead.drivers.addresses import parse, safe_url

SPECIAL = st.sampled_from([*"@:/?#%&=+[]()'\"\\ $\n\t;,", "%41", "%zz", "${", "://", "ü", "日", "💾"])
ANY = st.characters(codec="utf-8", exclude_characters="\0")
TEXTS = st.one_of(st.text(ANY, min_size=1), st.lists(SPECIAL, min_size=1).map("".join))
WORDS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(WORDS, min_size=1, max_size=4).map(".".join)
ADDRESSES = st.one_of(NAMES, st.ip_addresses().map(str))
PORTS = st.integers(1, 65535)
DRIVERS = st.sampled_from(["asyncpg", "psycopg", "asyncmy", "aioodbc", "oracledb"])


@given(user=TEXTS, password=TEXTS, host=ADDRESSES, port=PORTS, db=TEXTS, driver=DRIVERS)
def test_a_server_address_survives(
    user: str, password: str, host: str, port: int, db: str, driver: str
) -> None:
    keys: dict[str, Any] = {"user": user, "password": password, "host": host, "port": port, "db": db}
    database = DatabaseConfigSchema(driver=driver, **keys)
    found = make_url("".join(database.build_dsn()))
    assert (found.username, found.password, found.host, found.port, found.database) == (
        user,
        password,
        host,
        port,
        db,
    )
    # Read as a configuration's DSN it is the same address again.
    again = DatabaseConfigSchema(dsn=database.build_dsn())
    assert again.url == database.url
    assert again.describe() == database.describe()


@given(user=TEXTS, password=TEXTS, host=ADDRESSES, port=PORTS, db=TEXTS)
def test_our_own_url_says_to_libpq_what_was_meant(
    user: str, password: str, host: str, port: int, db: str
) -> None:
    # libpq reads no NUL and no name with spaces around it; the server knows none either.
    if "\0" in user + password + db:
        return
    database = DatabaseConfigSchema(
        driver="psycopg", user=user, password=password, host=host, port=port, db=db
    )
    found = conninfo_to_dict(parse("".join(database.core_url())).dsn)
    assert found == {"user": user, "password": password, "host": host, "port": str(port), "dbname": db}


@given(value=TEXTS, name=st.sampled_from(["application_name", "options", "sslrootcert"]))
def test_a_parameter_survives_in_both_urls(value: str, name: str) -> None:
    for driver in ("asyncpg", "psycopg"):
        database = DatabaseConfigSchema(driver=driver, db="d", params={name: value})
        assert conninfo_to_dict(parse("".join(database.core_url())).dsn)[name] == value
        again = DatabaseConfigSchema(dsn=database.build_dsn())
        assert again.core_url() == database.core_url()


@given(path=TEXTS)
def test_a_sqlite_path_survives(path: str) -> None:
    database = DatabaseConfigSchema(dialect="sqlite", db=path)
    assert make_url("".join(database.build_dsn())).database == path
    assert parse("".join(database.core_url())).path == path


@given(hosts=st.lists(st.tuples(ADDRESSES, PORTS), min_size=2, max_size=4), password=TEXTS)
def test_a_list_of_hosts_survives(hosts: list[tuple[str, int]], password: str) -> None:
    spelled = ",".join(f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name, port in hosts)
    database = DatabaseConfigSchema(driver="asyncpg", user="u", password=password, host=spelled, db="d")
    _, arguments = PGDialect_asyncpg().create_connect_args(make_url("".join(database.build_dsn())))
    assert list(zip(arguments["host"], arguments["port"], strict=True)) == hosts
    assert database.core_url().rpartition("@")[2] == f"{spelled}/d"


@given(user=TEXTS, password=st.text("abcdefgh@/:?#%", min_size=1).map("hunter2".__add__))
def test_what_is_shown_has_no_password_in_it(user: str, password: str) -> None:
    assume("hunter2" not in user)
    database = DatabaseConfigSchema(driver="asyncpg", user=user, password=password, db="d")
    for shown in (repr(database), repr(database.build_dsn()), repr(database.core_url()), repr(database.url)):
        assert "hunter2" not in shown
    assert "hunter2" in "".join(database.build_dsn())
    assert "hunter2" not in safe_url(database.build_dsn())
