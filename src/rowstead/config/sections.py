"""How every section of a configuration behaves: read by attribute, told without secrets.

Pydantic's own errors quote what was given; here an error names the key and says what belongs there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, Self, SupportsIndex, cast

import pydantic
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator

from rowstead.config.masking import masked, refuse_pickling
from rowstead.errors import ValidationError


class WrongKey(ValidationError):
    """A key of a section has a value that it cannot have, or is not known. `path` is where."""

    code = "VALIDATION"

    def __init__(self, path: tuple[str, ...], problem: str) -> None:
        super().__init__(f"{'.'.join(path)}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


class Section(BaseModel):
    """Keys and values. Raises WrongKey for what it refuses, also when an attribute is set."""

    model_config = ConfigDict(
        validate_assignment=True, hide_input_in_errors=True, validate_default=False, protected_namespaces=()
    )

    def __init__(self, /, **values: Any) -> None:
        problem: WrongKey
        try:
            super().__init__(**values)
            return
        except pydantic.ValidationError as error:
            problem = wrong_key(error)
        # Outside of `except`, since the other error holds the values; and so does this frame, until now.
        values.clear()
        raise problem

    def __setattr__(self, name: str, value: Any) -> None:
        problem: WrongKey
        values, given = dict(self.__dict__), set(self.model_fields_set)
        try:
            super().__setattr__(name, value)
            return
        except pydantic.ValidationError as error:
            problem = wrong_key(error)
        # What is wrong only together with other keys is found when the value is there already.
        vars(self).update(values)
        self.__pydantic_fields_set__.intersection_update(given)
        del value, values
        raise problem

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; unlike Pydantic's own, with `update` checked as everything else is."""
        if not update:
            return super().model_copy(deep=deep)
        extra = self.__pydantic_extra__ or {}
        values = {name: getattr(self, name) for name in self.model_fields_set} | extra | dict(update)
        try:
            return type(self)(**values)
        except WrongKey:
            # Nor does this frame keep them.
            update = values = None
            raise

    @model_serializer(mode="wrap")
    def _without_secrets(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        extra = self.__pydantic_extra__ or {}
        return {name: masked(value, name) if name in extra else value for name, value in dump(self).items()}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        # Whoever looks while it is made finds no extra keys yet.
        extra: dict[str, Any] = getattr(self, "__pydantic_extra__", None) or {}
        for name, value in {**vars(self), **extra}.items():
            yield name, value if isinstance(value, Section) else masked(value, name)

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        refuse_pickling()


class OpenSection(Section):
    """A section that Rowstead does not know: any keys, those in it again by attribute."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _opened(cls, values: Any) -> Any:
        return {name: opened(value) for name, value in cast("Mapping[str, Any]", values).items()}


def opened(value: Any) -> Any:
    """Mappings, also those in lists, as sections."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[Any, Any]", value)
        return OpenSection(**{str(name): item for name, item in mapping.items()})
    if isinstance(value, list):
        return [opened(item) for item in cast("list[Any]", value)]
    return value


def wrong_key(error: pydantic.ValidationError) -> WrongKey:
    """The first of Pydantic's problems, without any value."""
    first = error.errors(include_url=False, include_input=False)[0]
    path = tuple(str(step) for step in first["loc"])
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, WrongKey):
        return WrongKey((*path, *cause.path), cause.problem)
    if cause is not None:
        return WrongKey(path, str(cause))
    return WrongKey(path, first["msg"])
