"""Errors on the wire: a stable code and number for each, and nothing of what is behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from http_server import Server
from public_services import ERRORS as RAISED
from rowstead import errors
from rowstead.errors import RowsteadError, ValidationError
from rowstead.service.http.wire_errors import ERRORS, WireError

DOCS = Path(__file__).parent.parent.parent / "docs" / "service" / "http-errors.md"

MISTAKES = {
    "ERROR",
    "ROW",
    "STATEMENT",
    "USAGE",
    "TRANSACTION_FAILED",
    "HANDLE_CLOSED",
    "MIGRATION",
    "PRIVILEGE",
}
"""Codes of what is wrong with the service or its set-up: a stranger is told nothing of it."""

SECRET = "s3cret-value"


def classes(base: type[RowsteadError] = RowsteadError) -> Iterator[type[RowsteadError]]:
    yield base
    for each in base.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from classes(each)


def raised(server: Server, error: BaseException, **named: Any) -> WireError | Any:
    RAISED["now"] = error
    try:
        return server.fails("greeter.fail", how="now", **named)
    finally:
        del RAISED["now"]


def test_every_error_of_rowstead_has_a_place_on_the_wire_or_is_a_mistake_of_the_services() -> None:
    codes = {each.code for each in classes()}
    assert codes - ERRORS.keys() == MISTAKES


def test_every_code_is_in_the_documentation_with_its_numbers() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (-?\d+) \| (\d+) \|", DOCS.read_text(), re.M)
    assert {(code, int(number), int(status)) for code, number, status in rows} == {
        (code, kind.number, kind.status) for code, kind in ERRORS.items()
    }


def test_numbers_are_those_of_json_rpc_or_of_http() -> None:
    assert all(-32700 <= kind.number <= -32600 or 400 <= kind.number < 600 for kind in ERRORS.values())
    assert all(kind.status == 200 or 400 <= kind.status < 600 for kind in ERRORS.values())


@pytest.mark.parametrize(
    "cls", sorted(set(classes()), key=lambda each: each.__name__), ids=lambda c: c.__name__
)
def test_no_error_of_a_database_says_what_the_database_said(server: Server, cls: type[RowsteadError]) -> None:
    error = cls(
        f"SELECT {SECRET} FROM users", table="users", column="email", constraint="users_email_key", pk=SECRET
    )
    error.__cause__ = Exception(f"driver: {SECRET}")
    found = raised(server, error)
    assert SECRET not in str(found) + repr(found.data)
    assert "SELECT" not in str(found)
    if cls.code in MISTAKES:
        assert (found.number, found.code, set(found.data)) == (-32603, "INTERNAL", {"code", "incident"})
        return
    assert (found.number, found.code, str(found)) == (
        ERRORS[cls.code].number,
        cls.code,
        ERRORS[cls.code].sentence,
    )
    told = {"code": cls.code, "table": "users", "column": "email", "constraint": "users_email_key"}
    assert found.data == ({**told, "retryable": True} if cls.retryable else told)


@pytest.mark.parametrize(
    "error", [KeyError(SECRET), RuntimeError(f"password={SECRET}"), ExceptionGroup("g", [OSError(SECRET)])]
)
def test_an_unknown_error_tells_only_where_it_stands_in_the_log(
    server: Server, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    found = raised(server, error)
    assert (found.number, str(found), found.code) == (-32603, "internal error", "INTERNAL")
    assert set(found.data) == {"code", "incident"}
    (line,) = [each for each in caplog.records if each.name == "rowstead.service.http.errors"]
    assert line.getMessage() == f"greeter.fail failed, incident {found.data['incident']}"
    assert line.exc_info is not None
    assert line.exc_info[1] is error


def test_what_rowstead_says_of_the_input_is_told(server: Server) -> None:
    error = ValidationError("there is no operator 'gtt'; did you mean 'gt'?")
    assert str(raised(server, error)) == "there is no operator 'gtt'; did you mean 'gt'?"


def test_a_column_that_the_caller_did_not_name_is_not_described(server: Server) -> None:
    """A hook gave its value, which may be anybody's."""
    error = ValidationError(f"column 'hash' takes int, not {SECRET}", column="hash")
    assert str(raised(server, error)) == ERRORS["VALIDATION"].sentence
    named = ValidationError("column 'how' takes int", column="how")
    assert str(raised(server, named)) == "column 'how' takes int"


def test_a_long_message_is_cut(server: Server) -> None:
    message = str(raised(server, ValidationError("x" * 100_000)))
    assert message == "x" * 299 + "…"


def test_the_place_of_a_row_among_many_is_told(server: Server) -> None:
    error = errors.DuplicateError("duplicate")
    error.place = 3
    assert raised(server, error).data == {"code": "DUPLICATE", "place": 3}


def test_a_control_that_pastes_the_error_is_caught(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that let every message through would fail the tests above."""
    from rowstead.service.http import wire_errors

    monkeypatch.setattr(wire_errors, "_own_words", lambda error, _params: str(error))
    assert SECRET in str(raised(server, errors.DuplicateError(f"Key (email)=({SECRET}) exists")))
