"""From a path, the environment and arguments to settings: what is asked first, and what wins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, SupportsIndex

from pydantic import BaseModel

from rowstead.config import environment as variables
from rowstead.config import files
from rowstead.config.levels import SECTION, merged, settings
from rowstead.config.masking import refuse_pickling
from rowstead.config.said import Level, Place, SaidList, given, place_of
from rowstead.config.schema import ConfigSchema
from rowstead.config.sections import WrongKey
from rowstead.errors import ValidationError

STRUCTURED = ("params", "create_engine_kwargs", "kwargs", "models")
"""The keys of `database` whose variable may hold JSON."""


class Config:
    """Settings, and the files that they come from, the one that was asked for first."""

    def __init__(self, schema: ConfigSchema, files: Iterable[Path] = ()) -> None:
        self.schema = schema
        self.files = tuple(files)

    def __repr__(self) -> str:
        return f"Config({self.schema!r}, files={[str(path) for path in self.files]})"

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        refuse_pickling()


def config(path: str | os.PathLike[str] | None = None, **overrides: Any) -> Config:
    """The settings: arguments win over the environment, it over the file, the file over defaults.

    `path` is a YAML, TOML or JSON file; without it the one that ROWSTEAD_CONFIG names, else the first
    of localconfig.yaml, localconfig.toml, config.yaml and config.toml in the working folder, else
    none. `overrides` are keys at the top: `database={"host": "db"}`.

    Raises ValidationError (a ValueError) for a file that is not there or cannot be read, a variable
    that is not set, an unknown key of `database`, or a wrong value; it names the key, the file and
    the line and never a value. Raises ImportError for a YAML file without PyYAML. Sets up no logging.
    """
    try:
        return _load(path, overrides, dict(os.environ))
    except ValidationError as error:
        # The frames below hold what the file said, and whoever reports an error may show their values.
        overrides.clear()
        error.__context__ = None
        raise error.with_traceback(None) from None


def _load(
    path: str | os.PathLike[str] | None, overrides: Mapping[str, Any], environment: Mapping[str, str]
) -> Config:
    found = files.find(None if path is None else Path(path), environment)
    said, read = files.read(found, environment) if found is not None else ([], [])
    arguments = given({key: _set_in(value) for key, value in overrides.items()}, Place("an argument"))
    known = {*ConfigSchema.model_fields, *(key for level in said for key in level.nodes)}

    def is_structured(path: tuple[str, ...]) -> bool:
        return _is_structured(path, said)

    from_environment = variables.overrides(environment, known, is_structured)
    _refuse_mistyped_section([arguments, *said], environment)
    level = merged([arguments, from_environment, *said], environment)
    try:
        return Config(ConfigSchema(**settings(level, environment)), read)
    except WrongKey as error:
        problem = f"{place_of(level, error.path)}: {error}"
    raise ValidationError(problem)


def _set_in(value: Any) -> Any:
    """Settings made in Python, as the keys that are set in them."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in value.model_fields_set}
    return value


def _is_structured(path: tuple[str, ...], said: Iterable[Level]) -> bool:
    if path[0] == SECTION:
        return len(path) == 1 or (len(path) == 2 and path[1] in STRUCTURED)
    return any(isinstance(_node(level, path), Level | SaidList) for level in said)


def _node(level: Level, path: tuple[str, ...]) -> object:
    node: object = level
    for step in path:
        node = node.nodes.get(step) if isinstance(node, Level) else None
    return node


def _refuse_mistyped_section(levels: Iterable[Level], environment: Mapping[str, str]) -> None:
    """Keys that nobody knows are allowed at the top, so `databse` would be kept, and not used."""
    said = [(key, node.place) for level in levels for key, node in level.nodes.items()]
    said += [(key, Place(f"the environment's {name}")) for key, name in variables.nested_names(environment)]
    if any(key == SECTION for key, _ in said):
        return
    for key, place in said:
        if get_close_matches(key, [SECTION], cutoff=0.8):
            raise ValidationError(f"{place}: {key}: nothing reads this section; did you mean {SECTION!r}?")
