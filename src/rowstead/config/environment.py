"""Overrides from the environment: `ROWSTEAD_NAME`, `ROWSTEAD_DATABASE__HOST`, in any case of letters."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, cast

from rowstead.config.files import VARIABLE
from rowstead.config.said import Level, Node, Place, Said, given, says_nothing
from rowstead.errors import ValidationError

PREFIX = "rowstead_"
NESTING = "__"
FILE_VARIABLE = VARIABLE.lower()


def overrides(
    environment: Mapping[str, str], known: Collection[str], is_structured: Callable[[tuple[str, ...]], bool]
) -> Level:
    """What the environment says of the keys at the top that are `known`.

    Other variables with the prefix are somebody else's. Where a key `is_structured` its variable may
    hold JSON; what another says of one key in it wins. Raises ValidationError for what is no JSON.
    """
    by_name = {key.lower(): key for key in known}
    tree: dict[str, Any] = {}
    # Whole sections come first: what has fewer steps.
    for path, variable in sorted(_variables(environment), key=lambda found: (len(found[0]), found[1])):
        if path[0] in by_name:
            keys = (by_name[path[0]], *path[1:])
            place = Place(f"the environment's {variable}")
            text = environment[variable]
            _put(tree, keys, _json(text, place) if is_structured(keys) else Said(text, place))
    return Level(_levels(tree), Place("the environment"))


def nested_names(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The key at the top that each nested variable means, and the variable."""
    for path, variable in _variables(environment):
        if len(path) > 1:
            yield path[0], variable


def _variables(environment: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    for variable in environment:
        lowered = variable.lower()
        if lowered.startswith(PREFIX) and lowered != FILE_VARIABLE:
            path = tuple(lowered.removeprefix(PREFIX).split(NESTING))
            if all(path):
                yield path, variable


def _json(text: str, place: Place) -> Node:
    """An object or a list in JSON; other text is what it is."""
    if not text.lstrip().startswith(("{", "[")):
        return Said(text, place)
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        value = None
    if isinstance(value, dict):
        return given(cast("dict[str, Any]", value), place)
    if isinstance(value, list):
        return Said(value, place)
    raise ValidationError(f"{place} begins like JSON, and is none that can be read")


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Node) -> None:
    for step in path[:-1]:
        inner = tree.get(step)
        if isinstance(inner, Said) and not says_nothing(inner):
            raise ValidationError(
                f"{inner.place} must be a JSON object, since another variable sets a key in it"
            )
        if isinstance(inner, Level):
            inner = dict(inner.nodes)
        elif not isinstance(inner, dict):
            inner = {}
        tree[step] = inner
        tree = cast("dict[str, Any]", inner)
    tree[path[-1]] = value


def _levels(tree: Mapping[str, Any]) -> dict[str, Node]:
    return {
        key: _level(cast("dict[str, Any]", item)) if isinstance(item, dict) else item
        for key, item in tree.items()
    }


def _level(tree: Mapping[str, Any]) -> Level:
    """A section that several variables make stands where the first of them does."""
    nodes = _levels(tree)
    return Level(nodes, next(iter(nodes.values())).place)
