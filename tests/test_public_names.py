"""What `rowstead` and `rowstead.sync` offer: what is there is what `__all__` says, and the reverse."""

from __future__ import annotations

import importlib
import inspect
import re
import types

import pytest

import rowstead
import rowstead.errors

FACES = ("rowstead", "rowstead.sync")

GUIDE = (
    "DB",
    "Inc",
    "IntegrityError",
    "MigrationStatus",
    "Now",
    "OperationalError",
    "Row",
    "RowsteadError",
    "UndefinedColumnError",
    "UndefinedTableError",
)

ERRORS = {
    name: value
    for name, value in vars(rowstead.errors).items()
    if inspect.isclass(value) and issubclass(value, rowstead.errors.RowsteadError)
}


def names_in(module: types.ModuleType) -> set[str]:
    """The public names that a module holds, modules and `annotations` of `__future__` left out."""
    return {
        name
        for name in dir(module)
        if not name.startswith("_")
        and not inspect.ismodule(getattr(module, name))
        and type(getattr(module, name)).__module__ != "__future__"
    }


def offered_by(module: types.ModuleType) -> set[str]:
    return {name for name in module.__all__ if not name.startswith("_")}


@pytest.mark.parametrize("face", FACES)
def test_all_names_exactly_what_is_there(face: str) -> None:
    module = importlib.import_module(face)
    assert offered_by(module) == names_in(module)


@pytest.mark.parametrize("face", FACES)
def test_all_is_sorted_and_names_nothing_twice(face: str) -> None:
    names = list(importlib.import_module(face).__all__)
    assert sorted(set(names), key=str.lower) == sorted(names, key=str.lower)


def test_every_error_class_can_be_imported_from_the_top() -> None:
    assert "Conflict" in ERRORS
    assert {name: getattr(rowstead, name, None) for name in ERRORS} == ERRORS


def test_every_error_class_has_a_code_of_its_own() -> None:
    classes = set(ERRORS.values())
    assert len({error.code for error in classes}) == len(classes)


def test_every_error_class_stands_in_the_drawn_tree() -> None:
    drawn = re.findall(r"\w+", rowstead.errors.__doc__ or "")
    assert set(ERRORS) - set(drawn) == set()


@pytest.mark.parametrize("name", GUIDE)
def test_the_guides_names_are_there_in_both_worlds(name: str) -> None:
    assert name in rowstead.__all__
    assert hasattr(importlib.import_module("rowstead.sync"), name)


def test_both_worlds_offer_the_same_names() -> None:
    assert offered_by(importlib.import_module("rowstead.sync")) == offered_by(rowstead)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("rowstead.asyncpg", "AsyncpgAdapter"),
        ("rowstead.psycopg", "PsycopgAdapter"),
        ("rowstead.sql", "compose"),
    ],
)
def test_the_guides_import_paths_are_there(module: str, name: str) -> None:
    assert callable(getattr(importlib.import_module(module), name))
