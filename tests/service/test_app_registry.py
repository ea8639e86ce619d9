"""The registry: which class an application's file means by a name."""

from __future__ import annotations

from typing import Any

import pytest

from rowstead.errors import UsageError
from rowstead.service.registry import BUILT_IN, ServiceRegistry
from rowstead.service.service import Service
from service.app_files import MyService


def test_a_class_is_registered_once_under_its_name() -> None:
    registry = ServiceRegistry()
    assert registry.register(MyService) is MyService
    registry.register(MyService)
    assert "MyService" in registry
    assert registry.find("MyService") is MyService
    other = type("MyService", (Service,), {})
    with pytest.raises(UsageError, match=r"the name MyService is .*:MyService's already"):
        registry.register(other)


def test_the_registry_decorates() -> None:
    registry = ServiceRegistry()

    @registry.register
    class Decorated(Service):
        pass

    assert registry.find("Decorated") is Decorated


@pytest.mark.parametrize("wanted", [int, "MyService", MyService(), None])
def test_only_classes_of_services_are_registered(wanted: Any) -> None:
    with pytest.raises(UsageError, match=r"a class below rowstead\.service\.Service is wanted, not"):
        ServiceRegistry().register(wanted)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_services_are_known_and_their_names_are_taken(name: str) -> None:
    registry = ServiceRegistry()
    assert name in registry
    cls = registry.find(name)
    assert (cls.__name__, issubclass(cls, Service)) == (name, True)
    assert registry.register(cls) is cls
    with pytest.raises(UsageError, match=f"the name {name} is rowstead"):
        registry.register(type(name, (Service,), {}))
