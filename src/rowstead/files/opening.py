"""Opens the files that rows are carried to and from: their lines, and the system's errors as ours.

A file that is written gets its name when it is complete. Knows no rows and no format.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO

from rowstead.errors import RowsteadError, StorageError, ValidationError

Place = str | Path | TextIO


def name_of(place: Place) -> str:
    """What to call it in a message."""
    return str(place) if isinstance(place, (str, Path)) else str(getattr(place, "name", "the input"))


@contextmanager
def to_write(place: Place) -> Generator[Callable[[str], Any]]:
    """What writes text to a file, which is there when the block ends without an error and not before.

    A stream, a pipe or a device is written to at once.
    """
    if not isinstance(place, (str, Path)):
        with _telling(name_of(place)):
            yield place.write
            place.flush()
        return
    target = Path(os.path.realpath(place))
    with _telling(str(place)):
        if target.exists() and not target.is_file():
            if target.is_dir():
                raise ValidationError(f"{place} is a folder: name a file")
            with target.open("w", encoding="utf-8", newline="") as file:
                yield file.write
            return
        partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
        try:
            with partial.open("w", encoding="utf-8", newline="") as file:
                yield file.write
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


class Lines:
    """The lines of a file or a stream, with their line breaks; `part` tells how far they are read."""

    def __init__(self, file: IO[Any], name: str, size: int | None) -> None:
        self._file = file
        self._name = name
        self._size = size
        self._read = 0

    @property
    def part(self) -> float | None:
        return self._read / self._size if self._size else None

    def __iter__(self) -> Iterator[str]:
        number = 0
        try:
            for number, line in enumerate(self._file, 1):
                yield self._text(line, number)
        except UnicodeDecodeError as error:
            raise ValidationError(f"{self._name}, line {number or 1}: this is not UTF-8: {error}") from None

    def _text(self, line: str | bytes, number: int) -> str:
        if isinstance(line, str):
            return line
        self._read += len(line)
        # A mark that some programs put before everything else is none of the text.
        return line.decode("utf-8-sig" if number == 1 else "utf-8")


@contextmanager
def to_read(place: Place) -> Generator[Lines]:
    """The lines of a file, or of a stream of text, which its owner closes."""
    name = name_of(place)
    if not isinstance(place, (str, Path)):
        yield Lines(place, name, None)
        return
    with _telling(name), Path(place).open("rb") as file:
        yield Lines(file, name, os.fstat(file.fileno()).st_size or 1)


@contextmanager
def _telling(name: str) -> Generator[None]:
    """The operating system's errors as ours."""
    try:
        yield
    except (RowsteadError, BrokenPipeError):
        raise  # a time-out is Python's TimeoutError too, and with it an OSError
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise ValidationError(f"{name}: {error.strerror}") from error
    except OSError as error:
        raise StorageError(f"{name}: {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        raise ValidationError(f"{name}: {error}") from None
