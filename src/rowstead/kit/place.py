"""Where a database is: a path, or a URL, as a URL that makes a file or one that wants it to be there."""

from __future__ import annotations

from os import PathLike, fspath, makedirs, path
from urllib.parse import quote

from rowstead.dialects import DIALECTS
from rowstead.drivers.addresses import MEMORY, parse
from rowstead.errors import StorageError, UsageError, ValidationError


def _file(place: str | PathLike[str]) -> str | None:
    """The file that is meant, which is no folder; None for another database's URL, or memory."""
    if not isinstance(place, (str, PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValidationError(f"a database is named by a path or a URL, not by {type(place).__name__}")
    text = fspath(place)
    if not text:
        raise ValidationError("the path is empty: name a file, or a URL like postgresql://user@host/name")
    if "\0" in text:
        raise ValidationError(f"the path {text!r} has a NUL, which no file's name can have")
    file = text if "://" not in text else parse(text).path
    if file in ("", MEMORY):
        return None
    if path.isdir(file):
        raise StorageError(f"{file} is a folder: name a file in it, such as {path.join(file, 'app.db')}")
    return file


def url_to_create(place: str | PathLike[str]) -> str:
    """The URL for a new database; the folders of its file are made."""
    file = _file(place)
    if file is None:
        return _not_a_file(place)
    folder = path.dirname(file) or "."
    try:
        makedirs(folder, exist_ok=True)
    except (OSError, UnicodeEncodeError) as error:
        raise StorageError(f"the folder {folder!r} cannot be made ({error}): name another one") from error
    return f"sqlite:///{quote(file)}"


def url_to_open(place: str | PathLike[str]) -> str:
    """The URL for a database that is there."""
    file = _file(place)
    if file is None:
        return _not_a_file(place)
    if not path.exists(file):
        raise StorageError(f"there is no database at {file}: make one with Database.create")
    return f"sqlite:///{quote(file)}?mode=rw"


def _not_a_file(place: str | PathLike[str]) -> str:
    text = fspath(place)
    if text == MEMORY:
        return f"sqlite:///{MEMORY}"
    dialect = DIALECTS[parse(text).database] if "://" in text else None
    if dialect is not None and not dialect.keeps_schemas:
        raise UsageError(
            f"the kit keeps no databases on {dialect.name}, whose schema changes cannot be undone: use a "
            "file, or PostgreSQL; typed rows and the repository work there"
        )
    return text
