"""New files in goose's format: their numbers and their names.

It answers for a name that can stand in a folder beside those that are there. It must not know what a
migration does.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from enum import Enum
from pathlib import Path

from rowstead.errors import StorageError, ValidationError
from rowstead.migrations.formats import goose

EMPTY = """\
-- +goose Up


-- +goose Down

"""
_TIME = "%Y%m%d%H%M%S"
_FIRST_TIME = 10**13
"""A version from here on is a time; numbers by hand do not come so far."""
_LONGEST_NAME = 100
_CLAIM = ".claim"


class Numbering(Enum):
    """Where a new migration's version comes from."""

    NUMBER = "number"
    TIME = "time"


def write_new(
    folder: str | Path,
    name: str,
    text: str = EMPTY,
    numbering: Numbering | None = None,
    now: datetime.datetime | None = None,
) -> Path:
    """Write the file of a new migration, with a version above those in the folder, and give its path.

    `numbering` None goes on as the folder has begun: an empty one by time, as goose does. `now` is a time
    with a zone. The folder is made if it is not there; no file is ever written over. Raises
    ValidationError (the name, or a folder that is numbered otherwise), StorageError.
    """
    path, slug = Path(folder), slug_of(name)
    try:
        path.mkdir(parents=True, exist_ok=True)
        while True:
            version = _next(path, numbering, now or datetime.datetime.now(datetime.UTC))
            # Whoever makes this file has the version; it becomes the migration when it is whole. One that a
            # killed process left takes its version with it, and no more.
            claim = path / f".{version}{_CLAIM}"
            try:
                with claim.open("x", encoding="utf-8", newline="\n") as new:
                    new.write(text)
            except FileExistsError:
                continue
            if _is_taken(path, int(version)):
                # Its claim ended between our look and our own.
                claim.unlink()
                continue
            return claim.rename(path / f"{version}_{slug}.sql")
    except OSError as error:
        raise StorageError(f"cannot write a migration into {folder}: {error.strerror}") from error


def slug_of(name: str) -> str:
    """A name as it may stand in a file's: `Add users!` and `AddUsers` are add_users.

    Raises ValidationError where nothing is left of it.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:_LONGEST_NAME].strip("_")
    if not slug:
        raise ValidationError(
            f"{name!r} gives no file's name; say in letters from a to z and digits what the migration does"
        )
    return slug


def _next(folder: Path, numbering: Numbering | None, now: datetime.datetime) -> str:
    highest = max((*_versions(folder), *_claimed(folder)), default=0)
    by_time = highest >= _FIRST_TIME or not highest if numbering is None else numbering is Numbering.TIME
    if by_time:
        # Two within a second, and a colleague whose clock is ahead.
        return str(max(int(now.astimezone(datetime.UTC).strftime(_TIME)), highest + 1))
    if highest >= _FIRST_TIME:
        raise ValidationError(
            f"the migrations in {folder} are numbered by time, up to {highest}; a number would stand before "
            "them: leave out --numbered"
        )
    return f"{highest + 1:05d}"


def _versions(folder: Path) -> list[int]:
    return [goose.version_of(file) for file in goose.files(folder)]


def _claimed(folder: Path) -> list[int]:
    """The versions whose files are being written."""
    names = [file.name[1:].removesuffix(_CLAIM) for file in folder.glob(f".*{_CLAIM}")]
    return [int(name) for name in names if name.isdecimal()]


def _is_taken(folder: Path, version: int) -> bool:
    return version in _versions(folder)
