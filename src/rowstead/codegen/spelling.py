"""How types and values of models are written in Python.

It answers for one expression each, and for what it has to import. Where it is placed in a file is the
business of `source.py` and `layout.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, NewType, TypeVar, Union, get_args, get_origin

from rowstead.codegen.columns import is_importable
from rowstead.codegen.naming import Imports


def spell_type(kind: Any, imports: Imports) -> str:
    """A type as an annotation; `Any` for one that no module gives by its name."""
    origin = get_origin(kind)
    if kind is Any or isinstance(kind, TypeVar):
        return imports.name("typing", "Any")
    if kind is None or kind is NoneType:
        return "None"
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(spell_type(part, imports) for part in get_args(kind)))
    if origin is Literal:
        values = ", ".join(spell_value(value, imports) for value in get_args(kind))
        return f"{imports.name('typing', 'Literal')}[{values}]"
    if isinstance(origin, type) and is_importable(origin):
        parts = ", ".join("..." if part is ... else spell_type(part, imports) for part in get_args(kind))
        return f"{imports.name(origin.__module__, origin.__qualname__)}[{parts}]"
    if isinstance(kind, type | NewType) and is_importable(kind):
        return _bare(kind, imports)
    return imports.name("typing", "Any")


def spell_value(value: Any, imports: Imports) -> str:
    """A plain value as an expression."""
    if isinstance(value, Enum):
        return f"{imports.name(type(value).__module__, type(value).__qualname__)}.{value.name}"
    if isinstance(value, Decimal):
        return f"{imports.name('decimal', 'Decimal')}({spell_text(str(value))})"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{imports.name(float.__module__, float.__qualname__)}({spell_text(str(value))})"
    return spell_text(value) if isinstance(value, str) else repr(value)


def spell_factory(factory: Callable[[], Any], imports: Imports) -> str:
    """A function by its name."""
    return imports.name(factory.__module__, factory.__qualname__)


def spell_text(text: str) -> str:
    """A text in quotes, double ones unless it holds more of them than single ones."""
    plain = repr(text)
    if plain[0] == '"' or '"' in text:
        return plain
    return f'"{plain[1:-1]}"'


def _bare(kind: Any, imports: Imports) -> str:
    """A class without its parameters; a strict type checker wants those of containers to be said."""
    name = imports.name(kind.__module__, kind.__qualname__)
    parameters = _PARAMETERS.get(kind)
    if parameters is None:
        return name
    anything = imports.name("typing", "Any")
    return f"{name}[{parameters.format(any=anything)}]"


_PARAMETERS = {dict: "str, {any}", list: "{any}", set: "{any}", frozenset: "{any}", tuple: "{any}, ..."}
"""What is said of a container whose model says nothing of what it holds."""
