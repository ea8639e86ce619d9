"""What a written value must be, column by column: its type, its width, and the rules of its column.

Stricter than the encoders of `values`, which take what a filter from JSON may hold: here `True` is no
number and `"7"` is none either. A value comes back as the column's Python type, which is the form that
is stored: "2024-01-01" in a date column as a date, a list of numbers in a bytes column as bytes.

A wrong type or width is a ValidationError, NULL where it cannot be a NotNullError, a broken rule or
check a CheckError that names the constraint as DDL does. All name table and column. Knows no SQL.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from rowstead.errors import CheckError, NotNullError, ValidationError
from rowstead.rules.accepted import Accept, accepting, exact_types, is_unicode
from rowstead.rules.checks import TRUE, Tree, at_least, at_most, holds, joined
from rowstead.rules.literals import literal_value
from rowstead.rules.patterns import pattern
from rowstead.tables.schema import COMPOSITE_KINDS, Check, Column, Kind, Rules, Table
from rowstead.values.widths import bounds


class Rule(NamedTuple):
    """One thing that values must fulfil: of one value, and of many.

    The many are not NULL and of the very type that the column takes as it is.
    """

    constraint: str
    wanted: str
    """How a message goes on behind "must"."""
    fulfils: Callable[[Any], bool]
    all_fulfil: Callable[[Sequence[Any]], bool]


NUMBERS = frozenset({Kind.INT, Kind.FLOAT, Kind.DECIMAL})
MEASURED = frozenset({Kind.STR, Kind.BYTES, Kind.JSON, Kind.LIST})
"""Kinds of values that have a length: code points, bytes, elements, keys."""
_NO_RULES = Rules()


def checker(table: Table, column: Column) -> Callable[[Any], Any]:
    """What turns one value that a caller gives into one that this column stores."""
    accept = accepting(column)
    rules = rules_of(column)

    def check(value: Any) -> Any:
        if value is None:
            if column.nullable:
                return None
            raise NotNullError(
                f"{table.name}.{column.name} cannot be null", table=table.name, column=column.name
            )
        value = _accepted(table, column, accept, value)
        for rule in rules:
            if not rule.fulfils(value):
                raise _broken(table, column, rule)
        return value

    return check


def column_checker(table: Table, column: Column) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """The same for the values of many rows, which are looked at all at once where their types allow it.

    The first value that fails is the one that the error is about; the error says its place.
    """
    check = checker(table, column)
    exact = exact_types(column)
    if exact is not None and column.nullable:
        exact |= {type(None)}
    tests = [_fits_all(column), *(rule.all_fulfil for rule in rules_of(column))]

    def check_all(values: Sequence[Any]) -> Sequence[Any]:
        if exact is not None and exact.issuperset(map(type, values)):
            some = [value for value in values if value is not None] if column.nullable else values
            if not some or all(test(some) for test in tests):
                return values
        found: list[Any] = []
        try:
            for value in values:
                found.append(check(value))
        except ValidationError as error:
            error.place = len(found)
            raise
        return found

    return check_all


def check_row(table: Table, row: Mapping[str, Any]) -> None:
    """Hold a whole row, of values as they are stored, to the table's checks."""
    for check in table.checks:
        if holds(check.tree, row) is False:
            raise CheckError(
                failed_check(table, check), table=table.name, column=check.column, constraint=check.name
            )


def failed_check(table: Table, check: Check) -> str:
    """What is said of a row that breaks a check."""
    return f"{table.name}: CHECK constraint {check.name!r} failed: {check.expression}"


def _accepted(table: Table, column: Column, accept: Accept, value: Any) -> Any:
    try:
        return accept(value)
    except ValidationError as error:
        raise ValidationError(
            f"{table.name}.{column.name}: {error}", table=table.name, column=column.name
        ) from None


def _broken(table: Table, column: Column, rule: Rule) -> CheckError:
    return CheckError(
        f"{table.name}.{column.name} must {rule.wanted}",
        table=table.name,
        column=column.name,
        constraint=rule.constraint,
    )


def _fits_all(column: Column) -> Callable[[Sequence[Any]], bool]:
    """Whether values of the column's exact type fit into it."""
    if column.kind is Kind.FLOAT:
        return lambda values: all(map(math.isfinite, values))
    if column.kind is Kind.STR:
        return lambda values: is_unicode("".join(values))
    if column.kind is not Kind.INT or column.size is None:
        return _all_of_them
    least, greatest = bounds(column.size)
    return lambda values: least <= min(values) and max(values) <= greatest


def _all_of_them(_values: Sequence[Any]) -> bool:
    return True


def rules_of(column: Column) -> list[Rule]:
    """The rules that a column's kind of values can break."""
    rules = column.rules or _NO_RULES
    found: list[Rule] = []
    if column.kind in NUMBERS:
        found += _range(column, rules)
    if column.kind in MEASURED:
        found += _length(column, rules)
    if rules.pattern is not None and column.kind is Kind.STR:
        found.append(_matching(column, rules.pattern))
    if rules.choices is not None:
        found.append(_chosen(column, rules.choices))
    return found


