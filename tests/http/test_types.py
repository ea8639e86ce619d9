"""Arguments are held to annotations that are plain types, and read where JSON has only a text for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Generic, NewType, TypedDict, TypeVar

import pytest

from http_server import Server
from public_services import Greeter
from rowstead.service.http.annotations import accepted, schema
from rowstead.service.http.signatures import Signature
from rowstead.service.http.wire_errors import WireError

if TYPE_CHECKING:
    from nowhere import Unknown  # pyright: ignore

T = TypeVar("T")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"on": 1}, "on takes true or false, not a whole number"),
        ({"on": None}, "on takes true or false, not null"),
        ({"on": "true"}, "on takes true or false, not this text"),
        ({"size": "1"}, "size takes a number or null, not this text"),
        ({"size": True}, "size takes a number or null, not true or false"),
        ({"names": "ab"}, "names takes a list or null, not this text"),
        ({"names": [1]}, "names[0] takes a text, not a whole number"),
        ({"by_name": []}, "by_name takes an object or null, not a list"),
        ({"by_name": {"a": "x"}}, "by_name['a'] takes a whole number, not this text"),
        ({"day": "2026-02-30"}, "day takes a day in ISO 8601 or null, not this text"),
        ({"day": 5}, "day takes a day in ISO 8601 or null, not a whole number"),
        ({"key": "7"}, "key takes a UUID or null, not this text"),
        ({"price": "x"}, "price takes a decimal number or null, not this text"),
        ({"price": "NaN"}, "price takes a decimal number or null, not this text"),
        ({"raw": "%"}, "raw takes base64 or null, not this text"),
        ({"kind": "c"}, "kind takes one of 'a', 'b', not this text"),
        ({"colour": "green"}, "colour takes one of 'red', 'blue', not this text"),
        ({"numbers": [[]]}, "numbers[0] takes a whole number, not a list"),
    ],
)
def test_an_argument_of_another_type_is_refused(
    server: Server, arguments: dict[str, Any], words: str
) -> None:
    error = server.fails("greeter.typed", **arguments)
    assert (error.number, error.code, str(error)) == (-32602, "INVALID_PARAMS", words)


def test_texts_are_read_as_what_they_mean(server: Server) -> None:
    assert server.call(
        "greeter.typed",
        on=True,
        size=2,
        names=["a"],
        by_name={"a": 1},
        day="2026-02-03",
        key="00000000-0000-0000-0000-000000000007",
        price="12.50",
        raw="-_8=",
        kind="b",
        colour="blue",
        numbers=[1, 1],
    ) == [
        "True",
        "2",
        "['a']",
        "{'a': 1}",
        "datetime.date(2026, 2, 3)",
        "UUID('00000000-0000-0000-0000-000000000007')",
        "Decimal('12.50')",
        r"b'\xfb\xff'",
        "'b'",
        "<Colour.BLUE: 'blue'>",
        "{1}",
    ]


def test_one_parameter_may_take_several_types(server: Server) -> None:
    assert server.call("greeter.chosen", columns="id") == "'id'"
    assert server.call("greeter.chosen", columns=["id"]) == "['id']"
    assert server.fails("greeter.chosen", columns={}).code == "INVALID_PARAMS"


def test_a_function_that_is_not_asynchronous_may_be_a_route(server: Server) -> None:
    assert server.call("greeter.plain") == "plain"


def test_values_of_every_kind_have_one_form_in_json(server: Server) -> None:
    assert server.call("greeter.values") == {
        "moment": "2026-02-03T04:05:06Z",
        "day": "2026-02-03",
        "length": "PT1H1S",
        "price": "12.50",
        "key": "00000000-0000-0000-0000-000000000007",
        "raw": "-_8=",
        "names": ["a"],
        "colour": "blue",
        "huge": 10**30,
        "nan": "NaN",
    }


@pytest.mark.parametrize(
    "value", ["\u0000", "😀\u2028", 10**400, -0.0, 1e-300, [[]], {"": None}, "x" * 100_000]
)
def test_any_json_comes_back_as_it_was(server: Server, value: Any) -> None:
    assert server.call("greeter.echo", value=value) == value


def test_a_result_that_json_has_no_form_for_is_an_internal_error(server: Server) -> None:
    assert server.fails("greeter.strange").code == "INTERNAL"


class Shape(TypedDict):
    a: int


class Holder(Generic[T]):
    async def method(
        self, id: T, known: int, unknown: Unknown, either: Unknown | int = 1, *, last: str = ""
    ) -> Shape: ...


def test_annotations_that_say_nothing_plain_let_everything_through() -> None:
    signature = Signature.of(Holder[int]().method, "holder.method")
    assert [(each.name, each.accepted is None) for each in signature.parameters] == [
        ("id", True),
        ("known", False),
        ("unknown", True),
        ("either", True),
        ("last", False),
    ]
    assert signature.bind({"id": {}, "known": 1, "unknown": []}) == {"id": {}, "known": 1, "unknown": []}
    with pytest.raises(WireError, match="known takes a whole number, not true or false"):
        signature.bind([1, True, 1])


UserId = NewType("UserId", int)


@pytest.mark.parametrize(
    ("annotation", "wanted"),
    [
        (int, {"type": "integer"}),
        (UserId, {"type": "integer"}),
        (Annotated[str, "words"], {"type": "string"}),
        (Shape, {"type": "object"}),
        (dict[str, Any], {"type": "object"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (frozenset[str], {"type": "array", "items": {"type": "string"}}),
        (None, {"type": "null"}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Any, {}),
        (Greeter, {}),
        (T, {}),
        ([], {}),
    ],
)
def test_an_annotation_has_one_schema(annotation: Any, wanted: Any) -> None:
    assert schema(accepted(annotation)) == wanted
