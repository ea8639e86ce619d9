"""Finding the models of a module: its mapped classes, and the MetaData that hold their tables.

It answers for importing a module that a command line or a configuration names, and for saying what
is wrong with it. It must not know what is made of the models.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.exc import SQLAlchemyError

from rowstead.errors import ValidationError, did_you_mean


@dataclass(frozen=True, slots=True)
class Models:
    """What a module holds of SQLAlchemy's."""

    module: str
    classes: tuple[type, ...]
    """The mapped classes that are defined in the module, or below it if it is a package; by name."""
    imported: tuple[type, ...]
    """The mapped classes that it imports from elsewhere; by name."""
    metadata: tuple[sa.MetaData, ...]
    """Each MetaData that holds tables of the module's classes, bases, registries or `Table`s."""

    @property
    def tables(self) -> tuple[sa.Table, ...]:
        """All tables, each behind those that it refers to."""
        return tuple(table for metadata in self.metadata for table in metadata.sorted_tables)


def find_models(module: str, folder: Path | None = None) -> Models:
    """The models of the module of this dotted name; `folder` is looked in first (a command's: where it
    was called).

    Raises ValidationError: the module is not there or cannot be imported, it holds no model, or its
    models do not fit together. What the module prints goes to stderr.
    """
    found = _imported(module, folder)
    mapped = _mapped(found)
    metadata = _metadata(found, mapped)
    if not any(held.tables for held in metadata):
        raise ValidationError(f"module {module} defines no SQLAlchemy model; {_hint(found)}")
    try:
        # Not all of the process: others' models are no business of this module.
        for registry in _registries(found, dict.fromkeys(mapped)):
            registry.configure(cascade=True)
    except SQLAlchemyError as error:
        raise ValidationError(f"the models of {module} do not fit together: {error}") from error
    own = [cls for cls in mapped if _within(cls.__module__, module)]
    return Models(
        module=module,
        classes=tuple(sorted(own, key=_place)),
        imported=tuple(sorted((cls for cls in mapped if cls not in own), key=_place)),
        metadata=tuple(metadata),
    )


def _imported(name: str, folder: Path | None) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValidationError(f"{name!r} is not the name of a module; {_dotted(name)}")
    try:
        with _looking_in(folder), contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and _within(name, error.name):
            raise ValidationError(_missing(name, error.name, folder)) from error
        raise ValidationError(f"module {name} cannot be imported: {error}") from error
    except (Exception, SystemExit) as error:
        # Whatever its code raises; one that is a program ends itself.
        raise ValidationError(f"module {name} cannot be imported: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _looking_in(folder: Path | None) -> Generator[None]:
    if folder is None or str(folder) in sys.path:
        yield
        return
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _missing(name: str, missing: str, folder: Path | None) -> str:
    parent, _, last = missing.rpartition(".")
    places = [str(folder)] if folder is not None else None
    if parent:
        places = list(getattr(sys.modules.get(parent), "__path__", []))
    known = sorted({found.name for found in pkgutil.iter_modules(places)}) if places else []
    hint = did_you_mean(last, known)
    # Of a list of everything in the folder nobody is helped.
    if not hint.startswith("did you mean"):
        hint = f"it is looked for in {places[0] if places else 'the paths of Python'}"
    part = "" if missing == name else f" (there is no {missing})"
    return f"there is no module {name}{part}; {hint}"


def _dotted(name: str) -> str:
    dotted = ".".join(Path(name.removesuffix(".py")).parts)
    if dotted and all(part.isidentifier() for part in dotted.split(".")):
        return f"did you mean {dotted!r}?"
    return "give it with dots, as in an import: app.models"


def _mapped(module: ModuleType) -> list[type]:
    """The mapped classes that the module's names reach, and those of its own in the registries."""
    found: dict[type, None] = {}
    for value in vars(module).values():
        if isinstance(value, type) and sa.inspect(value, raiseerr=False) is not None:
            found[value] = None
    for registry in _registries(module, found):
        for mapper in registry.mappers:
            if _within(mapper.class_.__module__, module.__name__):
                found[mapper.class_] = None
    return list(found)


def _registries(module: ModuleType, mapped: dict[type, None]) -> list[orm.registry]:
    holders = [*vars(module).values(), *mapped]
    found = [getattr(holder, "registry", holder) for holder in holders if _is_class_or_registry(holder)]
    return list(dict.fromkeys(value for value in found if isinstance(value, orm.registry)))


def _is_class_or_registry(value: object) -> bool:
    return isinstance(value, type | orm.registry)


def _metadata(module: ModuleType, mapped: list[type]) -> list[sa.MetaData]:
    found: dict[sa.MetaData, None] = {}
    for cls in mapped:
        for table in orm.class_mapper(cls, configure=False).tables:
            if isinstance(table, sa.Table):
                found[table.metadata] = None
    for registry in _registries(module, dict.fromkeys(mapped)):
        found[registry.metadata] = None
    for value in vars(module).values():
        if isinstance(value, sa.MetaData):
            found[value] = None
        elif isinstance(value, sa.Table):
            found[value.metadata] = None
    return list(found)


def _hint(module: ModuleType) -> str:
    below = sorted(found.name for found in pkgutil.iter_modules(getattr(module, "__path__", [])))
    if below:
        return f"name one of its modules ({', '.join(below)}), or import them in its __init__.py"
    return "a model is a class with __tablename__ below a declarative base, or a Table of a MetaData"


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _place(cls: type) -> tuple[str, str]:
    return cls.__name__, cls.__module__
