"""Reads the entries of a schema dict. Every mistake is a ValidationError that says where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from rowstead.errors import ValidationError, did_you_mean
from rowstead.tables.constraints import MAX_NAME

T = TypeVar("T")

MAX_NUMBER = 65_534


def mistake(where: str, problem: object, column: str | None = None) -> ValidationError:
    """The error for a mistake, which says where it is."""
    return ValidationError(f"schema, {where}: {problem}", column=column)


def entries(given: Any, where: str, known: Sequence[str], required: Sequence[str]) -> dict[str, Any]:
    """A dict with no unknown keys and all required ones; a dataclass of the builders is turned into one."""
    if hasattr(given, "to_dict"):
        given = given.to_dict()
    if not isinstance(given, Mapping):
        raise mistake(where, f"a dict is expected, not {type(given).__name__}")
    found: dict[Any, Any] = dict(cast("Mapping[Any, Any]", given))
    for key in found:
        if key not in known:
            raise mistake(where, f"there is no {key!r}; {did_you_mean(str(key), known)}")
    for key in required:
        if key not in found:
            raise mistake(where, f"{key!r} is missing")
    return found


def several(given: Any, where: str) -> list[Any]:
    """A list; None is an empty one."""
    if given is None:
        return []
    if not isinstance(given, (list, tuple)):
        raise mistake(where, f"a list is expected, not {type(given).__name__}")
    return list(cast("Sequence[Any]", given))


def require_unicode(given: str, where: str, what: str, column: str | None = None) -> None:
    """Raise where half a character (a lone surrogate) is in a text: no database can store it."""
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise mistake(where, f"{what} {given!r} is not Unicode text: {error.reason}", column) from None


def name_of(given: Any, where: str) -> str:
    """A name that every database takes."""
    if not isinstance(given, str) or not given:
        raise mistake(where, f"a name is a text that is not empty, not {given!r}")
    require_unicode(given, where, "the name")
    if any(character in given for character in "\0\n\r.") or len(given.encode()) > MAX_NAME:
        raise mistake(where, f"the name {given!r} has a dot or a line break, or over {MAX_NAME} bytes")
    return given


def constraint_name(given: Any, where: str) -> str:
    """The name of a constraint or an index, of any length."""
    if not isinstance(given, str) or not given or any(character in given for character in "\0\n\r"):
        raise mistake(where, f"a name is a text that is not empty and has no line break, not {given!r}")
    require_unicode(given, where, "the name")
    return given


def number_of(given: Any, where: str) -> int:
    """The number by which a table or column is known when its name changes."""
    if not is_whole(given) or not 0 <= given <= MAX_NUMBER:
        raise mistake(where, f"id is a whole number from 0 to {MAX_NUMBER}, not {given!r}")
    return given


def is_whole(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)


def distinct(names: Iterable[str | int], where: str, what: str) -> None:
    """Raise where two are alike; SQLite takes names that differ in case only for the same."""
    seen: dict[str, str | int] = {}
    for name in names:
        folded = str(name).lower()
        if folded in seen:
            raise mistake(where, f"{what} {name!r} is there twice")
        seen[folded] = name


def saying_where(where: str, read: Callable[[], T], column: str | None = None) -> T:
    """What `read` gives; its ValidationError says where in the schema the mistake is."""
    try:
        return read()
    except ValidationError as error:
        raise mistake(where, error, column or error.column) from None


def flag(read: Mapping[str, Any], key: str, where: str) -> bool:
    value = read.get(key, False)
    if not isinstance(value, bool):
        raise mistake(where, f"{key} is true or false, not {value!r}")
    return value
