"""The plain format: a folder of `.sql` files, applied in the order of their names.

It answers for which files count, how they are decoded and what their leading comments ask for. It
must not know what is applied.
"""

from __future__ import annotations

import re
from pathlib import Path

from rowstead.errors import StorageError, ValidationError, did_you_mean
from rowstead.migrations.migration import Migration, digest
from rowstead.migrations.split import Syntax, leading_comments, split

_MARKER = re.compile(r"--\s*rowstead:(\S+)\s*\Z")
_MARKERS = ("no-transaction",)


def load(folder: str | Path, syntax: Syntax) -> list[Migration]:
    """The migrations of `folder`. Raises ValidationError as `files` does, or when one is not UTF-8."""
    return [_migration(file, syntax) for file in files(folder)]


def files(folder: str | Path) -> list[Path]:
    """The direct children that end in `.sql`, sorted by name. Raises ValidationError: no such folder."""
    path = Path(folder)
    if not path.is_dir():
        raise ValidationError(
            f"migrations directory not found: {folder}; give the folder that holds the .sql files"
        )
    try:
        return sorted(file for file in path.iterdir() if file.name.endswith(".sql") and file.is_file())
    except OSError as error:
        raise StorageError(f"cannot read the migrations directory {folder}: {error.strerror}") from error


def _migration(file: Path, syntax: Syntax) -> Migration:
    text = read_text(file)
    return Migration(
        id=file.name,
        up=tuple(split(text, syntax)),
        down=None,
        checksum=digest(text),
        transactional="no-transaction" not in _markers(file, text, syntax),
    )


def read_text(file: Path) -> str:
    """A file's text with plain line ends. Raises ValidationError (not UTF-8, or a NUL), StorageError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read the migration {file}: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValidationError(
            f"migration {file} is not UTF-8 (byte {data[error.start]:#04x} at offset {error.start}); "
            "save it as UTF-8"
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValidationError(f"migration {file} line {line}: there is a NUL in it; take it out")
    return text


def _markers(file: Path, text: str, syntax: Syntax) -> set[str]:
    asked: set[str] = set()
    for comment in leading_comments(text, syntax):
        found = _MARKER.match(comment)
        if found is None:
            continue
        if found.group(1) not in _MARKERS:
            hint = did_you_mean(found.group(1), _MARKERS)
            raise ValidationError(f"{file.name}: there is no marker rowstead:{found.group(1)}; {hint}")
        asked.add(found.group(1))
    return asked
