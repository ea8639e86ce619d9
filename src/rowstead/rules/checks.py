"""Check expressions: their grammar, what they compare, and whether a row fulfils one.

    or    := and  ( (OR | "||") and )*
    and   := not  ( (AND | "&&") not )*
    not   := (NOT | "!") not | atom
    atom  := "(" or ")" | operand OP operand
    operand := column | number | string | TRUE | FALSE | NULL
    OP    := = == != <> < <= > >=

Keywords in any case; strings in either quote, a backslash takes the next character as it is; numbers
are exact. Logic is three-valued: what is compared with NULL, or with another kind of value, is
unknown, and only a row for which the whole is false breaks the check.

`parse` gives a tree, a nested tuple in which every comparison knows as what its sides are compared:

    ("and", tree, …) ("or", tree, …) ("not", tree) ("true",) ("false",) ("unknown",)
    (op, Kind, operand, operand)          op is = != < <= > >=
    ("in", Kind, operand, operand, …)     made by `columns`, as is the operand ("length", name)
    operand: ("column", name) or ("value", value)

Knows no SQL; `check_sql` spells trees.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from rowstead.errors import ValidationError, undefined_column
from rowstead.rules.literals import literal_value
from rowstead.tables.schema import COMPOSITE_KINDS, Column, Kind

Tree: TypeAlias = tuple[Any, ...]
Truth: TypeAlias = bool | None

TRUE: Tree = ("true",)
FALSE: Tree = ("false",)
UNKNOWN: Tree = ("unknown",)
MAX_DEPTH = 100
"""Levels of brackets and negations: SQL is put together by recursion."""
MAX_DIGITS = 300
"""Of a number: more are beyond every float."""

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SPELLINGS = {"==": "=", "<>": "!="}
_MIRRORED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_CONNECTIVES = {"or": "or", "||": "or", "and": "and", "&&": "and", "not": "not", "!": "not"}
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>-?[0-9]+(?:\.[0-9]*)?)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<name>[^\W\d][\w.]*)
    |(?P<operator>==|!=|<>|<=|>=|\|\||&&|[=<>!()])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class _Token(NamedTuple):
    kind: str
    """number, string, name, operator, or "end"."""
    text: str
    at: int


class _Literal(NamedTuple):
    """A literal: its kind and value; NULL has none."""

    kind: Kind | None
    value: Any


def parse(text: str, columns: Mapping[str, Column]) -> Tree:
    """The expression's tree.

    Raises ValidationError, which shows the place, for what is not an expression, and
    UndefinedColumnError for a name that is none of `columns`.
    """
    return _Parser(text, columns).whole()


def columns_of(tree: Tree) -> frozenset[str]:
    """The names of the columns that the tree asks."""
    if tree[0] in ("column", "length"):
        return frozenset({tree[1]})
    parts: list[Tree] = [part for part in tree[1:] if isinstance(part, tuple)]
    return frozenset[str]().union(*map(columns_of, parts))


def renamed(text: str, old: str, new: str) -> str:
    """The expression's text with one column renamed; what is not a name stays as it is."""
    return "".join(
        new if token.kind == "name" and token.text == old and not _is_keyword(token) else token.text
        for token in _tokens(text, spaces=True)
    )


def _tokens(text: str, spaces: bool = False) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            ended = "this string has no end" if text[at] in "'\"" else f"{text[at]!r} has no meaning here"
            raise _refusal(text, at, ended)
        kind = str(match.lastgroup)
        if kind != "space" or spaces:
            tokens.append(_Token(kind, match.group(), at))
        at = match.end()
    return tokens


def _is_keyword(token: _Token) -> bool:
    return token.kind == "name" and token.text.lower() in ("and", "or", "not", "true", "false", "null")


def _refusal(text: str, at: int, problem: str) -> ValidationError:
    return ValidationError(f"check expression: {problem}\n{_pointed(text, at)}")


