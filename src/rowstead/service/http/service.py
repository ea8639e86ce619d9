"""What of an application is served over HTTP, to whom, and how much of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rowstead.errors import UsageError, ValidationError
from rowstead.service.database import DatabaseService
from rowstead.service.http.authentication import Authenticate, Tokens, named, nobody
from rowstead.service.http.health import Health
from rowstead.service.http.limits import Limits
from rowstead.service.http.methods import methods_of
from rowstead.service.service import Service

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from rowstead.service.app import App

DEFAULT_HOST = "127.0.0.1"
"""This machine only: who serves others says so."""
DEFAULT_PORT = 8000


def require_server() -> None:
    """Raises ImportError, which names the extra, where no server can be made."""
    try:
        for library in ("starlette", "uvicorn"):
            import_module(library)
    except ImportError as error:
        raise ImportError(
            f"a public server needs {error.name}, which is not installed: pip install 'rowstead[serve]'"
        ) from error


def _addresses(proxies: Any) -> tuple[str, ...]:
    """Proxies, one by one; of one that is misspelt nothing would be believed, and nobody would notice."""
    given: list[Any] = [proxies]
    if isinstance(proxies, list | tuple | set | frozenset):
        given = list(proxies)  # pyright: ignore[reportUnknownArgumentType]
    for each in given:
        try:
            if not isinstance(each, str):
                raise ValueError
            ip_network(each)
        except ValueError:
            raise ValidationError(
                f"proxies are addresses or networks, as 10.0.0.2 or 10.0.0.0/8, not {each!r}"
            ) from None
    return tuple(given)


class HTTPService(Service):
    """The public services of its application by JSON-RPC 2.0 over HTTP.

    It holds the settings; `rowstead app serve` listens, or any server that runs `asgi()`.
    """

    service_name: ClassVar[str | None] = "http"

    def __init__(
        self,
        *,
        app: App | None = None,
        name: str | None = None,
        services: Iterable[Service] | None = None,
        authenticate: Authenticate | str | None = None,
        tokens: Sequence[Mapping[str, Any]] | None = None,
        anonymous: bool = False,
        limits: Limits | Mapping[str, Any] | None = None,
        open_metrics: bool = False,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        proxies: Sequence[str] | str = (),
        origins: Sequence[str] | str = (),
    ) -> None:
        """Say who may call by `authenticate` (a function, or `module:function`), by `tokens`
        (`[{token, user_id, permissions}, ...]`), or by `anonymous=True`, which lets everybody in.

        `services`: which are served, where there is no application. `proxies`: addresses or networks of
        proxies whose `X-Forwarded-For` is believed. Raises UsageError and ValidationError for settings that
        cannot be. `origins`: pages that may call, as `https://tasks.example.org`; browsers name theirs.
        """
        super().__init__(app=app, name=name)
        if authenticate is not None and tokens is not None:
            raise UsageError("give `authenticate` or `tokens`, not both")
        if authenticate is None and tokens is None and not anonymous:
            raise UsageError("say who may call: `tokens`, `authenticate`, or `anonymous: true` for everybody")
        if tokens is not None and not (isinstance(tokens, list | tuple) and tokens):
            raise UsageError(
                "tokens are a list of callers, `[{token, user_id, permissions}, ...]`, one at least"
            )
        if limits is not None and not isinstance(cast("Any", limits), Limits | Mapping):
            raise UsageError(f"limits are names with numbers, `{{rate: 10}}`, not {type(limits).__name__}")
        if isinstance(authenticate, str):
            authenticate = named(authenticate)
        if authenticate is not None and not callable(authenticate):
            raise UsageError(
                "authenticate is a function, or is written module:function, not "
                f"{type(authenticate).__name__}"
            )
        self.authenticate: Authenticate = authenticate or (nobody if tokens is None else Tokens(tokens))
        self.anonymous = anonymous
        self.limits = limits if isinstance(limits, Limits) else Limits.of(limits or {})
        self.open_metrics = open_metrics
        self.host = host
        self.port = port
        self.proxies = _addresses(proxies)
        self.origins = (origins,) if isinstance(origins, str) else tuple(origins)
        self._services = None if services is None else list(services)

    def prepare(self) -> None:
        """Find what cannot be called from outside, before anything is started. Raises UsageError."""
        methods_of(self._served())

    def asgi(self) -> Starlette:
        """The ASGI application; the services are started and stopped by their owner.

        Raises UsageError where a route cannot be called from outside.
        """
        require_server()
        from rowstead.service.http.server import PublicServer

        services = self._served()
        databases = {each.name: each for each in services if isinstance(each, DatabaseService)}
        return PublicServer(
            services,
            authenticate=self.authenticate,
            anonymous=self.anonymous,
            limits=self.limits,
            open_metrics=self.open_metrics,
            origins=self.origins,
            health=Health({name: lambda each=each: each.session for name, each in databases.items()}),
        ).asgi()

    def _served(self) -> list[Service]:
        if self._services is not None:
            return self._services
        if self.app is None:
            raise UsageError(
                f"{self.name} has nothing to serve: give it services, or put it into an application"
            )
        return list(self.app.services.values())
