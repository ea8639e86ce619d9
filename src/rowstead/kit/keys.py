"""Encoders of keys to text, byte for byte those of the other languages' kits.

A component is `{"int": n}`, `{"text": s}` or `{"null": True}`; the first of these keys that it has
counts. The order of the encoded keys is not the order of the numbers in them. A constraint's or a
table's name stands in the text as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rowstead.errors import ValidationError
from rowstead.values.widths import bounds

_LEAST, _GREATEST = bounds(64)
_VERSIONS = 1 << 32


def encode_pk(components: Iterable[Mapping[str, Any]]) -> str:
    """A primary key: its components, joined by colons.

    Raises ValidationError for what is no component and TypeError for what holds none.
    """
    return ":".join([_component(component) for component in components])


def encode_unique_key(version: int, constraint: str, components: Iterable[Mapping[str, Any]]) -> str:
    """A value of a unique constraint.

    Raises OverflowError for a version beyond 32 bits, TypeError for one that is no whole number and
    for a name that is no text.
    """
    if type(version) is not int:
        raise TypeError(f"version is a whole number, not {type(version).__name__}")
    if not 0 <= version < _VERSIONS:
        raise OverflowError(f"version is from 0 to {_VERSIONS - 1}, not {version}")
    return f"uq:{version}:{_name('constraint', constraint)}:{encode_pk(components)}"


def encode_row_guard_key(table: str, components: Iterable[Mapping[str, Any]]) -> str:
    """The guard of one row. Raises TypeError for a name that is no text."""
    return f"rg:{_name('table', table)}:{encode_pk(components)}"


def _name(what: str, given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"{what} is a str, not {type(given).__name__}")
    return _whole_text(given)


def _component(component: Any) -> str:
    if isinstance(component, Mapping):
        if "int" in component:
            return _int(component["int"])
        if "text" in component:
            return _text(component["text"])
        if "null" in component:
            return "n:null"
    raise ValidationError(
        f'invalid key component: {component!r}; write {{"int": 1}}, {{"text": "a"}} or {{"null": true}}'
    )


def _int(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not _LEAST <= value <= _GREATEST:
        raise ValidationError("int component must be an integer of 64 bits")
    return f"i:{int(value)}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValidationError("text component must be a string")
    return "s:" + _whole_text(value).replace("\\", "\\\\").replace(":", "\\:")


def _whole_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValidationError("a text with half a surrogate pair has no bytes to encode it by") from None
    return text
