"""JSON from strangers is read strictly, and what goes back has one form."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from rowstead.service.http.json_text import NotJson, TooDeep, deeper_than, read, write

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    max_leaves=20,
)


@given(JSON)
def test_what_is_written_is_read_again(value: object) -> None:
    assert read(write(value), 50) == value


@given(st.binary())
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    try:
        value = read(text, 5)
    except (NotJson, TooDeep):
        return
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "Expecting value"),
        (b'{"a": 1', "Expecting"),
        (b'{"a": 1, "a": 2}', "the same name twice"),
        (b'[{"b": {"a": 1, "a": 1}}]', "the same name twice"),
        (b"NaN", "NaN"),
        (b'{"a": -Infinity}', "NaN and Infinity"),
        (b"1e999", "too large"),
        (b"9" * 5000, "too many digits"),
        (b'"\xff"', "not UTF-8"),
        (b'\xef\xbb\xbf"bom"', "Expecting value"),
        (b'"\\ud800"', "half a surrogate"),
        (b'{"\\udc00": 1}', "half a surrogate"),
        (b'"\x00"', "control character"),
        (b"'a'", "Expecting value"),
        (b"[1] [2]", "Extra data"),
        (b"{a: 1}", "property name"),
        (b"[1,]", "Expecting value|trailing comma"),
    ],
)
def test_what_is_no_json_is_refused_and_not_repeated(text: bytes, why: str) -> None:
    with pytest.raises(NotJson, match=why):
        read(text, 50)


@pytest.mark.parametrize("text", [b'"\\ud83d\\ude00"', b'"\\u0000"', b"-0", b"1e5", b'{"a": null}'])
def test_what_is_json_is_read_as_python_reads_it(text: bytes) -> None:
    assert read(text, 1) == json.loads(text)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_text_may_be_as_deep_as_allowed_and_no_deeper(opening: bytes, closing: bytes) -> None:
    def nested(depth: int) -> bytes:
        return opening * (depth - 1) + b"[]" + closing * (depth - 1)

    read(nested(7), 7)
    with pytest.raises(TooDeep):
        read(nested(8), 7)
    with pytest.raises(TooDeep):
        read(nested(100_000), 7)


def test_width_is_no_depth() -> None:
    assert not deeper_than([[]] * 1000, 2)
    assert deeper_than([[1], [[]]], 2)
    assert not deeper_than(1, 1)


class Model(BaseModel):
    a: int


@dataclasses.dataclass
class Data:
    a: int


def test_models_and_dataclasses_are_written_as_objects() -> None:
    assert write([Model(a=1), Data(2)]) == b'[{"a":1},{"a":2}]'


def test_what_has_no_form_is_an_error_and_no_text() -> None:
    with pytest.raises(ValueError, match="object"):
        write({"a": object()})
