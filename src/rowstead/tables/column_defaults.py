"""Defaults that a model's column has in the database itself, as each database spells them.

They are for rows that come another way than through a model: a migration, raw SQL, another program.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from rowstead.dialects import DIALECTS
from rowstead.tables.column_types import Stored


def _random_uuid(join: Callable[[Sequence[str]], str], digits: Callable[[int], str], choice: str) -> str:
    """SQL for a random UUID (version 4, RFC 9562) in its stored form, of a database's own functions.

    `digits` gives that many hexadecimal digits, `choice` one of 8, 9, a, b.
    """
    parts = [digits(8), "'-'", digits(4), "'-4'", digits(3), "'-'", choice, digits(3), "'-'", digits(12)]
    return f"(lower({join(parts)}))"


_SQLITE_UUID = _random_uuid(
    " || ".join,
    lambda count: f"substr(hex(randomblob({(count + 1) // 2})), 1, {count})",
    "substr('89ab', 1 + (random() & 3), 1)",
)
_MARIADB_UUID = _random_uuid(
    lambda parts: f"concat({', '.join(parts)})",
    lambda count: f"substr(hex(random_bytes({(count + 1) // 2})), 1, {count})",
    "substr('89ab', 1 + (ascii(random_bytes(1)) & 3), 1)",
)


class current_moment(FunctionElement[datetime.datetime]):
    """The current moment, in the form that a datetime with a zone is stored in."""

    type = Stored(datetime.datetime)
    inherit_cache = True


class random_uuid(FunctionElement[uuid.UUID]):
    """A new random UUID."""

    type = Stored(uuid.UUID)
    inherit_cache = True


@compiles(current_moment)
def _(_element: current_moment, compiler: Any, **_kw: Any) -> str:
    known = DIALECTS.get(compiler.dialect.name)
    return "CURRENT_TIMESTAMP" if known is None else known.utc_now


@compiles(random_uuid)
def _(_element: random_uuid, _compiler: Any, **_kw: Any) -> str:
    return "gen_random_uuid()"


@compiles(random_uuid, "sqlite")
def _(_element: random_uuid, _compiler: Any, **_kw: Any) -> str:
    return _SQLITE_UUID


@compiles(random_uuid, "mysql", "mariadb")
def _(_element: random_uuid, _compiler: Any, **_kw: Any) -> str:
    return _MARIADB_UUID
