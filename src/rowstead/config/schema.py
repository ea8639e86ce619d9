"""The settings: what keys there are, what each may hold, and what it is when nobody sets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, field_serializer, model_validator
from sqlalchemy.engine import URL

from rowstead.config import databases
from rowstead.config.databases import DEFAULT_DIALECT, DEFAULT_FILE, KNOWN, check_driver, dialect_named
from rowstead.config.dsn import Parts, read_dsn, read_hosts, read_port
from rowstead.config.masking import DSN, SecretURL, masked
from rowstead.config.sections import Section, WrongKey, opened
from rowstead.config.urls import core_url, sqlalchemy_url
from rowstead.drivers.addresses import MEMORY
from rowstead.errors import ValidationError, did_you_mean


def _as_text(value: Any) -> Any:
    """Numbers are taken for what they look like (`password: 123`); an empty text says nothing."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return value
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in value):
        raise ValueError("must be text that UTF-8 can hold, without NUL")
    return value or None


def _as_dsn(value: Any) -> Any:
    text = _as_text(value)
    if isinstance(text, str):
        read_dsn(text)
        return DSN(text)
    if text is None:
        return None
    raise ValueError("must be a database URL")


def _as_port(value: Any) -> Any:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a whole number from 1 to 65535")
    return read_port(str(value).strip())


def _as_host(value: Any) -> Any:
    text = _as_text(value)
    if isinstance(text, str):
        read_hosts(text)
    return text


def _as_dialect(value: Any) -> Any:
    text = _as_text(value)
    return dialect_named(text) if isinstance(text, str) else text


def _as_driver(value: Any) -> Any:
    text = _as_text(value)
    return text.strip().lower() if isinstance(text, str) else text


