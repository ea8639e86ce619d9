"""The parts of an address, written as a URL: SQLAlchemy's, and the one of Rowstead's own drivers.

It answers for every character: what a password, a host or a path holds comes out as it went in. And
for every parameter: each driver is told in its own words, above all what it shall do about TLS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from urllib.parse import quote, unquote, urlencode

from sqlalchemy.engine import URL

from rowstead.config.databases import ASYNCPG_ARGUMENTS, KNOWN, driver_for
from rowstead.config.dsn import Params, Parts
from rowstead.drivers.addresses import MEMORY, MODES, SCHEMES, Secret
from rowstead.errors import ValidationError


def sqlalchemy_url(parts: Parts) -> URL:
    """The parts as SQLAlchemy's URL, with an asynchronous driver where none is named."""
    driver = parts.driver or driver_for(parts.dialect)
    parts = _with_mode(parts)
    translate = _TRANSLATED.get(driver or "")
    query = _grouped(parts.params if translate is None else translate(parts.params))
    host, port, in_query = _placed(parts)
    return URL.create(
        f"{parts.dialect}+{driver}" if driver else parts.dialect,
        # SQLAlchemy writes a password only beside a user.
        username="" if parts.user is None and parts.password is not None else parts.user,
        password=parts.password,
        host=host,
        port=port,
        database=parts.db,
        query=query | in_query,
    )


def _placed(parts: Parts) -> tuple[str | None, int | None, dict[str, str]]:
    """Host, port, and what of them has to be said by parameters."""
    known = KNOWN.get(parts.dialect)
    if len(parts.hosts) == 1 and not parts.hosts[0][0].startswith("/"):
        return *parts.hosts[0], {}
    if not parts.hosts:
        return None, None, {}
    if known is not None and known.hosts_in_query:
        said = {"host": ",".join(name for name, _ in parts.hosts)}
        ports = [port for _, port in parts.hosts]
        if any(port is not None for port in ports) or len(ports) > 1:
            said["port"] = ",".join(str(port or known.port) for port in ports)
        return None, None, said
    if known is not None and known.socket_parameter is not None and len(parts.hosts) == 1:
        return None, None, {known.socket_parameter: parts.hosts[0][0]}
    raise ValidationError(f"{parts.dialect} takes one host, by its name or address")


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, str | tuple[str, ...]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else tuple(values) for name, values in grouped.items()}


def _for_asyncpg(params: Params) -> Params:
    """`sslmode` and its fellows are no arguments of asyncpg's, which reads them from a URL all the same."""
    own = tuple(pair for pair in params if pair[0] in ASYNCPG_ARGUMENTS)
    rest = tuple(pair for pair in params if pair[0] not in ASYNCPG_ARGUMENTS)
    if not rest:
        return own
    if [name for name, _ in rest] == ["sslmode"]:
        return (*own, ("ssl", rest[0][1]))
    return (*own, ("dsn", f"postgresql://?{urlencode(rest, quote_via=quote)}"))


_TRANSLATED: Mapping[str, Callable[[Params], Params]] = {"asyncpg": _for_asyncpg}
"""Drivers whose parameters have other names than libpq's."""


def core_url(parts: Parts) -> Secret:
    """The parts as the URL that Rowstead's own drivers take.

    Raises ValidationError for a database that they do not know.
    """
    if parts.dialect not in SCHEMES:
        known = ", ".join(name for name in SCHEMES if "+" not in name)
        raise ValidationError(
            f"Rowstead's own drivers do not know {parts.dialect}, only {known}; SQLAlchemy's engine does. "
            "For migrations use Alembic or the database's own client"
        )
    if parts.is_file:
        return Secret(_file_url(parts))
    scheme = f"{parts.dialect}+{parts.driver or driver_for(parts.dialect)}"
    scheme = scheme if scheme in SCHEMES else parts.dialect
    login = ":".join(quote(text, safe="") for text in (parts.user or "", parts.password) if text is not None)
    place, said = _spelled_hosts(parts)
    params = said if parts.params == () else (*said, *_for_core(parts))
    query = f"?{urlencode(params, quote_via=quote)}" if params else ""
    path = f"/{quote(parts.db, safe='')}" if parts.db is not None else "/" if query else ""
    return Secret(f"{scheme}://{login}{'@' if login else ''}{place}{path}{query}")


def _spelled_hosts(parts: Parts) -> tuple[str, Params]:
    """The hosts between @ and /, and parameters for what cannot stand there."""
    if any(name.startswith("/") for name, _ in parts.hosts):
        return "", tuple(_placed(parts)[2].items())
    spelled = (
        (f"[{quote(name, safe=':')}]" if ":" in name else quote(name)) + ("" if port is None else f":{port}")
        for name, port in parts.hosts
    )
    return ",".join(spelled), ()


def _for_core(parts: Parts) -> Params:
    known = KNOWN.get(parts.dialect)
    return parts.params if known is None else tuple(p for p in parts.params if p[0] not in known.tuning)


def _file_url(parts: Parts) -> str:
    """SQLite's parameters are SQLAlchemy's own, but for the mode in which the file is opened."""
    given = dict(parts.params)
    path, mode = parts.db or MEMORY, given.get("mode", "")
    if path.startswith("file:") and "uri" in given:
        path = unquote(path.removeprefix("file:"))
    query = f"?mode={mode}" if mode in MODES and path != MEMORY else ""
    return f"{parts.dialect}:///{quote(path)}{query}"


def _with_mode(parts: Parts) -> Parts:
    """Of a file, our own `?mode=ro` as SQLAlchemy takes it: in SQLite's URI of the file."""
    given = dict(parts.params)
    if not parts.is_file or parts.db is None or "uri" in given or given.get("mode") not in MODES:
        return parts
    return replace(parts, db=f"file:{quote(parts.db)}", params=(*parts.params, ("uri", "true")))
