"""How a method is called from outside: its parameters without those that are the program's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, get_type_hints

from rowstead.errors import UsageError, did_you_mean
from rowstead.service.http.annotations import Accepted, NotOfType, accepted, taken
from rowstead.service.http.wire_errors import WireError

OWN = "_"
"""A parameter that begins so is the program's own, `_connection` for one. Nobody reaches it from outside."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One that a stranger may give."""

    name: str
    accepted: Accepted
    required: bool
    default: Any = None


@dataclass(frozen=True, slots=True)
class Signature:
    """What a method takes from outside, in order, and what it gives."""

    parameters: tuple[Parameter, ...]
    returned: Accepted

    @classmethod
    def of(cls, method: Callable[..., Any], called: str) -> Signature:
        """Read once, from the method. Raises UsageError for one that cannot be called from outside."""
        if inspect.isasyncgenfunction(method) or inspect.isgeneratorfunction(method):
            raise UsageError(
                f"{called} gives its values one by one and cannot be called from outside; give a list"
            )
        try:
            signature = inspect.signature(method)
        except ValueError as error:
            raise UsageError(
                f"{called} has no signature to be called by: {error}; wrap it in a method"
            ) from error
        parameters: list[Parameter] = []
        for each in signature.parameters.values():
            if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
                continue
            required = each.default is each.empty
            if each.name.startswith(OWN):
                if required:
                    raise UsageError(f"{called} requires {each.name}, which nobody can give from outside")
                continue
            if each.kind is each.POSITIONAL_ONLY:
                raise UsageError(f"{called} takes {each.name} by position only; let it be given by name, too")
            annotation = _annotation(method, each.annotation)
            parameters.append(
                Parameter(each.name, accepted(annotation), required, None if required else each.default)
            )
        return cls(tuple(parameters), accepted(_annotation(method, signature.return_annotation)))

    def bind(self, params: list[Any] | dict[str, Any]) -> dict[str, Any]:
        """The arguments by name. Raises WireError where they do not fit."""
        given = self._by_name(params) if isinstance(params, list) else params
        known = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in known:
                raise _unfit(f"there is no parameter {name!r}; {did_you_mean(name, known)}")
        missing = [each.name for each in self.parameters if each.required and each.name not in given]
        if missing:
            raise _unfit(f"missing: {', '.join(missing)}")
        return {
            each.name: _argument(each, given[each.name]) for each in self.parameters if each.name in given
        }

    def _by_name(self, params: list[Any]) -> dict[str, Any]:
        if len(params) > len(self.parameters):
            names = ", ".join(each.name for each in self.parameters)
            raise _unfit(
                f"{len(params)} parameters are given; there are {len(self.parameters)}: {names or 'none'}"
            )
        return {each.name: value for each, value in zip(self.parameters, params, strict=False)}


def _argument(parameter: Parameter, value: Any) -> Any:
    try:
        return taken(value, parameter.accepted)
    except NotOfType as error:
        raise _unfit(f"{parameter.name}{error.place} {error}") from None


def _unfit(message: str) -> WireError:
    return WireError("INVALID_PARAMS", message)


def _annotation(method: Callable[..., Any], annotation: Any) -> Any:
    """What an annotation means; Any where it is a text whose names are only there for type checkers."""
    if annotation is inspect.Signature.empty:
        return Any
    function: Any = inspect.unwrap(getattr(method, "__func__", method))
    names: Mapping[str, Any] = getattr(function, "__globals__", {})
    # One at a time: a name that is not there spoils no other parameter.
    alone = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(alone, globalns=dict(names), include_extras=True)["it"]
    except (NameError, TypeError, SyntaxError, AttributeError):
        return Any
