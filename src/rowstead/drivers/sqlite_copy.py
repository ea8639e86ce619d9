"""Copies an open SQLite database to a new file while others read and write it.

The copy is of one moment: it is made inside a read transaction, which in WAL mode keeps nobody from
writing, and whose snapshot stays what it was when the transaction began. It gets its name when it is
complete and on the disk, so a copy that was broken off is never taken for one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from rowstead.errors import StatementTimeout, StorageError, ValidationError

PAGES = 1024
"""Pages (of 4 KiB mostly) copied between two looks at whether to stop."""


def copy_database(source: sqlite3.Connection, path: str, stopped: Callable[[], bool]) -> None:
    """Copy what `source` sees to a new file at `path`; `stopped` is asked now and then.

    Raises ValidationError where a file is there, StorageError where none can be made, and sqlite3's errors.
    """
    target = Path(path)
    if target.exists():
        raise ValidationError(f"{target} is there already: name a new file, or remove that one first")
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        _copy(source, partial, stopped)
        _on_disk(partial)
        os.replace(partial, target)
        _on_disk(target.parent)
    except StatementTimeout:
        raise  # also an OSError
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, partial: Path, stopped: Callable[[], bool]) -> None:
    def look(_status: int, _remaining: int, _total: int) -> None:
        if stopped():
            raise StatementTimeout("the backup was stopped because its caller was cancelled")

    # A file left by a process with our number that was killed is not to be copied over.
    partial.unlink(missing_ok=True)
    begun = not source.in_transaction
    if begun:
        source.execute("BEGIN")
    try:
        source.execute("SELECT count(*) FROM sqlite_master").fetchall()
        with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
            source.backup(copy, pages=PAGES, progress=look)
    finally:
        if begun and source.in_transaction:
            source.execute("ROLLBACK")


def _on_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are where a power cut leaves them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
