"""Code and classes made from SQLAlchemy models; and finding the models of a module."""

from __future__ import annotations

from rowstead.codegen.dynamic import pydantic_schema
from rowstead.codegen.models import Models, find_models
from rowstead.codegen.source import generate_pydantic_code, generate_schemas_from_module_code

__all__ = [
    "Models",
    "find_models",
    "generate_pydantic_code",
    "generate_schemas_from_module_code",
    "pydantic_schema",
]
