"""Under which name an application's file finds a class of services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar, cast

from rowstead.drivers.addresses import without_passwords
from rowstead.errors import UsageError, ValidationError, did_you_mean
from rowstead.service.service import Service

C = TypeVar("C", bound=type[Service])

BUILT_IN: Mapping[str, str] = {
    "DatabaseService": "rowstead.service.database:DatabaseService",
    "FixtureService": "rowstead.service.fixtures:FixtureService",
    "HTTPService": "rowstead.service.http.service:HTTPService",
    "DatabaseMigrationService": "rowstead.service.migrating:DatabaseMigrationService",
}
"""Known without being registered; imported when a file names them."""


class ServiceRegistry:
    """Classes of services by their names. `module:Class` names one that nobody registered."""

    def __init__(self, built_in: Mapping[str, str] = BUILT_IN) -> None:
        self._built_in = built_in
        self._classes: dict[str, type[Service]] = {}

    def register(self, cls: C) -> C:
        """Make the class known under its name; it is given back, so that this is a decorator too.

        Raises UsageError for what is no class of services, and for another class of a name that is taken.
        """
        checked = service_class(cls)
        name = checked.__name__
        known = self._classes.get(name)
        taken_by = _path(known) if known is not None else self._built_in.get(name, _path(checked))
        if known not in (None, checked) or taken_by != _path(checked):
            raise UsageError(
                f"{_path(checked)} cannot be registered: the name {name} is {taken_by}'s already; "
                f"give the class another name, or name it {_path(checked)} in the file without registering it"
            )
        self._classes[name] = checked
        return cls

    def __iter__(self) -> Iterator[str]:
        return iter({**self._built_in, **self._classes})

    def __contains__(self, name: object) -> bool:
        return name in self._classes or name in self._built_in

    def find(self, name: str) -> type[Service]:
        """The class of this name, or the one that `module:Class` names.

        Raises ValidationError where there is none, or its module cannot be imported.
        """
        if name in self._classes:
            return self._classes[name]
        path = self._built_in.get(name, name)
        if ":" in path:
            return _imported(path)
        raise ValidationError(
            f"no class of services is registered as {name!r} (name the module that registers it under "
            f"`imports`, or write module:Class); {did_you_mean(name, self)}"
        )


SERVICE_CLASS_REGISTRY = ServiceRegistry()
"""The registry of the process: where an application looks unless it is given another."""


def service_class(value: Any) -> type[Service]:
    """The value, which must be a class of services. Raises UsageError."""
    if isinstance(value, type) and issubclass(value, Service):
        return value
    shown = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    raise UsageError(f"a class below rowstead.service.Service is wanted, not {shown}")


def import_named(module: str) -> ModuleType:
    """The module of this name. Raises ValidationError for whatever keeps it from being imported."""
    if not all(part.isidentifier() for part in module.split(".")):
        raise ValidationError(f"{module!r} is not the name of a module; write it with dots, as app.tasks")
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        # Whatever its code raises; one that is a program ends itself.
        told = without_passwords(f"{type(error).__name__}: {error}")
        raise ValidationError(f"the module {module} cannot be imported: {told}") from error


def _imported(path: str) -> type[Service]:
    module_name, _, class_name = path.partition(":")
    module = import_named(module_name)
    found = cast("object", getattr(module, class_name, None))
    if found is None:
        hint = did_you_mean(class_name, _services_in(module))
        raise ValidationError(f"the module {module_name} has no {class_name!r}; {hint}")
    try:
        return service_class(found)
    except UsageError as error:
        raise ValidationError(f"{path}: {error}") from None


def _services_in(module: ModuleType) -> list[str]:
    values: dict[str, object] = vars(module)
    return [name for name, value in values.items() if isinstance(value, type) and issubclass(value, Service)]


def _path(cls: type[Service]) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"
