"""SQLAlchemy's engines in commands: their errors are told as the core's, so that exit codes are the same."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from rowstead.drivers.joined import translator
from rowstead.drivers.sqlalchemy import KNOWN
from rowstead.drivers.sqlalchemy_errors import translated
from rowstead.errors import RowsteadError, UnreachableError


@contextmanager
def as_ours(engine: AsyncEngine, reached: list[object]) -> Generator[None]:
    """Raise what comes out of SQLAlchemy as the core's errors.

    `reached` is empty as long as there is no connection: what goes wrong then is that there is none.
    """
    known = KNOWN.get((engine.dialect.name, engine.dialect.driver))
    of_driver = translator(known[1]) if known is not None else _unknown
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        ours = translated(error, of_driver)
        if ours is error:
            raise
        if not reached:
            raise UnreachableError(f"cannot connect: {ours or error}") from error
        if ours is None:
            raise
        raise ours from error


def _unknown(_error: Exception) -> RowsteadError | None:
    return None
