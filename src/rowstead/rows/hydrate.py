"""Makes many rows at once where validating each could change nothing.

Validation is skipped only where it is known to give the very object that is made here:

- the model's core schema, read once, is nothing but plain fields (no validators, constraints,
  aliases, private attributes, settings), and the statement gives every field, in order;
- each batch is looked at column by column: every value is exactly of the type that its field's
  schema passes through, or None where it may be.

Anything else is None, "validate it", so errors and conversions are validation's alone. Must not know
databases: what a column holds is seen, not believed. (Strings are taken to be well formed Unicode, as
every driver decodes them.)
"""

from __future__ import annotations

import datetime
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_core import SchemaValidator

from rowstead.plan import Record
from rowstead.tables.schema import Decode

WORTHWHILE = 32
"""Rows from which making them at once is faster than validating each."""

# Decimal is not here: its schema refuses NaN, which a type does not tell.
_PASSED_THROUGH: Mapping[str, type] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "bytes": bytes,
    "date": datetime.date,
    "time": datetime.time,
    "datetime": datetime.datetime,
    "timedelta": datetime.timedelta,
    "uuid": uuid.UUID,
}
# What each schema may say. A key that is not here may mean a check or a change: then it is validated.
_MODEL_KEYS = frozenset({"type", "cls", "schema", "custom_init", "root_model", "config", "ref", "metadata"})
_FIELDS_KEYS = frozenset({"type", "fields", "model_name", "computed_fields"})
_FIELD_KEYS = frozenset({"type", "schema", "metadata"})
_DEFAULT_KEYS = frozenset({"type", "schema", "default", "default_factory", "default_factory_takes_data"})
_NULLABLE_KEYS = frozenset({"type", "schema"})
_SCALAR_KEYS = frozenset({"type", "microseconds_precision"})

_SHARED = frozenset({type(None), *_PASSED_THROUGH.values()})
"""Types of defaults that all rows may share."""
_MODEL_CONSTRUCT = BaseModel.model_construct.__func__
M = TypeVar("M", bound=BaseModel)

_set_dict: Callable[[Any, Any], None] = BaseModel.__dict__["__dict__"].__set__
_set_fields_set: Callable[[Any, Any], None] = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra: Callable[[Any, Any], None] = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private: Callable[[Any, Any], None] = BaseModel.__dict__["__pydantic_private__"].__set__


def at_once(
    model: type[BaseModel], names: Sequence[str], decoders: Sequence[Decode]
) -> Callable[[Sequence[Record]], list[Any] | None] | None:
    """What makes rows of records of these columns, or None for a batch that must be validated.

    None where every batch must be.
    """
    accepted = plain_fields(model)
    if accepted is None or list(names) != list(accepted):
        return None
    columns = [
        (itemgetter(i), decode, accepted[name])
        for i, (name, decode) in enumerate(zip(names, decoders, strict=True))
    ]
    decodes = any(decode is not None for decode in decoders)
    names = tuple(names)
    given = frozenset(names)

    def make(records: Sequence[Record]) -> list[Any] | None:
        if not decodes:
            for value_of, _, types in columns:
                if not types.issuperset(map(type, map(value_of, records))):
                    return None
            # Saying `strict` would cost a third more for each row.
            return _rows(model, [dict(zip(names, record)) for record in records], given)  # noqa: B905
        values: list[list[Any]] = []
        for value_of, decode, types in columns:
            column = list(map(value_of, records))
            if decode is not None:
                try:
                    column = list(map(decode, column))
                except (ValueError, ArithmeticError):
                    return None
            if not types.issuperset(map(type, column)):
                return None
            values.append(column)
        return _rows(model, [dict(zip(names, row)) for row in zip(*values, strict=True)], given)  # noqa: B905

    return make


def _rows(model: type[BaseModel], fields: list[dict[str, Any]], given: frozenset[str]) -> list[Any]:
    rows = list(map(model.__new__, repeat(model, len(fields))))
    exhaust = deque[None](maxlen=0).extend
    exhaust(map(_set_dict, rows, fields))
    exhaust(map(_set_fields_set, rows, map(set, repeat(given))))
    exhaust(map(_set_extra, rows, repeat(None)))
    exhaust(map(_set_private, rows, repeat(None)))
    return rows


def unchecked(model: type[M], fields: dict[str, Any], given: set[str]) -> M:
    """One row of these fields, as `model_construct` makes it of a class that has `plain_defaults`."""
    row = model.__new__(model)
    _set_dict(row, fields)
    _set_fields_set(row, given)
    _set_extra(row, None)
    _set_private(row, None)
    return row


def plain_defaults(model: type[BaseModel]) -> dict[str, Any] | None:
    """The defaults of the fields that have one; None where `model_construct` does more than take them."""
    inherited = getattr(model.model_construct, "__func__", None) is _MODEL_CONSTRUCT
    if not inherited or model.__new__ is not object.__new__ or not model.__pydantic_complete__:
        return None
    if model.__pydantic_post_init__ or model.__pydantic_root_model__:
        return None
    if model.model_config.get("extra") == "allow":
        return None
    optional = {name: field for name, field in model.model_fields.items() if not field.is_required()}
    # A factory makes each row its own, and so does the copy of a default that can be changed.
    if any(f.default_factory is not None or type(f.default) not in _SHARED for f in optional.values()):
        return None
    return {name: field.default for name, field in optional.items()}


def plain_fields(model: type[BaseModel]) -> Mapping[str, frozenset[type]] | None:
    """For each field, in order, the types that validation passes through; None where it does more."""
    schema: Any = model.__pydantic_core_schema__
    if model.__new__ is not object.__new__ or not _says_only(schema, "model", _MODEL_KEYS):
        return None
    if not isinstance(model.__pydantic_validator__, SchemaValidator):
        return None  # a Pydantic plugin watches every validation
    if schema["cls"] is not model or schema.get("custom_init") or schema.get("root_model"):
        return None
    if schema.get("config", {}).keys() - {"title"}:
        return None
    if not _says_only(schema["schema"], "model-fields", _FIELDS_KEYS):
        return None
    accepted: dict[str, frozenset[type]] = {}
    for name, field in schema["schema"]["fields"].items():
        types = _accepted(field["schema"]) if _says_only(field, "model-field", _FIELD_KEYS) else None
        if types is None:
            return None
        accepted[name] = types
    return accepted


def _accepted(schema: Any) -> frozenset[type] | None:
    if _says_only(schema, "default", _DEFAULT_KEYS):
        # Every field is given, so its default never comes in.
        schema = schema["schema"]
    nullable = _says_only(schema, "nullable", _NULLABLE_KEYS)
    if nullable:
        schema = schema["schema"]
    type_ = _PASSED_THROUGH.get(schema["type"])
    if type_ is None or not _says_only(schema, schema["type"], _SCALAR_KEYS):
        return None
    return frozenset({type_, type(None)}) if nullable else frozenset({type_})


def _says_only(schema: Any, type_: str, keys: frozenset[str]) -> bool:
    # A class that waits for a forward reference has a stand-in for its schema.
    return hasattr(schema, "items") and schema["type"] == type_ and keys.issuperset(schema)
