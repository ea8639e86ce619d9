"""What a face may not hold: SQL, SQLAlchemy, drivers, operators, the mapping of a database's errors.

Read from the source of every face. `test_arrows` holds who imports whom inside Rowstead; this file holds
what a face may say at all. A face that needs more of the database needs a function of the core.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowstead.language.operators import SPELLINGS

SOURCE = Path(__file__).parent.parent / "src" / "rowstead"

FACES = ("rows", "kit", "service", "repository")
ON_SQLALCHEMY = ("repository", "service")
"""Faces whose objects are SQLAlchemy's: they may name its models, sessions and expressions, no dialect of it
and none of its errors."""

LIBRARIES = frozenset(
    "sqlalchemy alembic sqlite3 aiosqlite asyncpg psycopg psycopg_pool psycopg2 asyncmy aiomysql".split()
)
"""SQL languages and drivers."""
ADDRESSES = ("addresses", "base")
"""What a face may know of `drivers`: the options of a connection, and the type of what it is given."""

ENGINES = ("sqlalchemy_engines",)
"""What a face on SQLAlchemy may know beside: how its engines are made."""

CLAUSES = re.compile(
    r"\b(SELECT|INSERT INTO|UPDATE \S+ SET|DELETE FROM|FROM|WHERE|(GROUP|ORDER) BY|HAVING|JOIN"
    r"|VALUES|RETURNING|LIMIT|OFFSET|UNION|DISTINCT|IS (NOT )?NULL|NOT NULL|ON CONFLICT"
    r"|(CREATE|ALTER|DROP|TRUNCATE) [A-Z]+|EXPLAIN|PRAGMA|VACUUM|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE"
    r"|COPY)\b"
)
"""SQL in capitals, anywhere in a text."""
STATEMENT = re.compile(
    r"\s*(select\s+[\w*(]|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s|create\s+(unique\s+)?(table|index|view|"
    r"sequence)\s|alter\s+table\s|drop\s+(table|index|view|sequence)\s|truncate\s+table\s|pragma\s+\w+|explain\s+"
    r"(query|analyze)|begin(\s+\w+)?\s*$|commit\s*$|rollback(\s+to\s+\S+)?\s*$|savepoint\s|release\s+savepoint\s)",
    re.IGNORECASE,
)
"""A text that begins like a statement, however it is written."""

CALLS = frozenset("fetch_raw fetch_many execute_many copy_in lend take_back translate cursor _send".split())
"""What is asked of drivers and their connections only."""

OPERATOR_NAMES = frozenset(SPELLINGS) - {"eq"}
"""A key's own condition is spelled with `eq`, in shapes and in filters; nobody looks that up."""

STATES = re.compile(r"(?=.*\d)[0-9A-Z]{5}|SQLITE_[A-Z_]+")
"""PostgreSQL's SQLSTATEs, and the names of SQLite's codes."""
DRIVERS_WORDS = re.compile(
    r"constraint failed|violates .*constraint|database is locked|no such (table|column)", re.I
)
"""What only a driver's message says."""
DRIVERS_FIELDS = frozenset(
    "sqlstate pgcode diag orig sqlite_errorcode sqlite_errorname constraint_name column_name".split()
)


def violations(folder: Path) -> list[str]:
    """All that the faces in the package at `folder` hold and may not, a line for each."""
    found: list[str] = []
    for file in files(folder):
        on_sqlalchemy = not {*file.relative_to(folder).parts}.isdisjoint(ON_SQLALCHEMY)
        lines = sorted(problems(ast.parse(file.read_text(), str(file)), on_sqlalchemy))
        found += [f"{file.relative_to(folder)}:{line} {text}" for line, text in lines]
    return found


def files(folder: Path) -> list[Path]:
    """The modules of every face, of both worlds."""
    places = [world / face for world in (folder, folder / "sync") for face in FACES]
    return [file for place in places for file in sorted(place.rglob("*.py"))]