def _pointed(text: str, at: int) -> str:
    """The line of the text with a caret below the place."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : len(text) if end < 0 else end]
    return f"    {line}\n    {' ' * (at - start)}^"


class _Parser:
    """Reads one expression by recursive descent."""

    def __init__(self, text: str, columns: Mapping[str, Column]) -> None:
        self.text = text
        self.columns = columns
        self.depth = 0
        if "\0" in text:
            raise _refusal(text, text.index("\0"), "a NUL cannot stand in a check")
        self.tokens = [*_tokens(text), _Token("end", "", len(text))]
        self.place = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.place]

    def refusal(self, problem: str, token: _Token | None = None) -> ValidationError:
        return _refusal(self.text, (token or self.token).at, problem)

    def whole(self) -> Tree:
        if self.token.kind == "end":
            raise self.refusal("it is empty; write a condition like price >= 0")
        tree = self.connected("or")
        if self.token.kind != "end":
            raise self.refusal(f"{self.token.text!r} is left over; join conditions by AND or OR")
        return tree

    def takes(self, connective: str) -> bool:
        """Go past this connective where it is next."""
        token = self.token
        found = token.kind in ("name", "operator") and _CONNECTIVES.get(token.text.lower()) == connective
        self.place += found
        return found

    def connected(self, connective: str) -> Tree:
        """Conditions joined by OR, or by AND, which binds tighter."""
        part = self.negated if connective == "and" else lambda: self.connected("and")
        parts = [part()]
        while self.takes(connective):
            parts.append(part())
        return joined(connective, parts)

    def negated(self) -> Tree:
        if not self.takes("not"):
            return self.atom()
        self.deeper()
        tree = negation(self.negated())
        self.depth -= 1
        return tree

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.refusal(f"it is nested more than {MAX_DEPTH} levels deep")

    def atom(self) -> Tree:
        opening = self.token
        if opening.text == "(" and opening.kind == "operator":
            self.deeper()
            self.place += 1
            tree = self.connected("or")
            if self.token.text != ")":
                raise self.refusal("this bracket is not closed", opening)
            self.place += 1
            self.depth -= 1
            return tree
        left_token, left = self.operand()
        spelled = self.token
        name = _SPELLINGS.get(spelled.text, spelled.text)
        if spelled.kind != "operator" or name not in COMPARE:
            raise self.refusal("an operator is missing; a condition is like price >= 0 or done = true")
        self.place += 1
        right_token, right = self.operand()
        return self.compared(name, left, left_token, right, right_token)

    def operand(self) -> tuple[_Token, Column | _Literal]:
        token = self.token
        self.place += 1
        if token.kind == "string":
            return token, _Literal(Kind.STR, _ESCAPED.sub(r"\1", token.text[1:-1]))
        if token.kind == "number":
            if len(token.text) > MAX_DIGITS:
                raise self.refusal(f"a number of more than {MAX_DIGITS} digits", token)
            return token, _Literal(Kind.DECIMAL, Decimal(token.text))
        if token.kind == "name" and token.text.lower() in ("true", "false"):
            return token, _Literal(Kind.BOOL, token.text.lower() == "true")
        if token.kind == "name" and token.text.lower() == "null":
            return token, _Literal(None, None)
        if token.kind == "name" and not _is_keyword(token):
            return token, self.column(token)
        raise self.refusal("a column, a number, a text, TRUE, FALSE or NULL is missing", token)

    def column(self, token: _Token) -> Column:
        column = self.columns.get(token.text)
        if column is None:
            unknown = undefined_column(token.text, "the table", self.columns)
            raise type(unknown)(
                f"check expression: {unknown}\n{_pointed(self.text, token.at)}", column=token.text
            )
        if column.kind in COMPOSITE_KINDS or column.kind in (Kind.ANY, Kind.OTHER):
            raise self.refusal(f"column {column.name!r} holds {column.kind.value}, which has no order", token)
        return column

    def compared(
        self, name: str, left: Column | _Literal, left_at: _Token, right: Column | _Literal, right_at: _Token
    ) -> Tree:
        try:
            return comparison(name, left, right)
        except ValidationError as error:
            raise self.refusal(str(error), right_at if isinstance(left, Column) else left_at) from None


def joined(connective: str, parts: list[Tree]) -> Tree:
    """Trees joined by AND or OR, without those that say nothing."""
    decides, silent = (FALSE, TRUE) if connective == "and" else (TRUE, FALSE)
    if decides in parts:
        return decides
    parts = [part for part in parts if part != silent]
    if not parts:
        return silent
    return parts[0] if len(parts) == 1 else (connective, *parts)


def negation(tree: Tree) -> Tree:
    """NOT."""
    opposite = {TRUE: FALSE, FALSE: TRUE, UNKNOWN: UNKNOWN}
    return opposite.get(tree) or ("not", tree)


def comparison(name: str, left: Column | _Literal, right: Column | _Literal) -> Tree:
    """The tree of one comparison; UNKNOWN where the sides are of different kinds."""
    if isinstance(left, Column):
        if isinstance(right, Column):
            return _of_columns(name, left, right)
        return _with_literal(name, left, right)
    if isinstance(right, Column):
        return _with_literal(_MIRRORED[name], right, left)
    if left.kind is None or left.kind is not right.kind:
        return UNKNOWN
    return TRUE if COMPARE[name](left.value, right.value) else FALSE


_NUMBERS = frozenset({Kind.INT, Kind.FLOAT, Kind.DECIMAL})


def _of_columns(name: str, left: Column, right: Column) -> Tree:
    kinds = {left.kind, right.kind}
    if len(kinds) == 1:
        as_kind = left.kind
    elif kinds == {Kind.FLOAT, Kind.DECIMAL}:
        raise ValidationError("a float and a decimal number do not compare exactly; use one type")
    elif kinds <= _NUMBERS:
        # A whole number beside a float is read as one, beside a decimal number it is exact.
        as_kind = (kinds - {Kind.INT}).pop()
    else:
        return UNKNOWN
    return (name, as_kind, ("column", left.name), ("column", right.name))


def _with_literal(name: str, column: Column, literal: _Literal) -> Tree:
    if literal.kind is None:
        return UNKNOWN
    operand = ("column", column.name)
    if column.kind is Kind.INT and literal.kind is Kind.DECIMAL:
        return _whole(name, operand, literal.value)
    value = literal_value(column, literal.value)
    return UNKNOWN if value is None else (name, column.kind, operand, ("value", value))


def _whole(name: str, operand: Tree, number: Decimal) -> Tree:
    """A column of whole numbers beside a number: one that is not whole is moved to the next that is."""
    if number == number.to_integral_value():
        return (name, Kind.INT, operand, ("value", int(number)))
    if name in ("=", "!="):
        # Of no row but those whose value is unknown.
        return ("!=" if name == "=" else "=", Kind.INT, operand, operand)
    if name in ("<", "<="):
        return ("<=", Kind.INT, operand, ("value", math.floor(number)))
    return (">=", Kind.INT, operand, ("value", math.ceil(number)))


def at_least(column: Column, number: float | Decimal) -> Tree:
    """`column >= number`."""
    return _with_literal(">=", column, _Literal(Kind.DECIMAL, Decimal(str(number))))


def at_most(column: Column, number: float | Decimal) -> Tree:
    """`column <= number`."""
    return _with_literal("<=", column, _Literal(Kind.DECIMAL, Decimal(str(number))))


def holds(tree: Tree, row: Mapping[str, Any]) -> Truth:
    """Whether the row fulfils the check; None is unknown. Values are the columns' Python types."""
    head = tree[0]
    if head == "and":
        return _all(holds(part, row) for part in tree[1:])
    if head == "or":
        return _not(_all(_not(holds(part, row)) for part in tree[1:]))
    if head == "not":
        return _not(holds(tree[1], row))
    if len(tree) == 1:
        return {"true": True, "false": False, "unknown": None}[head]
    kind, *operands = tree[1:]
    values = [_value(operand, row, kind) for operand in operands]
    if head == "in":
        return None if values[0] is None else values[0] in values[1:]
    left, right = values
    return None if left is None or right is None else COMPARE[head](left, right)


def _value(operand: Tree, row: Mapping[str, Any], kind: Kind) -> Any:
    what, given = operand
    value = given if what == "value" else row.get(given)
    if value is None:
        return None
    if what == "length":
        return len(value)
    return float(value) if kind is Kind.FLOAT else value


def _all(truths: Any) -> Truth:
    found: list[Truth] = list(truths)
    if False in found:
        return False
    return None if None in found else True


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth
