"""Configuration files: where one is looked for, how it is read, and which others it extends.

A file gives a tree of what it says; what the keys mean is not known here.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from rowstead.config.positions import Lines, json_lines, line_at, toml_lines
from rowstead.config.said import Level, Node, Place, Said, SaidList, file_place, plain
from rowstead.config.yaml_files import read_yaml
from rowstead.errors import ValidationError, did_you_mean

VARIABLE = "ROWSTEAD_CONFIG"
SEARCHED = ("localconfig.yaml", "localconfig.toml", "config.yaml", "config.toml")
"""The names that are tried in the working folder, the first that is there is taken."""


def find(path: str | Path | None, environment: Mapping[str, str]) -> Path | None:
    """The file that is asked for, or the first that is there; None where there is none.

    Raises ValidationError for a named file that is not there.
    """
    named, said_by = path, "the path given"
    if named is None:
        named, said_by = environment.get(VARIABLE) or None, f"the environment's {VARIABLE}"
    if named is None:
        return next((found for name in SEARCHED if (found := Path(name)).is_file()), None)
    found = Path(named).expanduser()
    if found.is_file():
        return found
    what = "is a folder, and not a file" if found.is_dir() else "is not there"
    raise ValidationError(f"{said_by}, {found}, {what}; {_near(found)}")


def _near(path: Path) -> str:
    """What could be meant instead of a file that is not there."""
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.suffix.lower() in READERS)
    except OSError:
        return "its folder cannot be read either"
    if not names:
        return "its folder holds no configuration file"
    # The endings are alike in any case.
    close = get_close_matches(path.stem, [Path(name).stem for name in names], n=1)
    likely = next((name for name in names if Path(name).stem in close), None)
    return f"did you mean {likely!r}?" if likely is not None else f"its folder holds {', '.join(names)}"


def read(path: Path, environment: Mapping[str, str]) -> tuple[list[Level], list[Path]]:
    """What the file says, then what those say that it extends, each before what it wins over; the files.

    `extends` (a name or a list of them; the later wins) and `dirs` (folders to look in, beside the
    file's own) stand at the top, or in a `config` section. Raises ValidationError for a file that is
    not there, cannot be read, or extends itself.
    """
    return _with_extended(path, environment, ())


def _with_extended(
    path: Path, environment: Mapping[str, str], chain: tuple[Path, ...]
) -> tuple[list[Level], list[Path]]:
    own = path.resolve()
    if own in [each.resolve() for each in chain]:
        names = " -> ".join(str(each) for each in (*chain, path))
        raise ValidationError(f"{path} extends itself: {names}; take one of these out")
    level = _read_file(path)
    level, names, folders, place = _extends(level, environment)
    levels, files = [level], [path]
    for name in reversed(names):
        parent = _look_for(name, [path.parent, *(path.parent / folder for folder in folders)], place)
        more, of = _with_extended(parent, environment, (*chain, path))
        levels += more
        files += of
    return levels, files


def _extends(level: Level, environment: Mapping[str, str]) -> tuple[Level, list[str], list[str], Place]:
    """The level without what it extends, the names, the folders, and where the names stand."""
    section = level.nodes.get("config")
    own: dict[str, Node] = {key: node for key, node in level.nodes.items() if key == "extends"}
    rest = {key: node for key, node in level.nodes.items() if key != "extends"}
    if isinstance(section, Level) and section.nodes.keys() & {"extends", "dirs"}:
        unknown = section.nodes.keys() - {"extends", "dirs"}
        for name in unknown:
            hint = did_you_mean(name, ("extends", "dirs"))
            raise ValidationError(f"{section.nodes[name].place}: config.{name}: there is no such key; {hint}")
        own = {**section.nodes, **own}
        del rest["config"]
    names = _texts(own.get("extends"), "extends", environment)
    folders = _texts(own.get("dirs"), "config.dirs", environment)
    place = own["extends"].place if "extends" in own else level.place
    return Level(rest, level.place), names, folders, place


def _texts(node: Node | None, key: str, environment: Mapping[str, str]) -> list[str]:
    if node is None:
        return []
    value = plain(node, environment)
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    items = [item for item in items if item is not None]
    texts = [item for item in items if isinstance(item, str) and item]
    if len(texts) != len(items):
        raise ValidationError(f"{node.place}: {key} must be a file's name or a list of them")
    return texts


def _look_for(name: str, folders: Sequence[Path], place: Place) -> Path:
    tried = [folder / Path(name).expanduser() for folder in folders]
    for path in tried:
        if path.is_file():
            return path
    looked = ", ".join(str(path) for path in tried)
    raise ValidationError(f"{place}: extends {name}, which is not there; looked for: {looked}")


def _read_file(path: Path) -> Level:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        raise ValidationError(f"{path}: a configuration file ends in one of {known}")
    node = reader(_text(path), path)
    if isinstance(node, Said) and node.value is None:
        return Level({}, file_place(path))
    if not isinstance(node, Level):
        kind = "a list" if isinstance(node, SaidList) else "a single value"
        raise ValidationError(f"{node.place}: the file must hold keys and values, as `database:`, not {kind}")
    return node


def _text(path: Path) -> str:
    problem = "it is not encoded in UTF-8"
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        problem = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        pass
    raise ValidationError(f"{path} cannot be read: {problem}")


def _read_toml(text: str, path: Path) -> Node:
    line: int | None = None
    try:
        value = tomllib.loads(text, parse_float=_Number)
        return _tree(value, path, toml_lines(text), ())
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found is not None else None
    except RecursionError:
        pass
    raise ValidationError(
        f"{file_place(path, line)}: this is no TOML that can be read; texts stand in quotes"
    )


def _read_json(text: str, path: Path) -> Node:
    line: int | None = None
    try:
        value = json.loads(
            text, parse_float=_Number, parse_int=_Number, object_pairs_hook=lambda pairs: _once(pairs, path)
        )
        return _tree(value, path, json_lines(text, json.loads), ())
    except json.JSONDecodeError as error:
        line = error.lineno
    except RecursionError:
        pass
    raise ValidationError(f"{file_place(path, line)}: this is no JSON that can be read")


def _once(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValidationError(f"{path}: the key {twice!r} stands twice in one object")
    return values


class _Number(str):
    """A number as it is written."""

    __slots__ = ()

    @property
    def number(self) -> int | float:
        return int(self) if re.fullmatch(r"-?\d+", self) else float(self)


def _tree(value: Any, path: Path, lines: Lines, keys: tuple[str, ...]) -> Node:
    place = file_place(path, line_at(lines, keys))
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return Level({key: _tree(item, path, lines, (*keys, key)) for key, item in items}, place)
    if isinstance(value, list):
        members = enumerate(cast("list[Any]", value))
        return SaidList(tuple(_tree(item, path, lines, (*keys, str(i))) for i, item in members), place)
    if isinstance(value, _Number):
        return Said(value.number, place, str(value))
    if isinstance(value, bool):
        return Said(value, place, str(value).lower())
    if isinstance(value, str) or value is None:
        return Said(value, place, has_variables=True)
    return Said(value, place, str(value))


READERS: Mapping[str, Callable[[str, Path], Node]] = {
    ".yaml": read_yaml,
    ".yml": read_yaml,
    ".toml": _read_toml,
    ".json": _read_json,
}
