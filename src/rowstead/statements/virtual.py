"""Virtual tables: how a join or a common table expression is specified, named and kept.

A virtual table is a `Table` whose columns are described as any table's, so that filters, orders, the
statement cache and readers treat it as one; a fact tells how it is spelled. Its values are given beside
the table, never kept in it: the same specification with other values is the same table and the same
statement. Virtual tables are kept in the facts of what they are made of, bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from rowstead.errors import UndefinedTableError, ValidationError, did_you_mean
from rowstead.rules.accepted import is_unicode
from rowstead.tables.constraints import MAX_NAME
from rowstead.tables.schema import Table

MAX_KEPT = 64
"""How many virtual tables are kept in one place; the oldest goes first."""


def spellable(name: str) -> str:
    """A name that can stand in SQL on every database, whole: PostgreSQL cuts longer ones."""
    if "\0" in name or not is_unicode(name) or len(name.encode()) > MAX_NAME:
        raise ValidationError(
            f"{name[:80]!r} is no name for a table: at most {MAX_NAME} bytes of UTF-8, and no NUL"
        )
    return name


def listed(specs: Any, what: str) -> Iterable[Any]:
    """The specifications, checked to be a list of something."""
    if not isinstance(specs, Iterable) or isinstance(specs, (str, bytes, Mapping)):
        raise ValidationError(f"{what} are a list of dicts, not {type(specs).__name__}")  # pyright: ignore[reportUnknownArgumentType]
    return cast("Iterable[Any]", specs)


def entries(spec: Any, what: str, known: Sequence[str]) -> dict[str, Any]:
    """What a specification says; a ValidationError for a key that is not `known`."""
    if not isinstance(spec, Mapping):
        raise ValidationError(f"{what} is a dict of {', '.join(known)}; got {spec!r}")
    said = dict(cast("Mapping[str, Any]", spec))
    for name in said:
        if name not in known:
            raise ValidationError(f"{what} has no {name!r}; {did_you_mean(str(name), known)}")
    return said


def scoped(name: Any, scope: Mapping[str, Table], what: str) -> Table:
    """The table that a specification names, or is."""
    if isinstance(name, Table):
        return name
    found = scope.get(name) if isinstance(name, str) else None
    if found is None:
        raise UndefinedTableError(f"{what} names an unknown table {name!r}; {did_you_mean(str(name), scope)}")
    return found


def keep(kept: dict[Any, Table], key: Any, table: Table) -> None:
    """Keep a virtual table; the oldest one goes where there are too many."""
    if len(kept) >= MAX_KEPT:
        # Another thread may have taken it.
        kept.pop(next(iter(kept)), None)
    kept[key] = table
