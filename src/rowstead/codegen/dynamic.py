"""Schemas made while the program runs: a Pydantic class for a mapped class.

It answers for the class that `Model.pydantic_schema()` gives. What a model says is in `columns.py`.
"""

from __future__ import annotations

from typing import Any, Self
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, create_model, model_validator
from pydantic import Field as pydantic_field

from rowstead.codegen.columns import MISSING, Field, Related, documentation, read_fields, related
from rowstead.codegen.loading import validate_loaded
from rowstead.codegen.naming import alias_of, field_name

_made: WeakKeyDictionary[type, type[BaseModel]] = WeakKeyDictionary()
"""The schemas of the mapped classes that are alive."""


class _Schema(BaseModel):
    model_config = ConfigDict(from_attributes=True, protected_namespaces=())

    @model_validator(mode="wrap")
    @classmethod
    def validate_what_is_loaded(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return validate_loaded(value, handler)


def pydantic_schema(model: type) -> type[BaseModel]:
    """The schema of a mapped class, named `<Class>Schema`; the same one each time.

    A nullable column is optional, a plain default is kept, any other column is required.
    Relationships are schemas of their classes and None where they are not loaded. Raises
    `sqlalchemy.orm.exc.UnmappedClassError` for a class that is not mapped.
    """
    found = _made.get(model)
    if found is not None:
        return found
    reached = _reached(model)
    names = {cls: f"{cls.__name__}Schema" for cls in reached}
    # References go by name, and two modules may have a class of one name.
    keys = {cls: f"{names[cls]}_{number}" for number, cls in enumerate(reached)}
    schemas = {cls: _made.get(cls) or _schema(cls, names[cls], keys) for cls in reached}
    namespace = {keys[cls]: schema for cls, schema in schemas.items()}
    for cls, schema in schemas.items():
        schema.model_rebuild(_types_namespace=namespace)
        _made[cls] = schema
    return schemas[model]


def _reached(model: type) -> list[type]:
    """The class and all to which its relationships lead."""
    found = {model: None}
    waiting = [model]
    while waiting:
        for relation in related(waiting.pop()):
            if relation.target not in found:
                found[relation.target] = None
                waiting.append(relation.target)
    return list(found)


def _schema(model: type, name: str, keys: dict[type, str]) -> type[BaseModel]:
    definitions: dict[str, Any] = {
        field_name(relation.name): _reference(relation, keys[relation.target]) for relation in related(model)
    }
    definitions |= {field_name(field.name): _definition(field) for field in read_fields(model)}
    made: Any = create_model(
        name,
        __base__=_Schema,
        __module__=model.__module__,
        __doc__=documentation(model) or f"Pydantic schema for {model.__name__}.",
        **definitions,
    )
    return made


def _reference(relation: Related, key: str) -> tuple[Any, Any]:
    several = {None: key, list: f"list[{key}]", dict: f"dict[object, {key}]"}[relation.collection]
    settings: dict[str, Any] = {"description": relation.description, **alias_of(relation.name)}
    return f"{several} | None", pydantic_field(None, **settings)


def _definition(field: Field) -> tuple[Any, Any]:
    settings: dict[str, Any] = {"description": field.description, **alias_of(field.name)}
    settings |= field.limits or {}
    if field.default is not MISSING or field.nullable:
        settings["default"] = None if field.default is MISSING else field.default
    return field.type | None if field.nullable else field.type, pydantic_field(**settings)
