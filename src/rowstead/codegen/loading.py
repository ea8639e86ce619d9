"""Validating a mapped object by what is loaded of it.

A schema that reads from attributes would ask a mapped object for relationships that are not loaded:
under asyncio that is an error, otherwise a query for each, and two objects that refer to each other
would never end. It answers for what a schema may see of an object; what it makes of it, it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from pydantic import ModelWrapValidatorHandler
from sqlalchemy import orm

S = TypeVar("S")

_under_way: ContextVar[tuple[object, ...]] = ContextVar("rowstead_objects_under_way", default=())
"""The objects that are being validated at this moment, the outermost first."""


def validate_loaded(value: Any, handler: ModelWrapValidatorHandler[S]) -> S:
    """Validate a mapped object without the relationships that are not loaded, or that lead back to an
    object that is being validated already: they take their default. Any other value as it is."""
    state: Any = sa.inspect(value, raiseerr=False)
    if not isinstance(state, orm.InstanceState):
        return handler(value)
    token = _under_way.set((*_under_way.get(), value))
    try:
        return handler(_Loaded(value))
    finally:
        _under_way.reset(token)


class _Loaded:
    """A mapped object as far as it is loaded."""

    __slots__ = ("_object",)

    def __init__(self, mapped: Any) -> None:
        self._object = mapped

    def __getattr__(self, name: str) -> Any:
        state: orm.InstanceState[Any] = sa.inspect(self._object)
        if name not in state.mapper.relationships:
            return getattr(self._object, name)
        if name in state.unloaded:
            raise AttributeError(name)
        return _onwards(getattr(self._object, name), name)


def _onwards(value: Any, name: str) -> Any:
    """What a relationship leads to, without the objects under way."""
    under_way = _under_way.get()

    def is_new(other: object) -> bool:
        return not any(other is one for one in under_way)

    if isinstance(value, dict):
        keyed = cast("dict[object, object]", value)
        return {key: other for key, other in keyed.items() if is_new(other)}
    if isinstance(value, list | set | tuple | frozenset):
        return [other for other in cast("Iterable[object]", value) if is_new(other)]
    if not is_new(value):
        raise AttributeError(name)
    return value
