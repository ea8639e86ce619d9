"""A password as a server keeps it: what the specifications give, and what PostgreSQL's own library makes."""

from __future__ import annotations

import base64

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.pq import PGconn

from rowstead.setup.passwords import native_hash, prepared, scram_verifier
from servers import Server

# https://www.rfc-editor.org/rfc/rfc7677#section-3
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")


def test_the_verifier_of_the_specifications_example() -> None:
    assert scram_verifier("pencil", SALT) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


def test_each_verifier_has_a_salt_of_its_own() -> None:
    assert scram_verifier("pencil") != scram_verifier("pencil")


@pytest.mark.parametrize(
    ("password", "same_as"),
    [
        # https://www.rfc-editor.org/rfc/rfc4013#section-3
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        # Refused by the rules, and therefore taken as they are.
        ("\u0627\u0031", "\u0627\u0031"),
        ("é\u0007", "é\u0007"),
        ("\u00ad", "\u00ad"),
        ("ä\u0221", "ä\u0221"),
    ],
)
def test_a_password_is_prepared_by_the_rules(password: str, same_as: str) -> None:
    assert prepared(password) == same_as


def test_mariadbs_hash_is_that_of_its_function() -> None:
    # SELECT PASSWORD('password')
    assert native_hash("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


passwords = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def library(postgres_server: Server) -> PGconn:
    """A connection of PostgreSQL's own library, which makes verifiers too."""
    with psycopg.connect(postgres_server.url) as connection:
        yield connection.pgconn


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(password="I\u00adX Ⅸ")
@example(password="\u0627\u0031")
@given(password=passwords)
def test_every_verifier_is_what_postgresqls_library_makes(library: PGconn, password: str) -> None:
    theirs = library.encrypt_password(password.encode(), b"someone", b"scram-sha-256").decode()
    salt = base64.b64decode(theirs.split("$")[1].partition(":")[2])
    assert scram_verifier(password, salt) == theirs