def problems(tree: ast.Module, on_sqlalchemy: bool) -> Iterator[tuple[int, str]]:
    silent = documentation(tree) | in_filters(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from wrong_imports(node, on_sqlalchemy)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield from wrong_text(node.lineno, node.value)
        elif isinstance(node, ast.Attribute) and node.attr in CALLS:
            yield node.lineno, f"calls a driver: .{node.attr}"
        elif isinstance(node, ast.Attribute) and node.attr in DRIVERS_FIELDS:
            yield node.lineno, f"reads a driver's error: .{node.attr}"
        elif isinstance(node, ast.Dict) and (names := error_classes(node)):
            yield node.lineno, f"maps errors: {', '.join(names)}"
        elif isinstance(node, ast.ExceptHandler) and catches_everything(node) and raises_another(node):
            yield node.lineno, "maps errors: whatever is raised becomes another error"


def documentation(tree: ast.Module) -> set[int]:
    """The texts that are only read by people: docstrings, and texts that stand alone under a name."""
    alone = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    return {id(value) for value in alone if isinstance(value, ast.Constant)}


def in_filters(tree: ast.Module) -> set[int]:
    """The operators of filters that are written out, `{column: {"in": values}}`: the language, used."""
    values: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            values += node.values
        elif isinstance(node, ast.DictComp):
            values.append(node.value)
    single = [value for value in values if isinstance(value, ast.Dict) and len(value.keys) == 1]
    return {id(value.keys[0]) for value in single}


def wrong_imports(node: ast.Import | ast.ImportFrom, on_sqlalchemy: bool) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    else:
        base = "." * node.level + (node.module or "")
        modules = [f"{base}.{alias.name}" for alias in node.names]
    for module in modules:
        parts = module.strip(".").split(".")
        if on_sqlalchemy and parts[0] == "sqlalchemy":
            if parts[1:2] in (["dialects"], ["exc"]):
                yield node.lineno, f"imports {'.'.join(parts[:2])}"
        elif not module.startswith(".") and parts[0] in LIBRARIES:
            yield node.lineno, f"imports {parts[0]}"
        elif "drivers" in parts:
            part = parts[parts.index("drivers") + 1 :][:1]
            if part != [] and part[0] not in (*ADDRESSES, *(ENGINES if on_sqlalchemy else ())):
                yield node.lineno, f"imports a driver: {module}"
        elif parts[:1] == ["rowstead"] and "operators" in parts:
            yield node.lineno, f"imports the operators: {module}"


def wrong_text(line: int, text: str) -> Iterator[tuple[int, str]]:
    if CLAUSES.search(text) or STATEMENT.match(text):
        yield line, f"has SQL: {text!r}"
    if text in OPERATOR_NAMES:
        yield line, f"knows an operator: {text!r}"
    if STATES.fullmatch(text) or DRIVERS_WORDS.search(text):
        yield line, f"knows a driver's error: {text!r}"


def error_classes(node: ast.Dict) -> list[str]:
    """The error classes that stand as values in a dict, looked up by something else."""
    values = [ast.unparse(value) for value in node.values]
    named = [
        text for text in values if re.fullmatch(r"(\w+\.)*[A-Z]\w*(Error|Conflict|NotFound|Timeout)", text)
    ]
    return named if len(named) > 1 else []


def catches_everything(node: ast.ExceptHandler) -> bool:
    return node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")


def raises_another(node: ast.ExceptHandler) -> bool:
    return any(isinstance(part, ast.Raise) and part.exc is not None for part in ast.walk(node))


def test_the_faces_hold_no_sql_no_driver_no_operator_and_no_errors_of_a_database() -> None:
    assert violations(SOURCE) == []


def test_every_face_that_is_there_is_read() -> None:
    read = {str(file.relative_to(SOURCE)) for file in files(SOURCE)}
    assert {
        "rows/calls.py",
        "kit/reading.py",
        "sync/rows/db.py",
        "sync/kit/database.py",
        "repository/bulk.py",
        "service/table_service.py",
    } <= read
    assert len(read) > 25


# Controls: each kind of mistake, made on purpose.


def problems_of(folder: Path, text: str, face: str = "kit") -> list[str]:
    file = folder / face / "reading.py"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return violations(folder)


SQL = [
    'text = "SELECT 1"',
    "text = f'SELECT {columns} FROM {table}'",
    'text = "select * from users"',
    'text = "delete from users"',
    'text = where + " ORDER BY id"',
    'text = f"{column} IS NOT NULL"',
    'call = Call("update users set a = 1")',
    'text = "pragma foreign_keys"',
    'await handle.execute("begin immediate")',
    'text = "SAVEPOINT a"',
    'text = "create unique index i on t (a)"',
]
IMPORTS = [
    "import sqlalchemy as sa",
    "from sqlalchemy.sql import expression",
    "def f():\n    import sqlite3",
    "if TYPE_CHECKING:\n    from asyncpg import Connection",
    "from rowstead.drivers.sqlite import SqliteDriver",
    "from rowstead.drivers import psycopg",
    "from ..drivers.pool import Pool",
    "import rowstead.drivers.sqlite_errors",
    "import alembic",
]
OPERATORS = [
    'operators = {"gt": 1}',
    'operators = {"gt": "greater", "lt": "less"}',
    'operators = {"order": {"gt": above, "lt": below}}',
    'wanted = filter["is_null"]',
    'if {"ne", "not_in"} & filter.keys(): pass',
    'shape = ("like", name, VALUE)',
    'if operator == "in": pass',
    'match operator:\n    case "starts_with": pass',
    "from rowstead.language.operators import OPERATORS",
    "from rowstead.language import operators",
]
ERRORS = [
    'codes = {"x": errors.DuplicateError, "y": errors.ForeignKeyError}',
    'if error.sqlstate == "x": pass',
    'if code in ("23505",): pass',
    'name = "SQLITE_BUSY"',
    'if "UNIQUE constraint failed" in str(error): pass',
    "try:\n    f()\nexcept Exception as error:\n    raise ValidationError(str(error)) from error",
]
DRIVERS = [
    "raise driver.translate(error)",
    "connection = await driver.lend(True)",
    "rows = await connection.fetch_many(text, rows)",
]
KINDS = {
    "has SQL": SQL,
    "imports": IMPORTS,
    "operator": OPERATORS,
    "error": ERRORS,
    "calls a driver": DRIVERS,
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in KINDS.items() for text in texts])
def test_a_face_that_breaks_the_rule_is_reported(tmp_path: Path, kind: str, text: str) -> None:
    found = problems_of(tmp_path, text)
    assert found
    assert all(line.startswith("kit/reading.py:") for line in found)
    assert any(kind in line for line in found)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(k, t) for k, texts in KINDS.items() for t in texts if "sqlalchemy" not in t]
    + [
        ("imports", "from sqlalchemy.dialects.postgresql import insert"),
        ("imports", "import sqlalchemy.dialects.sqlite"),
        ("imports", "from sqlalchemy import exc"),
        ("imports", "from sqlalchemy.exc import IntegrityError"),
        ("has SQL", 'await session.execute(sa.text("SELECT 1"))'),
    ],
)
def test_a_face_on_sqlalchemy_that_breaks_the_rule_is_reported(tmp_path: Path, kind: str, text: str) -> None:
    assert any(kind in line for line in problems_of(tmp_path, text, "repository"))


def test_a_face_on_sqlalchemy_may_use_its_objects(tmp_path: Path) -> None:
    sound = """
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
query = sa.select(model).where(model.name == name).order_by(model.id)
"""
    assert problems_of(tmp_path, sound, "repository") == []
    assert problems_of(tmp_path, sound) != []


def test_what_a_face_says_to_people_is_no_violation(tmp_path: Path) -> None:
    sound = '''
"""Reads; SELECT stands in a docstring."""
from rowstead.drivers.addresses import Options
from rowstead.errors import NotFound, ValidationError
KEY = ("select", "table", "insert")
FILTER = {"and": [{name: {"in": keys}}, *({name: {"is_null": False}} for name in names)]}
KEY_SHAPE = ("and", ("eq", "id", VALUE))
MODES = "x"
"""What is written WHERE nobody runs it."""
def update(table):
    try:
        return read(table)
    except NotFound as error:
        raise ValidationError(f"update of {table} needs a filter; delete from it by delete_where") from error
    except Exception:
        close()
        raise
'''
    assert problems_of(tmp_path, sound) == []
