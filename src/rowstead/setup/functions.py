"""Functions of the database that a program brings along: declared as classes, made when it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from sqlalchemy.sql.functions import GenericFunction

from rowstead.errors import UsageError, ValidationError

F = TypeVar("F", bound="type[UserFunction]")


class UserFunction(GenericFunction[Any]):
    """A function of the database. `name` is its own, `body` what stands behind `CREATE OR REPLACE FUNCTION`.

        class Doubled(UserFunction):
            name = "doubled"
            type = sa.Integer
            body = "doubled(n int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT n * 2 $$"

    With a `type`, what it gives, it stands in SQLAlchemy's expressions too: `sa.select(Doubled(21))`.
    """

    _register = False
    inherit_cache = True
    body: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        # SQLAlchemy asks each class whether it may keep statements with it; these differ by name only.
        cls.inherit_cache = True
        super().__init_subclass__()

    @classmethod
    def sql(cls) -> str:
        """The function's definition. Raises ValidationError where it has none."""
        text = cls.body.strip().rstrip(";").rstrip()
        if not text:
            raise ValidationError(
                f'{cls.__name__} has no body: write body = "{cls.__name__.lower()}(n int) RETURNS int …", '
                "what stands behind CREATE OR REPLACE FUNCTION"
            )
        return f"FUNCTION {text};"


class SQLFunctionsRegistry(Mapping[str, "type[UserFunction]"]):
    """Functions by their names, in the order in which they are made."""

    def __init__(self) -> None:
        self._classes: dict[str, type[UserFunction]] = {}

    def register(self, function: F) -> F:
        """Keep a function; may stand above its class as a decorator.

        The same class twice is fine; another of the same name is a UsageError.
        """
        name = str(function.name)
        known = self._classes.setdefault(name, function)
        if known is not function:
            raise UsageError(
                f"there is a function {name!r} already, of {known.__module__}.{known.__qualname__}; give "
                f"{function.__qualname__} another name"
            )
        return function

    def __getitem__(self, name: str) -> type[UserFunction]:
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def __repr__(self) -> str:
        return f"SQLFunctionsRegistry({', '.join(self._classes)})"


SQL_FUNCTIONS = SQLFunctionsRegistry()
"""The functions of the program, where a service is told of no others."""
