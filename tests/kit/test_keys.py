"""The key encoders give the bytes that every language's kit gives, and refuse what none of them takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rowstead import ValidationError
from rowstead.kit import keys

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "key_vectors.json").read_text("utf-8")
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['fn']}-{v['out'][:30]!r}")
def test_every_vector_is_encoded_to_the_byte(vector: dict[str, Any]) -> None:
    encoded = getattr(keys, vector["fn"])(*vector["args"])
    assert encoded == vector["out"]
    assert encoded.encode().hex() == vector["hex"]


def test_all_vectors_are_here() -> None:
    assert len(VECTORS) == 114
    assert {v["fn"] for v in VECTORS} == {"encode_pk", "encode_unique_key", "encode_row_guard_key"}


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 2**63, -(2**63) - 1, [1]])
def test_an_int_component_is_an_integer_of_64_bits(value: Any) -> None:
    with pytest.raises(ValidationError, match="int component must be an integer"):
        keys.encode_pk([{"int": value}])


@pytest.mark.parametrize("value", [1, None, b"a", ["a"], True])
def test_a_text_component_is_a_str(value: Any) -> None:
    with pytest.raises(ValidationError, match="text component must be a string"):
        keys.encode_pk([{"text": value}])


@pytest.mark.parametrize("component", [{}, {"bool": True}, {"float": 1.5}, 1, "a", None, ["int", 1]])
def test_an_unknown_component_is_refused(component: Any) -> None:
    with pytest.raises(ValidationError, match="invalid key component"):
        keys.encode_pk([component])


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ValidationError, match="surrogate"):
        keys.encode_pk([{"text": "\ud800"}])


@pytest.mark.parametrize("components", [1, None])
def test_components_must_be_iterable(components: Any) -> None:
    with pytest.raises(TypeError):
        keys.encode_pk(components)


@pytest.mark.parametrize(
    ("version", "error"), [(-1, OverflowError), (2**32, OverflowError), ("1", TypeError), (1.0, TypeError)]
)
def test_a_version_has_32_bits(version: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="version"):
        keys.encode_unique_key(version, "uq", [{"int": 1}])


@pytest.mark.parametrize("name", [1, None, b"t"])
def test_a_name_is_a_str(name: Any) -> None:
    with pytest.raises(TypeError, match="is a str"):
        keys.encode_unique_key(1, name, [])
    with pytest.raises(TypeError, match="is a str"):
        keys.encode_row_guard_key(name, [])


def test_the_first_known_key_of_a_component_counts() -> None:
    assert keys.encode_pk([{"null": False}]) == "n:null"
    assert keys.encode_pk([{"text": "a", "int": 1, "other": 2}]) == "i:1"
    assert keys.encode_pk(iter([{"int": 1}, {"text": "a:b"}])) == "i:1:s:a\\:b"
