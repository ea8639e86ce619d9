"""YAML, read with each value's line and its text as written.

The text matters: YAML takes `0123` for 83, `12:30` for 750 and `yes` for true, and a password is
none of these. Imports PyYAML when a YAML file is read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowstead.config.said import Level, Node, Place, Said, SaidList, file_place
from rowstead.errors import ValidationError

if TYPE_CHECKING:
    import yaml

QUOTE = "a value that holds ': ' or ' #', or begins with one of @ % ` & * ! | > [ { , has to stand in quotes"


def read_yaml(text: str, path: Path) -> Node:
    """The document. Raises ValidationError, which shows nothing of the file but its line."""
    try:
        import yaml
    except ImportError:
        raise ImportError(
            "YAML needs PyYAML, which is not installed: pip install 'rowstead[config]'"
        ) from None
    line: int | None = None
    try:
        loader: Any = yaml.SafeLoader(text)
        try:
            node: Any = loader.get_single_node()
            return Said(None, file_place(path)) if node is None else _Reader(loader, path).node(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
    except RecursionError:
        pass
    # PyYAML's own words quote the file: an alias or a tag may be the beginning of a password.
    raise ValidationError(f"{file_place(path, line)}: this is no YAML that can be read; {QUOTE}")


MISSING = "YAML needs PyYAML, which is not installed: pip install 'rowstead[config]'"


class _Reader:
    """Makes a tree of PyYAML's nodes."""

    def __init__(self, loader: yaml.SafeLoader, path: Path) -> None:
        self._loader: Any = loader
        self._path = path
        self._open: set[int] = set()

    def node(self, node: Any) -> Node:
        import yaml

        place = file_place(self._path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            # The text of a block begins on the line below its mark.
            first = Place(place.name, node.start_mark.line + 2) if node.style in ("|", ">") else place
            return Said(self._loader.construct_object(node), first, node.value, has_variables=True)
        if id(node) in self._open:
            raise ValidationError(f"{place}: an anchor holds itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return SaidList(tuple(self.node(item) for item in node.value), place)
            return self._mapping(node, place)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: Any, place: Place) -> Level:
        self._refuse_twice(node)
        self._loader.flatten_mapping(node)
        return Level({key.value: self._at_key(key, self.node(value)) for key, value in node.value}, place)

    def _at_key(self, key: Any, node: Node) -> Node:
        """A section is where its name stands, not where what is in it begins."""
        if isinstance(node, Said):
            return node
        return replace(node, place=file_place(self._path, key.start_mark.line + 1))

    def _refuse_twice(self, node: Any) -> None:
        import yaml

        lines: dict[str, int] = {}
        for key, _ in node.value:
            here = file_place(self._path, key.start_mark.line + 1)
            if not isinstance(key, yaml.ScalarNode):
                raise ValidationError(f"{here}: a key must be a word")
            name = str(key.value)
            if name in lines and name != "<<":
                raise ValidationError(f"{here}: the key {name!r} stands here and in line {lines[name]}")
            lines[name] = key.start_mark.line + 1
