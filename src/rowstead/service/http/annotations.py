"""What a parameter's annotation lets through, and how OpenRPC spells it: one table of plain types.

Values come from JSON, so that a moment is a text here; such a text is read. What is annotated otherwise (a
type variable, a class) is not checked: its method does that.
"""

from __future__ import annotations

import base64
import enum
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, TypeAlias, Union, cast, get_args, get_origin
from uuid import UUID

JsonSchema: TypeAlias = Mapping[str, Any]


class NotOfType(ValueError):
    """A value that an annotation does not let through; the message says what it does."""

    place = ""
    """Of the part of the value that it is about, `[1][0]`; empty: the value itself."""


@dataclass(frozen=True, slots=True)
class Plain:
    """One type that JSON has, or that has a text there."""

    words: str
    """What a value has to be, for people."""
    schema: JsonSchema
    json_types: tuple[type, ...]
    """What its JSON is in Python, exactly: true is no number."""
    read: Callable[[Any], Any] | None = None
    """Makes the value of that. Raises ValueError, TypeError or ArithmeticError where it is none."""
    parts: Accepted = None
    """What a list's elements, or an object's values, have to be."""


Accepted: TypeAlias = "tuple[Plain, ...] | None"
"""Of these a value must be one; None: anything, it is not checked."""


def _base64(text: str) -> bytes:
    # Both alphabets; what else there may be in the text is refused, not skipped.
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def _decimal(value: Any) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError
    return number


TEXT, LIST, OBJECT = {"type": "string"}, {"type": "array"}, {"type": "object"}
A_LIST = Plain("a list", LIST, (list,))
AN_OBJECT = Plain("an object", OBJECT, (dict,))

PLAIN: Mapping[Any, Plain] = {
    str: Plain("a text", TEXT, (str,)),
    int: Plain("a whole number", {"type": "integer"}, (int,)),
    float: Plain("a number", {"type": "number"}, (int, float)),
    bool: Plain("true or false", {"type": "boolean"}, (bool,)),
    type(None): Plain("null", {"type": "null"}, (type(None),)),
    **dict.fromkeys((list, Sequence, Collection, Iterable), A_LIST),
    **{made: replace(A_LIST, read=made) for made in (tuple, set, frozenset)},
    **dict.fromkeys((dict, Mapping), AN_OBJECT),
    datetime: Plain("a moment in ISO 8601", {**TEXT, "format": "date-time"}, (str,), datetime.fromisoformat),
    date: Plain("a day in ISO 8601", {**TEXT, "format": "date"}, (str,), date.fromisoformat),
    time: Plain("a time of day in ISO 8601", {**TEXT, "format": "time"}, (str,), time.fromisoformat),
    UUID: Plain("a UUID", {**TEXT, "format": "uuid"}, (str,), UUID),
    Decimal: Plain("a decimal number", {"type": ["string", "number"]}, (str, int, float), _decimal),
    bytes: Plain("base64", {**TEXT, "contentEncoding": "base64"}, (str,), _base64),
}


def accepted(annotation: Any) -> Accepted:
    """What this annotation lets through."""
    annotation = _bare(annotation)
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        kinds = [accepted(member) for member in get_args(annotation)]
        return None if None in kinds else tuple(plain for kind in kinds for plain in kind or ())
    if origin is Literal:
        return (_one_of(get_args(annotation), None),)
    if isinstance(annotation, enum.EnumType):
        members = list(cast("Iterable[enum.Enum]", annotation))
        return (_one_of([member.value for member in members], annotation),)
    if typing.is_typeddict(annotation):
        return (AN_OBJECT,)
    plain = _plain(origin or annotation)
    return None if plain is None else (replace(plain, parts=_parts(plain, get_args(annotation))),)


def taken(value: Any, wanted: Accepted) -> Any:
    """The value, read where JSON has it as a text. Raises NotOfType."""
    if wanted is None:
        return value
    of_part: NotOfType | None = None
    for plain in wanted:
        if type(value) in plain.json_types:
            try:
                return _read(value, plain)
            except NotOfType as error:
                of_part = error
            except (ValueError, TypeError, ArithmeticError):
                continue
    if of_part is not None:
        # The kind was right, and of what is in it something was not.
        raise of_part
    words = " or ".join(dict.fromkeys(plain.words for plain in wanted))
    raise NotOfType(f"takes {words}, not {_word_for(value)}")


def schema(wanted: Accepted) -> JsonSchema:
    """What is let through as JSON Schema."""
    if wanted is None:
        return {}
    schemas = [_schema(plain) for plain in wanted]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _bare(annotation: Any) -> Any:
    """Without what is only for other readers: `Annotated`, a name for a type."""
    if annotation is None:
        return type(None)
    if get_origin(annotation) is typing.Annotated:
        return _bare(get_args(annotation)[0])
    if isinstance(annotation, typing.NewType):
        return _bare(annotation.__supertype__)
    # `type X = ...` of Python 3.12 keeps what it names there.
    return _bare(annotation.__value__) if type(annotation).__name__ == "TypeAliasType" else annotation


def _plain(type_: Any) -> Plain | None:
    try:
        return PLAIN.get(type_)
    except TypeError:
        # Not hashable, therefore none of them.
        return None


def _parts(plain: Plain, arguments: Sequence[Any]) -> Accepted:
    wanted = arguments[1:] if dict in plain.json_types else arguments
    if len(wanted) == 1 or (len(wanted) == 2 and wanted[1] is Ellipsis):
        return accepted(wanted[0])
    return None


def _one_of(values: Sequence[Any], made: Callable[[Any], Any] | None) -> Plain:
    def read(value: Any) -> Any:
        if not any(value == each and type(value) is type(each) for each in values):
            raise ValueError
        return made(value) if made else value

    spelled = ", ".join(map(repr, values))
    json_types: set[type[Any]] = {type(each) for each in values}
    return Plain(f"one of {spelled}", {"enum": list(values)}, tuple(json_types), read)


def _read(value: Any, plain: Plain) -> Any:
    if plain.parts is not None:
        if isinstance(value, dict):
            named = cast("dict[str, Any]", value)
            value = {name: _taken_part(name, part, plain.parts) for name, part in named.items()}
        else:
            value = [_taken_part(n, part, plain.parts) for n, part in enumerate(value)]
    return value if plain.read is None else plain.read(value)


def _taken_part(key: str | int, part: Any, wanted: Accepted) -> Any:
    try:
        return taken(part, wanted)
    except NotOfType as error:
        error.place = f"[{key!r}]{error.place}"
        raise


def _schema(plain: Plain) -> JsonSchema:
    if plain.parts is None:
        return plain.schema
    return {
        **plain.schema,
        "additionalProperties" if dict in plain.json_types else "items": schema(plain.parts),
    }


def _word_for(value: object) -> str:
    """What a value is, without the value."""
    words: Mapping[type, str] = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "this text",
        type(None): "null",
    }
    return words.get(type(value)) or ("a list" if isinstance(value, list) else "an object")
