"""Where a MariaDB is and how a session with it begins: the URL, and what our connections set.

Knows no library. Nothing here may put a password into a message.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from rowstead.drivers.addresses import Secret
from rowstead.drivers.mysql_tls import tls_of
from rowstead.errors import DataError, UnreachableError, ValidationError, did_you_mean

DEFAULT_PORT = 3306
CHARSET = "utf8mb4"
FOUND_ROWS = 2
"""The client's flag by which an UPDATE counts the rows that it found, not those that it made different."""

SQL_MODE = (
    "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION,"
    "NO_AUTO_VALUE_ON_ZERO"
)
"""What does not fit is an error, and 0 in a key is 0."""
SESSION = (
    f"SET NAMES {CHARSET} COLLATE {CHARSET}_nopad_bin, sql_mode = '{SQL_MODE}', time_zone = '+00:00', "
    "autocommit = 1, max_error_count = 64"
)
SNAPSHOT_ISOLATION = ", innodb_snapshot_isolation = ON"
"""Where the server has it: of two transactions that change one row the later is told, at REPEATABLE READ."""
HAS_SNAPSHOT_ISOLATION = "SHOW VARIABLES LIKE 'innodb_snapshot_isolation'"


def session_text(snapshot_isolation: bool, statement_timeout: float | None) -> str:
    """The statement by which a session becomes ours, each time anew after it was reset."""
    text = SESSION + (SNAPSHOT_ISOLATION if snapshot_isolation else "")
    return text if statement_timeout is None else f"{text}, max_statement_time = {statement_timeout:.6f}"


@dataclass(frozen=True, slots=True)
class Settings:
    """A URL, read."""

    host: str
    port: int
    user: str
    password: Secret = field(repr=False)
    database: str
    unix_socket: str | None = None
    tls: ssl.SSLContext | None = None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return self.unix_socket or f"{self.host}:{self.port}"


_PARAMETERS = ("charset", "ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_verify", "unix_socket")


def read_url(url: str) -> Settings:
    """The URL's parts. ValidationError says what is wrong with it and shows nothing of it that is secret."""
    parts = _split(url)
    if parts is None:
        # Not within `except`: the library's own error quotes the URL, and would stay beside ours.
        raise _unreadable()
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in query:
        if name not in _PARAMETERS:
            raise ValidationError(
                f"a MariaDB URL knows no parameter {name!r}; {did_you_mean(name, _PARAMETERS)}"
            )
    if query.get("charset", CHARSET) != CHARSET:
        raise ValidationError(f"the charset of a connection is {CHARSET}; leave `charset` out of the URL")
    return Settings(
        host=parts.hostname or "localhost",
        port=parts.port or DEFAULT_PORT,
        user=unquote(parts.username or ""),
        password=Secret(unquote(parts.password or "")),
        database=unquote(parts.path.removeprefix("/")),
        unix_socket=query.get("unix_socket"),
        tls=tls_of(query),
    )


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError:
        return None
    several = "," in parts.netloc.rpartition("@")[2]
    return None if several or parts.netloc.count("@") > 1 or "@" in parts.path or parts.fragment else parts


def _unreadable() -> ValidationError:
    return ValidationError(
        "the database's URL cannot be read: it should be mysql://user:password@host:port/database with one "
        "host, and special characters in user and password percent-encoded (@ is %40, / is %2F)"
    )


def unreachable(settings: Settings, error: BaseException, timeout: float | None) -> UnreachableError:
    """The one error for a connection that could not be made."""
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        limit = f" within {timeout:g} s" if timeout is not None else ""
        return UnreachableError(
            f"cannot reach {settings.place}{limit}: is the server running, and the address right?"
        )
    code, said = (*error.args, "", "")[:2]
    if type(code) is int and 1000 <= code < 2000:
        return UnreachableError(
            f"{settings.place} refused the connection: {said}; check the URL's user, password and database"
        )
    reason = str(said or error).splitlines()[0] if str(said or error) else "no answer"
    return UnreachableError(
        f"cannot reach {settings.place}: {reason}; is the server running, and the address right?"
    )


def written(text: str, params: Sequence[Any], escape: Callable[[Any], str]) -> str:
    """The statement with its values, each as the connection's library writes it (`escape`).

    Bytes are written in hexadecimal, which no setting of the session gives another meaning: some libraries
    write them with backslashes even where a backslash is a character like any other. A tuple is a list
    of values behind IN. UnicodeEncodeError for half a character: some libraries would send it as a byte.
    """
    query = text % tuple([_literal(value, escape) for value in params])
    if not query.isascii():
        query.encode()
    return query


_LARGEST = 1 << 63


def _literal(value: Any, escape: Callable[[Any], str]) -> str:
    if type(value) is int and not -_LARGEST <= value < _LARGEST:
        # The server would make a decimal of it, which no whole number of 64 bits is equal to.
        raise DataError("a parameter is a whole number that does not fit into 64 bits")
    if isinstance(value, (bytes, bytearray)):
        return f"X'{value.hex()}'"
    if isinstance(value, tuple):
        return f"({', '.join([_literal(one, escape) for one in value])})"  # pyright: ignore[reportUnknownVariableType]
    return escape(value)
