"""The sort language: `"-placed_at,+id"`, `["-a", "b"]`, `[{"asc": "a"}, {"desc": "b"}]`.

NULLs come last in both directions unless a term says `{"asc": "a", "nulls": "first"}`. It is
written into the SQL only where the column can be NULL and the database would do otherwise, since
an unneeded NULLS LAST keeps it from using the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from rowstead.errors import ValidationError
from rowstead.tables.access import FULL_ACCESS, Access
from rowstead.tables.schema import COMPOSITE_KINDS, Table

Sort: TypeAlias = "str | Mapping[str, str] | Iterable[str | Mapping[str, str]] | None"


class OrderTerm(NamedTuple):
    """One column of a sort."""

    column: str
    descending: bool
    nulls_first: bool = False


Order: TypeAlias = tuple[OrderTerm, ...]

MAX_TEXTS = 256
"""How many orders given as text are kept for each table."""


def sortable(table: Table, names: Iterable[str]) -> list[str]:
    """Those of these columns that rows can be ordered by."""
    return [name for name in names if table.columns[name].kind not in COMPOSITE_KINDS]


def read_order(sort: Sort, table: Table, *, access: Access = FULL_ACCESS) -> Order:
    """The sort as terms, most significant first; empty for None.

    Raises UndefinedColumnError for an unknown column and ValidationError for anything that is not
    a sort, a column named twice included.
    """
    if sort is None:
        return ()
    if type(sort) is not str or access is not FULL_ACCESS:
        return _read_order(sort, table, access)
    # The same few texts come again and again.
    kept: dict[str, Order] = table.facts.setdefault("orders by their text", {})
    found = kept.get(sort)
    if found is None:
        found = _read_order(sort, table, access)
        if len(kept) >= MAX_TEXTS:
            kept.clear()
        kept[sort] = found
    return found


def _read_order(sort: Sort, table: Table, access: Access) -> Order:
    if not isinstance(sort, Iterable):
        raise _no_order(sort)
    items: list[Any] = [sort] if isinstance(sort, (str, Mapping)) else list(sort)
    terms: dict[str, OrderTerm] = {}
    # Term by term, so that the first that is wrong ends it, however many follow.
    for item in items:
        for term in _terms(item):
            _check(term, table, access)
            if term.column in terms:
                raise ValidationError(
                    f"the order names a column twice: {[*terms, term.column]}", table=table.name
                )
            terms[term.column] = term
    return tuple(terms.values())


def _check(term: OrderTerm, table: Table, access: Access) -> None:
    """Raise where rows cannot be ordered by this term's column."""
    if access.column(table, term.column).kind in COMPOSITE_KINDS:
        raise ValidationError(
            f"rows cannot be ordered by {term.column!r}: it holds lists or JSON", column=term.column
        )


def _terms(item: Any) -> Iterable[OrderTerm]:
    if isinstance(item, OrderTerm):
        return (item,)
    if isinstance(item, str):
        return (_signed(part) for part in map(str.strip, item.split(",")) if part)
    if isinstance(item, Mapping):
        return (_from_mapping(item),)  # pyright: ignore[reportUnknownArgumentType]
    raise _no_order(item)


def _no_order(given: Any) -> ValidationError:
    return ValidationError(f'an order is "-a,+b", ["-a", "b"] or [{{"desc": "a"}}]; got {given!r}')


def _signed(part: str) -> OrderTerm:
    if part[0] in "+-":
        return OrderTerm(part[1:].strip(), part[0] == "-")
    return OrderTerm(part, False)


def _from_mapping(item: Mapping[Any, Any]) -> OrderTerm:
    entry = {str(k).lower(): v for k, v in item.items()}
    nulls = str(entry.pop("nulls", "last")).lower()
    direction = next(iter(entry), "")
    if len(entry) != 1 or direction not in ("asc", "desc") or nulls not in ("first", "last"):
        raise ValidationError(
            f'a sort term is {{"asc": column}} or {{"desc": column}}, with "nulls": "first" or "last" '
            f"where wanted; got {dict(item)!r}"
        )
    name = entry[direction]
    if not isinstance(name, str):
        raise ValidationError(f"a sort term names a column by a string, not {name!r}")
    return OrderTerm(name, direction == "desc", nulls == "first")


def with_key(order: Order, table: Table) -> Order:
    """The order made total: the key's columns that it lacks follow, ascending."""
    named = {t.column for t in order}
    return order + tuple(OrderTerm(name, False) for name in table.key if name not in named)
