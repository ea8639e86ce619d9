"""Where a `DatabaseService` finds its database: its settings, read and checked before anything is reached.

Nothing is quoted in a URL by hand: a name or password may hold any character.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from rowstead.config.databases import DEFAULT_FILE, KNOWN, dialect_named, dialect_of_driver, family
from rowstead.config.dsn import Host, Parts, read_dsn, read_hosts, read_port
from rowstead.config.urls import core_url
from rowstead.drivers.addresses import Options, Secret, parse
from rowstead.errors import ValidationError, did_you_mean
from rowstead.setup.facts import Facts, facts_named
from rowstead.setup.needs import Needs
from rowstead.setup.running import Places

T = TypeVar("T")

SERVER = "postgresql"
"""What a host is of where neither a URL nor a driver says."""

SPELLED_OTHERWISE: Mapping[str, str] = {
    "dsn": "url",
    "uri": "url",
    "dbname": "database",
    "path": "database",
    "file": "database",
    "username": "user",
    "login": "user",
    "engine_settings": "pool_size and idle_connection_lifetime",
    "dialect": "driver",
    "tables": "init_tables",
    "hosts": "fallback_hosts",
    "extension": "extensions",
    "schema": "schemas",
}
"""What people write for a setting that is called quite differently."""


def check_settings(service: type[Any], given: Iterable[str]) -> None:
    """Raise ValidationError for a setting that the class does not take."""
    known = inspect.signature(service.__init__).parameters
    if any(each.kind is each.VAR_KEYWORD for each in known.values()):
        return
    for name in given:
        if name not in known:
            likely = SPELLED_OTHERWISE.get(name)
            hint = f"did you mean {likely}?" if likely else did_you_mean(name, list(known)[1:])
            raise ValidationError(f"{service.__name__} has no setting {name!r}; {hint}")


def read(setting: str, kind: type[T], value: Any) -> T:
    """A value as this type, also where a variable's text spells it. Raises ValidationError."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except PydanticError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise ValidationError(f"{setting}: {reason}") from None


