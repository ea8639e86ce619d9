"""The rows of a YAML file that holds a list of mappings, each with the line where it begins.

Scalars mean what YAML 1.2's core schema says: `yes`, `12:30` and `2024-01-31` are texts, which the column
reads as what it holds, and in a text column `0123` and `true` stay as they are written. PyYAML's own
reading, of YAML 1.1, would make of them True, 750, a date, 83. Imports PyYAML when a file is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

from rowstead.errors import ValidationError
from rowstead.files.cells import SpelledNumber, from_json_value
from rowstead.files.reading import Numbered, Row, object_reader
from rowstead.tables.schema import Kind, Table

_WANTED = "a list of mappings, each with a `- ` before it, one for each row"
_TAG = "tag:yaml.org,2002:"
MAX_NODES = 1_000_000
"""The keys and values of one row, those that its aliases stand for too: each alias may double them."""

_SCALARS = (
    # YAML 1.2.2, section 10.3.2, with the characters that each can begin with.
    ("null", re.compile(r"~|null|Null|NULL|\Z"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    ("int", re.compile(r"([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"), list("-+0123456789")),
    (
        "float",
        re.compile(
            r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z"
        ),
        list("-+.0123456789"),
    ),
    ("merge", re.compile(r"<<\Z"), ["<"]),
)


def yaml_rows(table: Table, lines: Iterable[str], name: str) -> Iterator[Numbered]:
    """The rows of a YAML file. ValidationError names file and line, and shows nothing else of the file."""
    yaml = _yaml()
    read = object_reader(table, name, from_json_value)
    loader: Any = None
    try:
        loader = _loader()("".join(lines))
        nodes: dict[int, int] = {}
        for item in _items(loader.get_single_node(), name):
            number = item.start_mark.line + 1
            _check_aliases(item, nodes, f"{name}, line {number}")
            yield Numbered(number, read(_fields(loader, table, item, name), number))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = name if mark is None else f"{name}, line {mark.line + 1}"
        raise ValidationError(f"{where}: this is no YAML that can be read") from None
    except RecursionError:
        raise ValidationError(f"{name}: this YAML is nested too deeply") from None
    finally:
        if loader is not None:
            loader.dispose()


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise ImportError(
            "YAML needs PyYAML, which is not installed: pip install 'rowstead[config]'"
        ) from None
    return yaml


@lru_cache(maxsize=1)
def _loader() -> Any:
    """PyYAML's safe loader, with the scalars of YAML 1.2."""
    yaml = _yaml()

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own, replaced as a whole)

    for tag, pattern, first in _SCALARS:
        Loader.add_implicit_resolver(_TAG + tag, pattern, first)
    Loader.add_constructor(f"{_TAG}int", _whole)
    Loader.add_constructor(f"{_TAG}float", _number)
    return Loader


_BASES = {"0o": 8, "0x": 16}


def _whole(_loader: Any, node: Any) -> int:
    return int(node.value, _BASES.get(node.value[:2], 10))


def _number(_loader: Any, node: Any) -> float:
    # PyYAML writes infinity and no number with a dot before, Python without.
    name = node.value.lower().replace(".inf", "inf").replace(".nan", "nan")
    return SpelledNumber(name)


def _items(node: Any, name: str) -> Iterator[Any]:
    """The mappings of the document; an empty one has none."""
    if node is None:
        return
    if node.id != "sequence":
        raise ValidationError(f"{name}, line {node.start_mark.line + 1}: the file holds {_WANTED}")
    for item in node.value:
        if item.id != "mapping":
            line = item.start_mark.line + 1
            raise ValidationError(f"{name}, line {line}: this is no mapping; the file holds {_WANTED}")
        yield item


def _check_aliases(item: Any, counted: dict[int, int], place: str) -> None:
    """ValidationError where a row is longer than anybody wrote it, or has itself within it."""
    if _nodes(item, counted) > MAX_NODES:
        raise ValidationError(
            f"{place}: this row has more than {MAX_NODES:,} keys and values, with those that its aliases "
            "stand for; write a row of so many into a JSON file"
        )


def _nodes(node: Any, counted: dict[int, int]) -> int:
    """How many nodes stand in this one, itself too, with aliases written out; too many are one too many.

    Each is looked at once.
    """
    known = counted.get(id(node))
    if known is not None:
        return known
    counted[id(node)] = MAX_NODES + 1  # One that is met while it is being counted stands in itself.
    within: Iterable[Any] = () if node.id == "scalar" else node.value
    if node.id == "mapping":
        within = chain.from_iterable(within)
    found = 1 + sum(_nodes(one, counted) for one in within)
    counted[id(node)] = found = min(found, MAX_NODES + 1)
    return found


def _fields(loader: Any, table: Table, item: Any, name: str) -> Row:
    own: set[str] = set()
    for key, _ in item.value:
        if key.id != "scalar":
            raise ValidationError(f"{name}, line {key.start_mark.line + 1}: a key is the name of a column")
        if key.value in own and key.value != "<<":
            raise ValidationError(
                f"{name}, line {key.start_mark.line + 1}: {key.value!r} stands twice in one row"
            )
        own.add(key.value)
    loader.flatten_mapping(item)
    return {key.value: _field(loader, table, key.value, node, name) for key, node in item.value}


def _field(loader: Any, table: Table, column: str, node: Any, name: str) -> Any:
    try:
        value = loader.construct_object(node, deep=True)
    except (ValueError, LookupError, AttributeError):
        # A tag that says another type than the text is of.
        raise ValidationError(
            f"{name}, line {node.start_mark.line + 1}: {column} is not of the type that its tag says"
        ) from None
    known = table.columns.get(column)
    if known is not None and known.kind is Kind.STR and node.id == "scalar" and value is not None:
        return node.value
    return value
