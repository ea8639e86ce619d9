"""Where a database is: a path, or a URL, as a URL that makes a file or one that wants it to be there."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from urllib.parse import quote

from rowstead.drivers.addresses import MEMORY, parse
from rowstead.errors import StorageError, ValidationError


def _file(place: str | PathLike[str]) -> Path | None:
    """The file that is meant; None where it is none: another database's URL, or memory."""
    if not isinstance(place, (str, PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValidationError(f"a database is named by a path or a URL, not by {type(place).__name__}")
    text = fspath(place)
    if not text:
        raise ValidationError("the path is empty: name a file, or a URL like postgresql://user@host/name")
    path = text if "://" not in text else parse(text).path
    return None if path in ("", MEMORY) else Path(path)


def url_to_create(place: str | PathLike[str]) -> str:
    """The URL for a new database; the folders of its file are made."""
    file = _file(place)
    if file is None:
        return _not_a_file(place)
    if file.is_dir():
        raise StorageError(f"{file} is a folder: name a file in it, such as {file / 'app.db'}")
    file.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{quote(str(file))}"


def url_to_open(place: str | PathLike[str]) -> str:
    """The URL for a database that is there."""
    file = _file(place)
    if file is None:
        return _not_a_file(place)
    if file.is_dir():
        raise StorageError(f"{file} is a folder: name the database's file")
    if not file.exists():
        raise StorageError(f"there is no database at {file}: make one with Database.create")
    return f"sqlite:///{quote(str(file))}?mode=rw"


def _not_a_file(place: str | PathLike[str]) -> str:
    text = fspath(place)
    return f"sqlite:///{MEMORY}" if text == MEMORY else text