def text(setting: str, value: Any) -> str | None:
    """A text; a number as it looks (`password: 123`), an empty one as nothing. Raises ValidationError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if value is None or isinstance(value, str):
        return value or None
    raise ValidationError(f"{setting} is text, not {type(value).__name__}")


def names(setting: str, value: Any) -> tuple[str, ...]:
    """Names, given as a list or as one text with commas. Raises ValidationError."""
    if value is None:
        return ()
    pieces: Any = value.split(",") if isinstance(value, str) else value
    if not isinstance(pieces, (list, tuple, set, frozenset)):
        raise ValidationError(f"{setting} is a list of names, not {type(value).__name__}")
    found = (text(setting, piece) for piece in cast("Iterable[Any]", pieces))
    return tuple(name.strip() for name in found if name)


@dataclass(frozen=True, slots=True)
class Address:
    """What the settings say of the place. Values are as they were given; passwords are in no repr."""

    url: Any = field(default=None, repr=False)
    driver: Any = None
    host: Any = None
    port: Any = None
    database: Any = None
    user: Any = None
    password: Any = field(default=None, repr=False)
    fallback_hosts: Any = None
    root_user: Any = None
    root_password: Any = field(default=None, repr=False)
    root_database: Any = None

    def given(self) -> list[str]:
        """The names of the settings that say anything."""
        return [name for name in self.__slots__ if getattr(self, name) not in (None, "", (), [])]

    def parts(self) -> Parts:
        """The program's own address. Raises ValidationError for what cannot be one."""
        parts = self._beginning()
        if parts.is_file:
            return self._of_a_file(parts)
        changes = {name: text(name, getattr(self, name)) for name in ("user", "password")}
        parts = replace(
            parts,
            hosts=self._hosts(parts),
            db=text("database", self.database) or parts.db,
            **{name: value for name, value in changes.items() if value is not None},
        )
        if parts.db is None:
            raise ValidationError("database: name the database that is to be used on this server")
        return parts

    def root_parts(self, own: Parts) -> Parts:
        """The administrator's address of the same database; the program's own user where none is named."""
        if not text("root_user", self.root_user):
            return own
        return replace(
            own,
            user=text("root_user", self.root_user),
            password=text("root_password", self.root_password),
        )

    def _beginning(self) -> Parts:
        if self.url is not None:
            parts = read_dsn(str(self.url))
            driver = text("driver", self.driver)
            return parts if driver is None else replace(parts, driver=driver)
        wanted = (text("driver", self.driver) or "").lower()
        if wanted:
            dialect = wanted if dialect_named(wanted) in KNOWN else dialect_of_driver(wanted)
            return Parts(dialect_named(dialect), None if dialect == wanted else wanted)
        return Parts(SERVER if set(self.given()) - {"database"} else "sqlite")

    def _of_a_file(self, parts: Parts) -> Parts:
        stray = sorted(set(self.given()) - {"url", "driver", "database"})
        if stray:
            raise ValidationError(
                f"{', '.join(stray)}: a SQLite file has no such thing; name it by `database`"
            )
        return replace(parts, db=text("database", self.database) or parts.db or DEFAULT_FILE)

    def _hosts(self, parts: Parts) -> tuple[Host, ...]:
        own = text("host", self.host)
        first = read_hosts(own) if own is not None else parts.hosts or (("localhost", None),)
        more = [host for name in names("fallback_hosts", self.fallback_hosts) for host in read_hosts(name)]
        if more and family(parts.dialect) != SERVER:
            raise ValidationError("fallback_hosts are PostgreSQL's: this database is reached by one host")
        given = text("port", self.port)
        port = read_port(given) if given is not None else None
        # A port beside the host's name is that host's own; one in a URL is what `port` takes the place of.
        first = tuple((name, at if port is None or (own and at) else port) for name, at in first)
        usual = port or first[0][1]
        return (*first, *((name, at or usual) for name, at in more))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the database is, and how one of its kind is made ready."""

    address: Address
    own: Parts = field(repr=False)
    """As the program reaches it."""
    url: Secret
    facts: Facts

    @classmethod
    def of(cls, address: Address) -> Place:
        """Read the settings. Raises ValidationError for what cannot be a place."""
        own = address.parts()
        # A URL that was given whole may say more than its parts.
        url = Secret(address.url if address.given() == ["url"] else core_url(own))
        return cls(address, own, url, facts_named(parse(url).database))

    def steps(self) -> Places:
        """Where the steps of setting up are done."""
        root = self.address.root_parts(self.own)
        outside = text("root_database", self.address.root_database) or self.facts.root_database
        return Places(
            Secret(core_url(replace(root, db=outside))),
            Secret(core_url(root)),
            self.url,
            has_root=root is not self.own,
        )

    def needs(self, schemas: Sequence[str], extensions: Sequence[str]) -> Needs:
        """What an administrator sees to. Raises ValidationError where it is not said for whom."""
        if self.own.user is None:
            raise ValidationError("user: name the role that the program uses, or set init_db to false")
        usual = self.facts.usual_schema
        return Needs(self.own.db or "", self.own.user, self.own.password, schemas, usual, extensions)


def options_of(pool_size: Any, idle_connection_lifetime: Any) -> Options:
    """The bounds of the pool."""
    size = read("pool_size", int, pool_size)
    if size < 1:
        raise ValidationError(f"pool_size is at least 1, not {size}")
    idle = read("idle_connection_lifetime", float, idle_connection_lifetime)
    if not 0 < idle < float("inf"):
        raise ValidationError(f"idle_connection_lifetime is a number of seconds above 0, not {idle!r}")
    usual = Options()
    longest = max(idle, usual.max_lifetime or 0)
    return Options(max_size=size, max_idle=idle, max_lifetime=longest)
