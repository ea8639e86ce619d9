"""By which names things stand in a schema: fields that Pydantic would refuse, and what a file imports.

It answers for names that do not hide each other. It must not know models.
"""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from collections.abc import Iterable

from pydantic import BaseModel


def field_name(attribute: str) -> str:
    """By what name an attribute is a field: Pydantic keeps leading underscores and its own names."""
    name = attribute.lstrip("_") or "field"
    if hasattr(BaseModel, name) or keyword.iskeyword(name):
        return f"{name}_"
    return name


def alias_of(attribute: str) -> dict[str, str]:
    """The keyword of `pydantic.Field` by which a field of another name reads the attribute."""
    return {} if field_name(attribute) == attribute else {"alias": attribute}


class Imports:
    """The names that a file imports, each one thing; `taken` are those that mean something else in it."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._names: dict[tuple[str, str], str] = {}

    def name(self, module: str, qualname: str) -> str:
        """What stands for `qualname` of `module` in the file, which imports it."""
        top, dot, rest = qualname.partition(".")
        # Only what something in the file hides has to be imported from the builtins.
        if module == builtins.__name__ and top not in self._taken:
            return qualname
        known = self._names.get((module, top))
        if known is None:
            known = self._free(top)
            self._taken.add(known)
            self._names[module, top] = known
        return f"{known}{dot}{rest}"

    def groups(self) -> list[list[tuple[str, list[str]]]]:
        """What to import: standard library, other libraries, the models' modules; each a module and its
        names, in the usual order."""
        found: dict[int, dict[str, list[str]]] = {}
        for (module, name), known in self._names.items():
            text = name if name == known else f"{name} as {known}"
            found.setdefault(_group(module), {}).setdefault(module, []).append(text)
        return [
            [(module, sorted(names, key=_order)) for module, names in sorted(modules.items(), key=_folded)]
            for _, modules in sorted(found.items())
        ]

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        return name


def _group(module: str) -> int:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return 0
    return 1 if top in ("pydantic", "rowstead") else 2


def _folded(item: tuple[str, object]) -> str:
    return item[0].lower()


def _order(name: str) -> tuple[int, list[tuple[int, str]], str]:
    """Constants, classes, functions; numbers in names by their value."""
    word = name.partition(" ")[0]
    kind = 0 if word.isupper() and len(word) > 1 else 1 if word[:1].isupper() else 2
    parts = [(int(part), "") if part.isdigit() else (0, part.lower()) for part in re.split(r"(\d+)", word)]
    return kind, parts, name
