"""Services that keep what they are given, and files that name them, for the tests of applications."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rowstead.errors import ValidationError
from rowstead.service import App
from rowstead.service.registry import ServiceRegistry
from rowstead.service.service import Service

SECRET = "s3cret-word"


class Store(Service):
    """Keeps what it is given."""

    service_name = "store"

    def __init__(
        self,
        host: str = "localhost",
        *,
        port: int = 5432,
        ratio: float | None = None,
        ready: bool = False,
        user: str | None = None,
        password: str | int | None = None,
        options: dict[str, Any] | None = None,
        items: list[Any] | None = None,
        anything: Any = None,
        app: App | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(app=app, name=name)
        self.given = {
            "host": host,
            "port": port,
            "ratio": ratio,
            "ready": ready,
            "user": user,
            "password": password,
            "options": options,
            "items": items,
            "anything": anything,
        }


class Open(Service):
    """Takes whatever is set."""

    def __init__(self, *, app: App | None = None, name: str | None = None, **settings: Any) -> None:
        super().__init__(app=app, name=name)
        self.given = settings


class Strict(Service):
    """Cannot do without a key."""

    def __init__(self, key: str, *, app: App | None = None, name: str | None = None) -> None:
        super().__init__(app=app, name=name)


class Closed(Service):
    """Cannot be made by an application."""

    def __init__(self) -> None:
        super().__init__()


class MyService(Service):
    """The guide's."""


REGISTRY = ServiceRegistry()
"""A registry of its own."""
for cls in (Store, Open, Strict, Closed, MyService):
    REGISTRY.register(cls)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def app_of(text: str, name: str = "app.yaml", registry: ServiceRegistry = REGISTRY) -> App:
    Path(name).write_text(text, encoding="utf-8")
    return App.from_yaml(name, registry=registry)


async def names(app: App) -> list[tuple[str, str]]:
    async with app:
        return [(name, type(service).__name__) for name, service in app.services.items()]


async def given(text: str, name: str = "app.yaml") -> Any:
    """What the only service of a file is given."""
    async with app_of(text, name) as app:
        (service,) = app.services.values()
        return vars(service)["given"]


def wrong(text: str, name: str = "app.yaml") -> list[str]:
    """What is said of a file, a line for each thing that is wrong."""
    with pytest.raises(ValidationError) as caught:
        app_of(text, name)
    assert SECRET not in str(caught.value)
    return str(caught.value).splitlines()
