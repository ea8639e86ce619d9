"""What a column is in each database: SQLAlchemy's types by the kind of the values.

Where a database lacks a type, the column has one that holds the stored form (`values`) and converts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from rowstead.tables.schema import Kind

KEY_LENGTH = 255
"""The characters of a text on databases whose texts need a length to be indexed (MariaDB)."""


def generic_type(kind: Kind, length: int | None) -> TypeEngine[Any]:
    """The type where a database has all of them; `length` bounds a text."""
    return _GENERIC[kind](length)


def native_type(dialect: str, kind: Kind, length: int | None) -> TypeEngine[Any] | None:
    """The type in the database of this name of SQLAlchemy's; None where it is the generic one."""
    make = _NATIVE.get(dialect, {}).get(kind)
    return None if make is None else make(length)


def _jsonb(_length: int | None) -> TypeEngine[Any]:
    from sqlalchemy.dialects.postgresql import JSONB

    return JSONB(none_as_null=True)


def _interval(_length: int | None) -> TypeEngine[Any]:
    from sqlalchemy.dialects.postgresql import INTERVAL

    return INTERVAL()


_Make: TypeAlias = Callable[[int | None], TypeEngine[Any]]

_GENERIC: Mapping[Kind, _Make] = {
    # Every backend's drivers hold a whole number to 64 bits.
    Kind.INT: lambda _length: sa.BigInteger(),
    Kind.FLOAT: lambda _length: sa.Double(),
    Kind.BOOL: lambda _length: sa.Boolean(),
    Kind.STR: sa.String,
    Kind.BYTES: lambda _length: sa.LargeBinary(),
    Kind.DECIMAL: lambda _length: sa.Numeric(),
    Kind.UUID: lambda _length: sa.Uuid(),
    Kind.DATE: lambda _length: sa.Date(),
    Kind.TIME: lambda _length: sa.Time(),
    Kind.DATETIME: lambda _length: sa.DateTime(timezone=True),
    Kind.TIMEDELTA: lambda _length: sa.Interval(),
    Kind.JSON: lambda _length: sa.JSON(none_as_null=True),
    Kind.LIST: lambda _length: sa.JSON(none_as_null=True),
}


class _StoredDecimal(sa.types.UserDefinedType[Any]):
    """NUMERIC where its values are text: SQLite then orders what a REAL can hold as numbers."""

    cache_ok = True

    def get_col_spec(self, **_kw: Any) -> str:
        return "NUMERIC"


# Types that convert nothing, since the value is in its stored form already.
_ON_SQLITE: Mapping[Kind, _Make] = {
    # Only INTEGER makes a primary key the row's own number.
    Kind.INT: lambda _length: sa.Integer(),
    Kind.DECIMAL: lambda _length: _StoredDecimal(),
    Kind.UUID: lambda _length: sa.Text(),
    Kind.DATE: lambda _length: sa.Text(),
    Kind.TIME: lambda _length: sa.Text(),
    Kind.DATETIME: lambda _length: sa.Text(),
    Kind.TIMEDELTA: lambda _length: sa.Integer(),
    Kind.JSON: lambda _length: sa.Text(),
    Kind.LIST: lambda _length: sa.Text(),
}
_ON_POSTGRESQL: Mapping[Kind, _Make] = {
    Kind.TIMEDELTA: _interval,
    Kind.JSON: _jsonb,
    Kind.LIST: _jsonb,
}


def _mysql(name: str, *arguments: Any, **options: Any) -> _Make:
    def make(_length: int | None) -> TypeEngine[Any]:
        from sqlalchemy.dialects import mysql

        return getattr(mysql, name)(*arguments, **options)

    return make


def _mysql_text(length: int | None) -> TypeEngine[Any]:
    from sqlalchemy.dialects import mysql

    return mysql.VARCHAR(length or KEY_LENGTH, **_EXACT)


_EXACT = {"charset": "utf8mb4", "collation": "utf8mb4_nopad_bin"}
"""Texts are equal where they are the same, as in other databases."""
_ON_MYSQL: Mapping[Kind, _Make] = {
    Kind.STR: _mysql_text,
    Kind.BYTES: _mysql("LONGBLOB"),
    Kind.DECIMAL: _mysql("DECIMAL", 65, 30),
    Kind.UUID: _mysql("CHAR", 36, charset="ascii", collation="ascii_bin"),
    Kind.TIME: _mysql("TIME", fsp=6),
    Kind.DATETIME: _mysql("DATETIME", fsp=6),
    Kind.TIMEDELTA: _mysql("BIGINT"),
    Kind.JSON: _mysql("LONGTEXT", **_EXACT),
    Kind.LIST: _mysql("LONGTEXT", **_EXACT),
}
_NATIVE: Mapping[str, Mapping[Kind, _Make]] = {
    "sqlite": _ON_SQLITE,
    "postgresql": _ON_POSTGRESQL,
    "mysql": _ON_MYSQL,
    "mariadb": _ON_MYSQL,
    # Its DATE, which SQLAlchemy would take, has no fractions of a second.
    "oracle": {Kind.DATETIME: lambda _length: sa.TIMESTAMP(timezone=True)},
}
"""By SQLAlchemy's name of the dialect; what is not named there is what `_GENERIC` says."""
