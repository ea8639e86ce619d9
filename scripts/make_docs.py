"""Write the tables of docs/ that are made from the code: operators, bounds, and the stored forms on SQLite.

    python scripts/make_docs.py            writes them
    python scripts/make_docs.py --check    writes nothing; exit code 1 when a table is out of date

A table stands between `<!-- made by scripts/make_docs.py: NAME -->` and `<!-- end of NAME -->`.
"""

from __future__ import annotations

import ast
import datetime
import decimal
import enum
import inspect
import json
import re
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel

from rowstead import STRANGER, Row, ValidationError
from rowstead.dialects import POSTGRESQL, SQLITE
from rowstead.language.conditions import read
from rowstead.language.operators import OPERATORS, Operator
from rowstead.rows.compose import first_call
from rowstead.service.policy import Limits
from rowstead.statements.compiled import Compiler
from rowstead.tables.schema import column_of
from rowstead.values.encoders import SQLITE_CODEC, encoder

ROOT = Path(__file__).parent.parent

COMPILERS = (Compiler(POSTGRESQL, "asyncpg", "numeric_dollar"), Compiler(SQLITE, SQLITE_CODEC, "qmark"))


class Person(Row):
    __table__ = "people"
    id: int
    name: str | None
    age: int | None


SUBQUERY = {"table": Person, "columns": ["age"], "filter": {"name": "Ann"}}
OPERANDS: Mapping[str, Any] = {
    "one": 7,
    "two": [1, 9],
    "list": [1, 2],
    "none": True,
    "query": SUBQUERY,
}
PATTERNS: Mapping[str, str] = {
    "like": "A_n%",
    "ilike": "a_n%",
    "contains": "50%",
    "starts_with": "An",
    "~": "^A",
}


def operators() -> list[str]:
    """A line for each operator: its spellings, an example, its SQL on both databases, and who may use it."""
    lines = [
        "| operator | example | PostgreSQL | SQLite | None | strangers |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for operator in OPERATORS.values():
        names = ", ".join(f"`{name}`" for name in (operator.name, *operator.spellings))
        column = "name" if operator.text_only else "age"
        operand = PATTERNS.get(operator.name) if operator.text_only else OPERANDS[operator.takes]
        shown = '{"table": Person, …}' if operator.takes == "query" else json.dumps(operand)
        example = f'`{{"{column}": {{"{operator.name}": {shown}}}}}`'
        condition = {column: {operator.name: operand}}
        cells = [*(_where(compiler, condition) for compiler in COMPILERS), _on_none(operator)]
        cells.append("yes" if _is_allowed(condition) else "no")
        lines.append(f"| {names} | {example} | {' | '.join(cells)} |")
    return lines


def _is_allowed(condition: dict[str, Any]) -> bool:
    """Whether a stranger may say this."""
    try:
        read(condition, Person.__rowstead__(), access=STRANGER)
    except ValidationError:
        return False
    return True


def bounds() -> list[str]:
    """A line for each bound of a service: the usual, and what it bounds, as `Limits` says."""
    said = ast.parse(inspect.getsource(Limits)).body[0]
    assert isinstance(said, ast.ClassDef)
    lines = ["| attribute | unless said otherwise | |", "| --- | --- | --- |"]
    for statement, behind in zip(said.body, [*said.body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        name = statement.target.id
        value = getattr(Limits, name)
        shown = f"{value:,}" if type(value) is int else str(value)
        lines.append(f"| `{name}` | {shown} | {_docstring(behind)} |")
    return lines


def _docstring(statement: ast.stmt | None) -> str:
    """What stands behind an attribute, in one line."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return " ".join(str(statement.value.value).split())
    return ""


def _where(compiler: Compiler, where: dict[str, Any]) -> str:
    try:
        text = first_call(compiler, "query", Person, where=where).text
    except ValidationError:
        return "refused"
    return f"`{text.partition(' WHERE ')[2]}`"


def _on_none(operator: Operator) -> str:
    if operator.takes == "list":
        return "in the list: NULL"
    if operator.takes in ("none", "query"):
        return "–"
    return f"`{operator.on_none}`" if operator.on_none else "refused"


class Colour(enum.Enum):
    RED = "red"


class Point(BaseModel):
    x: int
    y: int


def stored_forms() -> list[str]:
    """A line for each Python type: a value, and what SQLite holds for it."""
    zone = datetime.timezone(datetime.timedelta(hours=2))
    samples: list[tuple[str, Any, Any]] = [
        ("int", int, 7),
        ("float", float, 0.5),
        ("bool", bool, True),
        ("str", str, "text"),
        ("bytes", bytes, b"\x00\xff"),
        ("Decimal", decimal.Decimal, decimal.Decimal("1E+2")),
        ("UUID", uuid.UUID, uuid.UUID("12345678-1234-5678-1234-567812345678")),
        ("date", datetime.date, datetime.date(2013, 1, 31)),
        ("time", datetime.time, datetime.time(12, 30)),
        ("datetime", datetime.datetime, datetime.datetime(2013, 1, 31, 12, 30)),
        ("AwareDatetime", AwareDatetime, datetime.datetime(2013, 1, 31, 12, 30, tzinfo=zone)),
        ("timedelta", datetime.timedelta, datetime.timedelta(seconds=90)),
        ("Enum", Colour, Colour.RED),
        ("list[int]", list[int], [1, 2]),
        ("dict", dict[str, Any], {"b": 1, "a": None}),
        ("a Pydantic model", Point, Point(x=1, y=2)),
    ]
    lines = ["| Python type | value | stored on SQLite |", "| --- | --- | --- |"]
    for name, annotation, value in samples:
        stored = encoder(column_of("c", annotation), SQLITE_CODEC)(value)
        # Python's sqlite3 binds True as 1.
        stored = int(stored) if stored is True else stored
        lines.append(f"| {name} | `{value}` | `{stored!r}` |")
    return lines


TABLES: Mapping[str, tuple[str, Callable[[], list[str]]]] = {
    "operators": ("docs/conditions.md", operators),
    "bounds": ("docs/service/conditions.md", bounds),
    "stored forms": ("docs/types.md", stored_forms),
}


def rewritten(document: str, name: str, lines: list[str]) -> str:
    """The document with its table of this name made anew."""
    begin, end = f"<!-- made by scripts/make_docs.py: {name} -->", f"<!-- end of {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(document):
        raise SystemExit(f"make_docs: there is no table {name!r}: its place is between\n{begin}\n{end}")
    text = "\n".join([begin, "", *lines, "", end])
    return pattern.sub(lambda _: text, document)


def main(check: bool) -> int:
    outdated: list[str] = []
    for name, (file, make) in TABLES.items():
        path = ROOT / file
        before = path.read_text(encoding="utf-8")
        after = rewritten(before, name, make())
        if after == before:
            continue
        outdated.append(f"{file} ({name})")
        if not check:
            path.write_text(after, encoding="utf-8")
            print(f"make_docs: wrote {name} in {file}")
    if check and outdated:
        print(f"make_docs: out of date: {', '.join(outdated)}; run `make fix`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    sys.exit(main(check=bool(sys.argv[1:])))
