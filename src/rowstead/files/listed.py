"""The rows of a file that holds one JSON list of objects, each with the line where it begins.

The list is read element by element, since the standard library says of no value where it stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from json import JSONDecodeError
from typing import Any, cast

from rowstead.errors import ValidationError
from rowstead.files.cells import JSON_DECODER, from_json_value
from rowstead.files.reading import Numbered, object_reader
from rowstead.tables.schema import Table

_WANTED = "a JSON list of objects, [{...}, ...], one for each row"
_SPACE = re.compile(r"[ \t\r\n]*")


def json_list_rows(table: Table, lines: Iterable[str], name: str) -> Iterator[Numbered]:
    """The rows of a JSON list of objects. ValidationError names file and line."""
    read = object_reader(table, name, from_json_value)
    for number, given in _elements("".join(lines), name):
        if not isinstance(given, dict):
            raise ValidationError(f"{name}, line {number}: this is no object; the file holds {_WANTED}")
        yield Numbered(number, read(cast("Mapping[str, Any]", given), number))


def _elements(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """What the list holds, with the line of each."""
    position = _after_space(text, 0)
    if text[position : position + 1] != "[":
        raise _wrong(text, position, name, f"the file holds {_WANTED}")
    position = _after_space(text, position + 1)
    line, counted = 1, 0
    while text[position : position + 1] != "]":
        line, counted = line + text.count("\n", counted, position), position
        value, position = _value(text, position, line, name)
        yield line, value
        position = _after_space(text, position)
        if text[position : position + 1] == ",":
            position = _after_space(text, position + 1)
            if text[position : position + 1] == "]":
                raise _wrong(text, position, name, "is not JSON: a comma stands behind the last element")
        elif text[position : position + 1] != "]":
            raise _wrong(text, position, name, "is not JSON: a comma, or the end of the list, is missing")
    end = _after_space(text, position + 1)
    if end < len(text):
        raise _wrong(text, end, name, f"something stands behind the list; the file holds {_WANTED}")


def _value(text: str, position: int, line: int, name: str) -> tuple[Any, int]:
    """The value that begins here, and where it ends."""
    try:
        return JSON_DECODER.raw_decode(text, position)
    except JSONDecodeError as error:
        raise _wrong(text, error.pos, name, f"is not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"{name}, line {line}: is not JSON: {error}") from None


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    assert found is not None  # it matches nothing, too
    return found.end()


def _wrong(text: str, position: int, name: str, what: str) -> ValidationError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return ValidationError(f"{name}, line {line}, column {column}: {what}")
