"""TLS to MariaDB: what a URL asks for, and connections that are not made without it.

PyMySQL and aiomysql go on in clear where the server has no TLS; asyncmy refuses by itself.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rowstead.errors import ValidationError

CLIENT_SSL = 0x800
"""The bit by which a server says that it has TLS."""
SSL_ERROR = 2026
"""The client's own number for a failed TLS connection."""

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


def tls_of(query: Mapping[str, str]) -> ssl.SSLContext | None:
    """What the parameters ssl, ssl_ca, ssl_cert, ssl_key and ssl_verify of a URL ask for; None: nothing."""
    wanted = any(name in query for name in ("ssl_ca", "ssl_cert", "ssl_key"))
    if not _boolean(query, "ssl", wanted):
        return None
    context = ssl.create_default_context(cafile=query.get("ssl_ca"))
    if not _boolean(query, "ssl_verify", True):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "ssl_cert" in query:
        context.load_cert_chain(query["ssl_cert"], query.get("ssl_key"))
    return context


def _boolean(query: Mapping[str, str], name: str, otherwise: bool) -> bool:
    value = query.get(name)
    if value is None:
        return otherwise
    if value.lower() not in _TRUE | _FALSE:
        raise ValidationError(f"{name}={value} is neither true nor false")
    return value.lower() in _TRUE


@lru_cache(maxsize=8)
def insisting(connection: Any, failure: Any) -> Any:
    """A library's class of connections, which raises `failure` where TLS is asked for and not to be had.

    Before the password is sent.
    """

    class Insisting(connection):
        def __init__(self, **arguments: Any) -> None:
            # PyMySQL connects in here; and it prefers TLS, and says so, where nobody asks for it.
            self.insists = arguments.get("ssl") is not None
            connection.__init__(self, **arguments)

        def _request_authentication(self) -> Any:
            if self.insists and not self.server_capabilities & CLIENT_SSL:
                raise failure(SSL_ERROR, "TLS is asked for, and the server has none")
            return connection._request_authentication(self)

    return Insisting
