"""The serialized expression form of filters and orders, turned into the language of `conditions`.

    {"eq": [{"column": "o.customer_id"}, {"column": "c.id"}]}     what `on_eq` makes
    {"gt": [{"column": "o.amount"}, {"literal": {"int": 5}}]}     {"and": […]} {"or": […]} {"not": x}
    {"in": [x, [literals]]} {"is_null": x} {"like": [x, "pat%"]}  {"column": "o.paid"} as a condition
    [{"expr": {"column": "o.amount"}, "direction": "desc"}]       an order

A translation and nothing else: which operators there are, and what they mean, is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard, cast

from rowstead.errors import ValidationError
from rowstead.tables.schema import Table

_TURNED = {"eq": "eq", "ne": "ne", "gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}
"""The comparison that says the same with its sides changed."""
_CONNECTIVES = frozenset({"and", "or", "not"})
_LITERALS = ("int", "text", "float", "bool")


def friendly(node: Any, table: Table) -> Any:
    """A filter in which what is written in the serialized form is written in ours; the rest as it is.

    Raises ValidationError for an expression that compares no column.
    """
    if isinstance(node, (list, tuple)):
        return [friendly(n, table) for n in cast("list[Any]", node)]
    if not isinstance(node, Mapping):
        return node
    entries = cast("Mapping[str, Any]", node)
    if len(entries) == 1 and _CONNECTIVES.isdisjoint(entries):
        ((name, operand),) = entries.items()
        if name not in table.columns and (turned := _expression(name, operand)) is not None:
            return turned
    return {name: friendly(v, table) if name in _CONNECTIVES else v for name, v in entries.items()}


def _expression(name: str, operand: Any) -> dict[str, Any] | None:
    """A node of the serialized form as a filter; None where it is none."""
    if name == "column" and isinstance(operand, str):
        return _test(operand, "eq", True)
    if name == "literal":
        value = _literal(operand)
        return {} if value is True else {"not": {}}
    if _is_column(operand):
        return _test(operand["column"], name, True)
    if not isinstance(operand, (list, tuple)) or len(cast("list[Any]", operand)) != 2:
        return None
    left, right = cast("list[Any]", operand)
    if _is_column(left):
        return _test(left["column"], name, _operand(right))
    if _is_column(right) and name in _TURNED:
        return _test(right["column"], _TURNED[name], _operand(left))
    if _is_literal(left) or _is_literal(right):
        raise ValidationError(f"the expression {name!r} compares no column; one side is {{'column': name}}")
    return None


def _test(column: str, operator: str, operand: Any) -> dict[str, Any]:
    # A column may be called like a connective.
    return {"col": {"name": column, operator: operand}}


def _operand(value: Any) -> Any:
    if _is_column(value):
        return {"$column": value["column"]}
    if _is_literal(value):
        return _literal(value["literal"])
    if isinstance(value, (list, tuple)):
        return [_operand(v) for v in cast("list[Any]", value)]
    return value


def _is_column(value: Any) -> TypeGuard[Mapping[str, str]]:
    return _has_only(value, "column") and isinstance(value["column"], str)


def _is_literal(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return _has_only(value, "literal")


def _has_only(value: Any, name: str) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and set(cast("Mapping[str, Any]", value)) == {name}


def _literal(value: Any) -> Any:
    """`{"int": 5}`, `{"text": "a"}`, `{"float": 1.5}`, `{"bool": true}` or `"null"`."""
    if value is None or value == "null":
        return None
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        for kind in _LITERALS:
            if set(entries) == {kind}:
                return entries[kind]
    raise ValidationError(
        f'a literal is {{"int": 5}}, {{"text": "a"}}, {{"float"}}, {{"bool"}} or "null", not {value!r}'
    )


def friendly_order(order: Any) -> Any:
    """An order in which each `{"expr": {"column"}, "direction"}` is a term of ours; the rest as it is."""
    if not isinstance(order, (list, tuple)):
        return order
    return [_order_term(term) if _has_expression(term) else term for term in cast("list[Any]", order)]


def _has_expression(term: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(term, Mapping) and "expr" in term


def _order_term(term: Mapping[str, Any]) -> dict[str, str]:
    entries = dict(term)
    expression, direction = entries.pop("expr"), entries.pop("direction", "asc")
    if not _is_column(expression) or direction not in ("asc", "desc") or entries:
        raise ValidationError(
            f'an order is "-a,b" or [{{"expr": {{"column": "a"}}, "direction": "asc"}}]; got {term!r}'
        )
    return {direction: expression["column"]}