def _range(column: Column, rules: Rules) -> list[Rule]:
    name = f"{column.name}_range"
    found: list[Rule] = []
    if rules.min is not None:
        found.append(_bounded(name, f"be at least {rules.min}", min, operator.ge, _limit(column, rules.min)))
    if rules.max is not None:
        found.append(_bounded(name, f"be at most {rules.max}", max, operator.le, _limit(column, rules.max)))
    return found


def _bounded(
    name: str,
    wanted: str,
    furthest: Callable[[Sequence[Any]], Any],
    compare: Callable[[Any, Any], bool],
    limit: Any,
) -> Rule:
    def fulfils(value: Any) -> bool:
        return compare(value, limit)

    def all_fulfil(values: Sequence[Any]) -> bool:
        return fulfils(furthest(values))

    return Rule(name, wanted, fulfils, all_fulfil)


def _limit(column: Column, limit: float) -> Any:
    """A limit as a number that compares with the column's as the database compares them."""
    if column.kind is Kind.INT:
        return limit
    return literal_value(column, Decimal(str(limit)))


def _length(column: Column, rules: Rules) -> list[Rule]:
    name = f"{column.name}_length"
    found: list[Rule] = []
    if rules.min_length is not None:
        wanted = f"have a length of at least {rules.min_length}"
        found.append(_measured(name, wanted, min, operator.ge, rules.min_length))
    if rules.max_length is not None:
        wanted = f"have a length of at most {rules.max_length}"
        found.append(_measured(name, wanted, max, operator.le, rules.max_length))
    return found


def _measured(
    name: str,
    wanted: str,
    furthest: Callable[[Iterable[int]], int],
    compare: Callable[[int, int], bool],
    limit: int,
) -> Rule:
    def fulfils(value: Any) -> bool:
        return compare(_length_of(value, limit), limit)

    def all_fulfil(values: Sequence[Any]) -> bool:
        return compare(furthest(map(len, values)), limit)

    return Rule(name, wanted, fulfils, all_fulfil)


def _length_of(value: Any, otherwise: int) -> int:
    """How long a value is; `otherwise` for a JSON number, which has no length."""
    return len(value) if isinstance(value, (str, bytes, list, dict)) else otherwise  # pyright: ignore[reportUnknownArgumentType]


def _matching(column: Column, text: str) -> Rule:
    search = pattern(text).search
    return _each(f"{column.name}_regex", f"match {text!r}", lambda value: search(value) is not None)


def _chosen(column: Column, choices: Sequence[Any]) -> Rule:
    fitting = fitting_choices(column, choices)
    return _each(f"{column.name}_enum", f"be one of {list(choices)}", lambda value: value in fitting)


def _each(name: str, wanted: str, fulfils: Callable[[Any], bool]) -> Rule:
    def all_fulfil(values: Sequence[Any]) -> bool:
        return all(map(fulfils, values))

    return Rule(name, wanted, fulfils, all_fulfil)


def fitting_choices(column: Column, choices: Sequence[Any]) -> tuple[Any, ...]:
    """Those choices that this column can hold."""
    accept = accepting(column)
    fitting: list[Any] = []
    for choice in choices:
        try:
            fitting.append(accept(choice))
        except ValidationError:
            continue
    return tuple(fitting)


def rule_trees(column: Column) -> dict[str, Tree]:
    """The rules that SQL can say, as checks, by the names of their constraints.

    A pattern is Python's alone, and so is the length of what is not text or bytes.
    """
    rules = column.rules or _NO_RULES
    trees = {f"{column.name}_range": _range_tree(column, rules)} if column.kind in NUMBERS else {}
    if column.kind in (Kind.STR, Kind.BYTES):
        trees[f"{column.name}_length"] = _length_tree(column, rules)
    if rules.choices is not None and column.kind not in COMPOSITE_KINDS:
        values = (("value", value) for value in fitting_choices(column, rules.choices))
        trees[f"{column.name}_enum"] = ("in", column.kind, ("column", column.name), *values)
    return {name: tree for name, tree in trees.items() if tree != TRUE}


def _range_tree(column: Column, rules: Rules) -> Tree:
    least, most = rules.min, rules.max
    if column.kind is Kind.INT and column.size is not None and column.size < 64:
        # Narrower than what every database holds a whole number to.
        low, high = bounds(column.size)
        least = low if least is None else max(least, low)
        most = high if most is None else min(most, high)
    trees = [] if least is None else [at_least(column, least)]
    return joined("and", trees if most is None else [*trees, at_most(column, most)])


def _length_tree(column: Column, rules: Rules) -> Tree:
    length = ("length", column.name)
    trees: list[Tree] = []
    if rules.min_length:
        trees.append((">=", Kind.INT, length, ("value", rules.min_length)))
    if rules.max_length is not None:
        trees.append(("<=", Kind.INT, length, ("value", rules.max_length)))
    return joined("and", trees)
