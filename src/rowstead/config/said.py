"""A setting as somebody said it: its value, its text as written, and where that stands.

Trees of them are what files, the environment and arguments are read to, and what is merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

from rowstead.config.variables import filled_in


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, a variable of the environment, or an argument."""

    name: str
    line: int | None = None
    """Counted from 1; None where there are no lines or it is not known."""

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Said:
    """One value that is no mapping and no list."""

    value: Any = field(repr=False)
    place: Place
    text: str | None = field(default=None, repr=False)
    """As it was written, where that is more than the value: `0123` is a password as well as a number."""
    has_variables: bool = False
    """Whether `${NAME}` in it is filled in."""


@dataclass(frozen=True, slots=True)
class SaidList:
    """Several values."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Level:
    """Keys and what was said of each."""

    nodes: Mapping[str, Node]
    place: Place


Node: TypeAlias = Said | SaidList | Level


def plain(node: Node, environment: Mapping[str, str], *, as_text: bool = False) -> Any:
    """The node as Python's dicts, lists and values, variables filled in; `as_text`: as they were written.

    Raises ValidationError for a variable that is not set.
    """
    if isinstance(node, Level):
        return {key: plain(item, environment, as_text=as_text) for key, item in node.nodes.items()}
    if isinstance(node, SaidList):
        return [plain(item, environment, as_text=as_text) for item in node.items]
    if node.has_variables and isinstance(node.value, str):
        return filled_in(node.value, environment, node.place.name, node.place.line)
    if as_text and node.text is not None and node.value is not None:
        return node.text
    return node.value


def says_nothing(node: Node) -> bool:
    """Whether a key has no value: what is below it holds."""
    return isinstance(node, Said) and (node.value is None or node.value == "")


def place_of(node: Node, path: tuple[str, ...]) -> Place:
    """Where what stands at `path` was said, or the nearest above it."""
    for step in path:
        if isinstance(node, Level) and step in node.nodes:
            node = node.nodes[step]
    return node.place


def given(values: Mapping[Any, Any], place: Place) -> Level:
    """A tree of what Python code, or JSON in a variable, gives."""
    return Level({str(key): _given(item, place) for key, item in values.items()}, place)


def _given(value: Any, place: Place) -> Node:
    if isinstance(value, Mapping):
        return given(cast("Mapping[Any, Any]", value), place)
    return Said(value, place)


def file_place(path: Path, line: int | None = None) -> Place:
    """A line of a file, named as the caller named the file."""
    return Place(str(path), line)
