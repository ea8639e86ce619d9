"""The parts of a database's address, read from a DSN and changed one by one.

Text that can be read in two ways is refused: a client would else ask a host that is a password's end.
No message shows any of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote

from rowstead.config.databases import KNOWN, dialect_named
from rowstead.errors import ValidationError

Host: TypeAlias = tuple[str, int | None]
"""A name, an address or a socket's absolute path, and the port where one is named."""

Params: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values; a name may come several times."""

ENCODE = (
    "write @ as %40, : as %3A, / as %2F, ? as %3F and % as %25 in a DSN, "
    "or give the password by the key `password`, where it stands as it is"
)


@dataclass(frozen=True, slots=True)
class Parts:
    """An address, taken apart; nothing in it is percent-encoded."""

    dialect: str
    driver: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    hosts: tuple[Host, ...] = ()
    db: str | None = None
    params: Params = field(default=(), repr=False)

    @property
    def is_file(self) -> bool:
        known = KNOWN.get(self.dialect)
        return known is not None and known.is_file

    def with_hosts(self, hosts: Iterable[Host]) -> Parts:
        """With other hosts; their ports are the old ones' where they name none and the old ones agree."""
        ports = {port for _, port in self.hosts}
        port = ports.pop() if len(ports) == 1 else None
        return replace(self, hosts=tuple((name, port if own is None else own) for name, own in hosts))

    def with_port(self, port: int) -> Parts:
        """With this port at every host."""
        return replace(self, hosts=tuple((name, port) for name, _ in self.hosts or (("localhost", None),)))

    def with_params(self, params: Mapping[str, str]) -> Parts:
        """With these parameters, which win over what is there of the same name. Raises ValidationError."""
        new = replace(self, params=tuple(params.items())).settled()
        names = {name for name, _ in new.params}
        kept = tuple(pair for pair in self.params if pair[0] not in names)
        return replace(new, params=(*kept, *new.params))

    def settled(self) -> Parts:
        """With user, password, hosts and TLS in their own places, where parameters may say them too."""
        known = KNOWN.get(self.dialect)
        return self if known is None or not known.hosts_in_query else _settled(self)


def read_dsn(dsn: str) -> Parts:
    """The parts of a DSN. Raises ValidationError, which never shows what was written."""
    scheme, separator, rest = dsn.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][\w]*(\+\w+)?", scheme):
        raise ValidationError(
            "the dsn is no database URL: it must begin like sqlite+aiosqlite:///file.db or "
            "postgresql+asyncpg://user@host/name"
        )
    name, _, driver = scheme.partition("+")
    dialect = dialect_named(name)
    end = min((at for mark in "/?" if (at := rest.find(mark)) >= 0), default=len(rest))
    authority, rest = rest[:end], rest[end:]
    path, _, query = rest.partition("?")
    parts = Parts(dialect, driver.lower() or None, db=_decoded(path[1:]) or None, params=read_params(query))
    if parts.is_file:
        return _of_a_file(parts, scheme, authority)
    _refuse_ambiguous(authority, path, query)
    login, _, place = authority.rpartition("@")
    user, _, password = login.partition(":")
    parts = replace(parts, user=_decoded(user) or None, password=_decoded(password) or None)
    return replace(parts, hosts=read_hosts(unquote(place)) if place else ()).settled()


def _of_a_file(parts: Parts, scheme: str, authority: str) -> Parts:
    if authority:
        raise ValidationError(
            f"the dsn of a file has three slashes before a relative path, four before an absolute one: "
            f"write {scheme}:///file.db"
        )
    return parts


def _refuse_ambiguous(authority: str, path: str, query: str) -> None:
    """An @ behind the first / or ? most likely belongs to a password that is not encoded."""
    login = authority.rpartition("@")[0]
    if "@" in login or "@" in path or ("@" in query and not path and "@" not in authority):
        raise ValidationError(f"the dsn has an @ that can be read in two ways; {ENCODE}")
    if authority.startswith("[") and "]" not in authority:
        raise ValidationError("the dsn's host has a [ without its ]; write an IPv6 address as [::1]")


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        pass
    raise ValidationError(f"the dsn has a % that does not stand for a character; {ENCODE}")


def read_params(query: str) -> Params:
    """What stands behind a URL's ?, decoded. Raises ValidationError."""
    pieces = [piece for piece in query.split("&") if piece]
    if any("=" not in piece for piece in pieces):
        raise ValidationError(
            f"the dsn's parameters, behind the ?, are name=value, joined by &; for a password's ?: {ENCODE}"
        )
    return tuple(parse_qsl("&".join(pieces), keep_blank_values=True))


_OWN_PLACES = ("host", "port", "user", "password")


def _settled(parts: Parts) -> Parts:
    parts = replace(parts, params=tuple(pair for each in parts.params for pair in _unfolded(*each)))
    given = dict(parts.params)
    hosts = [host for name, value in parts.params if name == "host" for host in read_hosts(value)]
    ports = [port for name, value in parts.params if name == "port" for port in value.split(",")]
    if hosts:
        parts = replace(parts, hosts=_paired(hosts, ports))
    elif ports:
        parts = parts.with_port(read_port(given["port"]))
    return replace(
        parts,
        user=given.get("user", parts.user),
        password=given.get("password", parts.password),
        # asyncpg's name of it; one name lets the later of two win.
        params=tuple(
            ("sslmode" if name == "ssl" else name, value)
            for name, value in parts.params
            if name not in _OWN_PLACES
        ),
    )


def _unfolded(name: str, value: str) -> Params:
    """A `dsn` among the parameters, as one is written for asyncpg, holds only parameters."""
    return read_params(value.partition("?")[2]) if name == "dsn" else ((name, value),)


def _paired(hosts: list[Host], ports: list[str]) -> tuple[Host, ...]:
    if not ports:
        return tuple(hosts)
    if len(ports) not in (1, len(hosts)):
        raise ValidationError(
            f"the dsn names {len(hosts)} hosts and {len(ports)} ports; give one port for each, or one for all"
        )
    each = ports * len(hosts) if len(ports) == 1 else ports
    return tuple((name, read_port(port)) for (name, _), port in zip(hosts, each, strict=True))


_HOST = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?")
_NAME = re.compile(r"[^\s@/?#:,\[\]]+")


def read_hosts(text: str) -> tuple[Host, ...]:
    """`host`, `host:port`, `[::1]:port`, `::1`, a socket's absolute path, or several with commas.

    Raises ValidationError.
    """
    return tuple(_read_host(piece.strip()) for piece in text.split(","))


def _read_host(text: str) -> Host:
    if text.startswith("/"):
        return text, None
    if _is_ipv6(text):
        return text, None
    found = _HOST.fullmatch(text)
    name = found and (found["six"] or found["name"])
    if found is None or not name or not (_is_ipv6(name) if found["six"] else _NAME.fullmatch(name)):
        raise ValidationError(
            "the host is no name and no address: write db.example.org, 10.0.0.1, [::1], each with :port "
            "where it is not the usual one, several with commas, or a socket's path"
        )
    return name, read_port(found["port"]) if found["port"] else None


def _is_ipv6(text: str) -> bool:
    try:
        return ip_address(text).version == 6
    except ValueError:
        return False


def read_port(text: str) -> int:
    """A port's number, or ValidationError."""
    if re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= 65535:
        return int(text)
    raise ValidationError("the port must be a whole number from 1 to 65535")
