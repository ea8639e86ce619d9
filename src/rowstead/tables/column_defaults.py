"""Defaults that a model's column has in the database itself, as each database spells them.

They are for rows that come another way than through a model: a migration, raw SQL, another program.
"""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from rowstead.dialects import DIALECTS
from rowstead.tables.column_types import Stored

_RANDOM_HEX = "lower(hex(randomblob({})))"
_SQLITE_UUID = (
    f"{_RANDOM_HEX.format(4)} || '-' || {_RANDOM_HEX.format(2)} || '-4' || "
    f"substr({_RANDOM_HEX.format(2)}, 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || "
    f"substr({_RANDOM_HEX.format(2)}, 2) || '-' || {_RANDOM_HEX.format(6)}"
)
"""A random UUID (version 4, RFC 9562) in its stored form."""


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
    return f"({_SQLITE_UUID})"


@compiles(random_uuid, "mysql", "mariadb")
def _(_element: random_uuid, _compiler: Any, **_kw: Any) -> str:
    return "(uuid())"
