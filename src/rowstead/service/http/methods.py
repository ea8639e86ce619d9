"""Which methods strangers may call: those in the `routes` of services that are `PublicInterface`, no others.

A name from outside is only ever looked up in the mapping that is made here, when the server is made. Nothing
is looked up on an object by a name that a stranger sent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rowstead.errors import UsageError
from rowstead.service.http.signatures import OWN, Signature
from rowstead.service.public import PublicInterface
from rowstead.service.service import Service

RESERVED = "rpc"
"""JSON-RPC keeps method names that begin with `rpc.` for itself."""
DISCOVER = "rpc.discover"
"""What OpenRPC calls the method that gives its document."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method that strangers may call."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    documentation: str


def methods_of(services: Iterable[Service]) -> Mapping[str, Method]:
    """By the name under which each is called, `<service>.<route>`: the methods of the public services.

    Raises UsageError where a route cannot be called from outside, or two have one name.
    """
    methods: dict[str, Method] = {}
    for service in services:
        if not isinstance(service, PublicInterface):
            continue
        if service.name == RESERVED or service.name.startswith(f"{RESERVED}."):
            raise UsageError(
                f"a public service cannot be named {service.name!r}: JSON-RPC keeps that name for itself"
            )
        for route, function in service.routes.items():
            name = f"{service.name}.{route}"
            if route.startswith(OWN):
                raise UsageError(
                    f"{name} begins with {OWN!r}, which says it is not for strangers; leave it out of routes"
                )
            if name in methods:
                raise UsageError(f"two methods are called {name}; rename a service or a route")
            methods[name] = Method(
                name, function, Signature.of(function, name), inspect.getdoc(function) or ""
            )
    return methods