def _as_params(value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        return value
    given = cast("Mapping[Any, Any]", value)
    return {str(name): _as_param(item) for name, item in given.items() if item is not None}


def _as_param(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else str(_as_text(value) or "")


def _as_names(value: Any) -> Any:
    if value is None:
        return []
    if isinstance(value, str):
        return [name for piece in value.split(",") if (name := piece.strip())]
    return value


def _as_mapping(value: Any) -> Any:
    return {} if value is None else value


Text = Annotated[str | None, BeforeValidator(_as_text)]
Keywords = Annotated[dict[str, Any], BeforeValidator(_as_mapping)]

PLACED_BY_PARAMETER = frozenset({"host", "unix_socket", "odbc_connect", "service"})
"""Parameters that say where the server is, so that no host is taken for granted."""

HINTS = {
    "url": "dsn",
    "uri": "dsn",
    "database": "db",
    "dbname": "db",
    "name": "db",
    "path": "db",
    "file": "db",
    "login": "user",
    "pass": "password",
    "pwd": "password",
    "server": "host",
    "socket": "host",
    "query": "params",
    "options": "params",
    "echo": "debug",
    "schema": "default_schema",
    "timeout": "connect_timeout",
}
"""What people write for a key that is spelled quite differently."""


class DatabaseConfigSchema(Section):
    """Where the database is and how it is reached.

    What is set beside `dsn` takes the place of that part of it, whatever its value; a key without a
    value sets nothing. Raises ValidationError for an unknown key and for a value that cannot be.
    """

    model_config = ConfigDict(extra="forbid")

    dsn: Annotated[DSN | None, BeforeValidator(_as_dsn)] = None
    """The whole address as a URL, percent-encoded."""
    dialect: Annotated[str | None, BeforeValidator(_as_dialect)] = None
    """SQLAlchemy's name of the database; without it, the one of the driver."""
    driver: Annotated[str | None, BeforeValidator(_as_driver)] = None
    """SQLAlchemy's name of the driver; without it, the dialect's asynchronous one. Also `async_driver`."""
    db: Text = None
    """The database's name; of SQLite the file, or `:memory:`."""
    user: Text = None
    password: Annotated[SecretStr | None, BeforeValidator(_as_text)] = None
    host: Annotated[str | None, BeforeValidator(_as_host)] = None
    """A name, an address, a socket's absolute path, or several: `one:5432,two:5433`."""
    port: Annotated[int | None, BeforeValidator(_as_port)] = None
    params: Annotated[dict[str, str], BeforeValidator(_as_params)] = Field(default_factory=dict[str, str])
    """Parameters of the URL, which win over those in `dsn`."""
    connect_timeout: float | None = Field(default=10.0, gt=0, allow_inf_nan=False)
    """Seconds until an attempt to connect is given up; None waits as long as the driver does."""
    debug: bool = False
    """Whether statements are logged."""
    default_schema: Text = None
    """The schema that names without one mean; None leaves it to the database."""
    pool_size: int | None = Field(default=None, ge=0)
    max_overflow: int | None = Field(default=None, ge=-1)
    pool_timeout: float | None = Field(default=None, ge=0)
    """Seconds that a caller waits for a connection."""
    pool_recycle: int | None = Field(default=None, ge=-1)
    """Seconds after which a connection is made anew; -1 is never."""
    pool_pre_ping: bool | None = None
    pool_use_lifo: bool | None = None
    models: Annotated[list[str], BeforeValidator(_as_names)] = Field(default_factory=list[str])
    """The modules with the models, for the commands that need them."""
    create_engine_kwargs: Keywords = Field(default_factory=dict[str, Any])
    """More arguments of SQLAlchemy's `create_async_engine`."""
    kwargs: Keywords = Field(default_factory=dict[str, Any])
    """The same, winning over those given in code."""

    if TYPE_CHECKING:
        # What may be given is more than what is held.
        def __init__(
            self,
            *,
            dsn: str | SecretStr | None = None,
            dialect: str | None = None,
            driver: str | None = None,
            async_driver: str | None = None,
            db: str | None = None,
            user: str | int | None = None,
            password: str | int | SecretStr | None = None,
            host: str | None = None,
            port: int | str | None = None,
            params: Mapping[str, object] | None = None,
            connect_timeout: float | None = 10.0,
            debug: bool = False,
            default_schema: str | None = None,
            pool_size: int | None = None,
            max_overflow: int | None = None,
            pool_timeout: float | None = None,
            pool_recycle: int | None = None,
            pool_pre_ping: bool | None = None,
            pool_use_lifo: bool | None = None,
            models: Sequence[str] | str = (),
            create_engine_kwargs: Mapping[str, Any] | None = None,
            kwargs: Mapping[str, Any] | None = None,
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            raise WrongKey((), "must hold keys and values, as `dsn: …`")
        given = dict(cast("Mapping[str, Any]", values))
        if "async_driver" in given:
            alias = given.pop("async_driver")
            given["driver"] = alias or given.get("driver")
        for name in given:
            if name not in cls.model_fields:
                likely = HINTS.get(str(name).lower())
                hint = f"did you mean {likely!r}?" if likely else did_you_mean(str(name), cls.model_fields)
                raise WrongKey((str(name),), f"there is no such key; {hint}")
        return given

    @model_validator(mode="after")
    def _one_database(self) -> DatabaseConfigSchema:
        _ = self.url
        return self

    @field_serializer("params", "create_engine_kwargs", "kwargs")
    def _serialized(self, value: Any) -> Any:
        return masked(value)

    @property
    def url(self) -> URL:
        """The address as SQLAlchemy's URL."""
        return sqlalchemy_url(self._parts())

    def build_dsn(self) -> str:
        """The address as text that `sqlalchemy.make_url` reads back, with its password; its repr has none."""
        return SecretURL(self.url.render_as_string(hide_password=False))

    def core_url(self) -> str:
        """The address as text that Rowstead's own handles and migrations take, with its password.

        Raises ValidationError for a database that only SQLAlchemy knows.
        """
        return core_url(self._parts())

    def describe(self) -> dict[str, str]:
        """Where the database is, for people: no password, and nothing that is not really in use."""
        url, parts = self.url, self._parts()
        told = {"dialect": url.get_backend_name(), "driver": url.drivername.partition("+")[2]}
        if parts.is_file:
            return told | {"file": parts.db or MEMORY}
        hosts = ",".join(
            (f"[{name}]" if ":" in name else name) + (f":{port}" if port is not None else "")
            for name, port in parts.hosts
        )
        places = {"host": hosts, "db": parts.db, "user": parts.user}
        return told | {name: text for name, text in places.items() if text}

    def pool_options(self) -> dict[str, Any]:
        """What is set of the pool, as `create_async_engine` takes it."""
        names = (name for name in type(self).model_fields if name.startswith(("pool_", "max_")))
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def _parts(self) -> Parts:
        parts = self._beginning().with_params(self.params)
        password = self.password.get_secret_value() if self.password is not None else None
        if parts.is_file:
            return self._changed(parts, {"db": self.db})
        if self.host is not None:
            parts = parts.with_hosts(read_hosts(self.host))
        if self.port is not None:
            parts = parts.with_port(self.port)
        return self._changed(parts, {"db": self.db, "user": self.user, "password": password})

    def _changed(self, parts: Parts, changes: Mapping[str, str | None]) -> Parts:
        given = {name: value for name, value in changes.items() if value is not None}
        return replace(parts, **given)

    def _beginning(self) -> Parts:
        """What the DSN says, or the dialect alone with what is usual for it."""
        if self.dsn is None:
            return self._usual()
        parts = read_dsn(self.dsn.get_secret_value())
        if self.dialect is not None and databases.family(self.dialect) != databases.family(parts.dialect):
            raise ValidationError(
                f"the dsn is of {parts.dialect} and the dialect is {self.dialect}; leave one of them out"
            )
        driver = self.driver or parts.driver
        if driver is not None:
            check_driver(parts.dialect, driver)
        return replace(parts, driver=driver, dialect=self.dialect or parts.dialect)

    def _usual(self) -> Parts:
        """The parts where there is no DSN: what the dialect is usually reached by."""
        dialect = self._named_dialect()
        driver = None if self.driver == dialect else self.driver
        known = KNOWN.get(dialect)
        if known is not None and known.is_file:
            return Parts(dialect, driver, db=DEFAULT_FILE)
        if self.host is None and PLACED_BY_PARAMETER & self.params.keys():
            return Parts(dialect, driver)
        host = self.host or "localhost"
        port = None if known is None or host.startswith("/") else known.port
        return Parts(dialect, driver, hosts=((host, port),))

    def _named_dialect(self) -> str:
        if self.dialect is not None:
            if self.driver is not None:
                check_driver(self.dialect, self.driver)
            return self.dialect
        if self.driver is not None:
            return databases.dialect_of_driver(self.driver)
        return self._default_dialect()

    def _default_dialect(self) -> str:
        stray = [name for name in ("host", "port", "user", "password") if getattr(self, name) is not None]
        if stray:
            raise ValidationError(
                f"{', '.join(stray)} is set, and which database that is of is not; "
                "set `dialect`, as postgresql or mysql, or `driver`, or `dsn`"
            )
        return DEFAULT_DIALECT


class ConfigSchema(Section):
    """All settings. Keys that Rowstead does not know are kept, and read by attribute."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, BeforeValidator(lambda value: _as_text(value) or "rowstead")] = "rowstead"
    """The application's."""
    database: Annotated[
        DatabaseConfigSchema, BeforeValidator(lambda value: {} if value is None else value)
    ] = Field(default_factory=DatabaseConfigSchema)

    @model_validator(mode="before")
    @classmethod
    def _opened(cls, values: Any) -> Any:
        given = cast("Mapping[str, Any]", values)
        return {name: value if name in cls.model_fields else opened(value) for name, value in given.items()}
