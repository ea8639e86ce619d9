"""The statement cache: compiled once per shape, bounded, never mixing two tables."""

from typing import Any

import pytest
from pydantic import create_model

from rowstead import DB, Inc, Row
from rowstead.dialects import POSTGRESQL, SQLITE
from rowstead.rows.compose import first_call
from rowstead.statements import compiled as compiled_module
from rowstead.statements.compiled import MAX_LENGTH, MAX_PARAMS, MAX_TEXTS, Compiler


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str = ""
    email: str | None = None


class Counter(Row):
    __table__ = "counters"
    id: int
    n: int = 0


@pytest.fixture(params=["postgresql", "sqlite"])
def compiler(request: pytest.FixtureRequest) -> Compiler:
    if request.param == "sqlite":
        return Compiler(SQLITE, "sqlite", "qmark")
    return Compiler(POSTGRESQL, "asyncpg", "numeric_dollar")


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows by one with every statement that is really compiled."""
    made: list[Any] = []
    original = compiled_module.Compiler.text_of

    def counted(self: Compiler, expression: Any) -> tuple[str, list[str]]:
        made.append(expression)
        return original(self, expression)

    monkeypatch.setattr(compiled_module.Compiler, "text_of", counted)
    return made


SHAPES: list[tuple[str, list[list[Any]], list[dict[str, Any]]]] = [
    ("get", [[User]], [{"id": 1}, {"id": 2}]),
    ("query", [[User]], [{"name": "a", "limit": 1}, {"name": "b", "limit": 7}]),
    ("query", [[User]], [{"id": [1, 2]}, {"id": [3, 4]}]),
    ("query", [[User]], [{"id": list(range(20))}, {"id": list(range(999))}]),
    (
        "query",
        [[User]],
        [
            {"where": {"or": [{"id": {"gt": 1}}, {"not": {"name": "a"}}]}},
            {"where": {"or": [{"id": {"gt": 5}}, {"not": {"name": "b"}}]}},
        ],
    ),
    (
        "query",
        [[User]],
        [
            {"where": {"exists": {"table": User, "filter": {"id": {"$outer": "id"}, "name": "a"}}}},
            {"where": {"exists": {"table": User, "filter": {"id": {"$outer": "id"}, "name": "z"}}}},
        ],
    ),
    ("query", [[User]], [{"order": "-name,id"}, {"order": ["-name", "id"]}]),
    ("count", [[User]], [{"name": "a"}, {"name": "b"}]),
    ("insert", [[User(name="a")], [User(name="b")]], [{}]),
    ("insert", [[User(id=1, name="a")], [User(id=2, name="b")]], [{"on_conflict": "upsert"}]),
    (
        "update",
        [[User(id=1, name="a")], [User(id=2, name="b")]],
        [{"where": {"email": "x"}}, {"where": {"email": "y"}}],
    ),
    ("update", [[Counter.patch(id=1, n=Inc())], [Counter.patch(id=2, n=Inc(5))]], [{}]),
    (
        "insert",
        [[Counter.patch(id=1, n=Inc())], [Counter.patch(id=2, n=Inc(5, 6))]],
        [{"on_conflict": "upsert"}],
    ),
    ("delete", [[User(id=1)], [User(id=2, name="b")]], [{}]),
    ("page", [[User]], [{"limit": 1}, {"limit": 9}]),
]


@pytest.mark.parametrize(
    ("verb", "arguments", "options"), SHAPES, ids=[f"{s[0]}-{i}" for i, s in enumerate(SHAPES)]
)
def test_a_shape_is_compiled_once_whatever_its_values(
    compiler: Compiler,
    compilations: list[Any],
    verb: str,
    arguments: list[list[Any]],
    options: list[dict[str, Any]],
) -> None:
    calls = [
        first_call(compiler, verb, *positional, **named) for positional in arguments for named in options
    ]
    assert len(calls) > 1
    assert len({call.text for call in calls}) == 1
    assert len(compilations) == 1
    assert len(compiler.kept) == 1


def test_other_shapes_are_other_statements(compiler: Compiler, compilations: list[Any]) -> None:
    calls: list[dict[str, Any]] = [
        {"id": 1},
        {"id": None},
        {"id": [1]},
        {"id": [1, 2]},
        {"id": [1, None]},
        {"where": {"id": {"gt": 1}}},
        {"where": {"id": {"gte": 1}}},
        {"id": 1, "order": "id"},
        {"id": 1, "order": "-id"},
        {"id": 1, "limit": 1},
        {"id": 1, "offset": 1},
        {"where": {"not": {"id": 1}}},
        {"where": {"id": {"not": 1}}},
        {"name": "a"},
    ]
    texts = [first_call(compiler, "query", User, **options).text for options in calls]
    assert len(set(texts)) == len(calls) == len(compilations) == len(compiler.kept)


def test_the_cache_holds_at_most_512_texts_and_forgets_the_oldest(
    compiler: Compiler, compilations: list[Any]
) -> None:
    assert MAX_TEXTS == 512
    fields: dict[str, Any] = {f"c{i}": (int | None, None) for i in range(30)}

    class Base(Row):
        __table__ = "wide"
        id: int

    model: Any = create_model("Wide", __base__=Base, **fields)
    pairs = [(a, b) for a in range(30) for b in range(30) if a != b][:600]
    for a, b in pairs:
        first_call(compiler, "query", model, **{f"c{a}": 1, f"c{b}": 2})
        assert len(compiler.kept) <= 512
    assert len(compiler.kept) == 512
    made = len(compilations)
    assert made == 600
    a, b = pairs[-1]
    first_call(compiler, "query", model, **{f"c{a}": 5, f"c{b}": 6})
    assert len(compilations) == made
    a, b = pairs[0]
    first_call(compiler, "query", model, **{f"c{a}": 5, f"c{b}": 6})
    assert len(compilations) == made + 1


def test_no_text_with_over_50_parameters_is_kept(compiler: Compiler) -> None:
    assert MAX_PARAMS == 50
    first_call(compiler, "query", User, where=[{"id": i} for i in range(51)])
    assert len(compiler.kept) == 0
    first_call(compiler, "query", User, where=[{"id": i} for i in range(50)])
    assert len(compiler.kept) == 1


def test_no_text_over_4096_characters_is_kept(compiler: Compiler) -> None:
    assert MAX_LENGTH == 4_096
    fields: dict[str, Any] = {f"{'long' * 10}_{i}": (int | None, None) for i in range(120)}

    class Base(Row):
        __table__ = "long"
        id: int

    model: Any = create_model("Long", __base__=Base, **fields)
    call = first_call(compiler, "get", model, id=1)
    assert len(call.text) > 4_096
    assert len(compiler.kept) == 0


def test_two_classes_of_one_table_do_not_mix(compiler: Compiler) -> None:
    class Short(Row):
        __table__ = "users"
        id: int

    class Other(Row):
        __table__ = "users"
        __pk__ = ("name",)
        name: str

    assert first_call(compiler, "query", User).text == "SELECT id, name, email FROM users"
    assert first_call(compiler, "query", Short).text == "SELECT id FROM users"
    assert first_call(compiler, "query", Other).text == "SELECT name FROM users"
    assert first_call(compiler, "query", User).text == "SELECT id, name, email FROM users"
    assert len(compiler.kept) == 3


def test_a_subclass_is_a_table_of_its_own(compiler: Compiler) -> None:
    class Admin(User):
        level: int = 0

    assert first_call(compiler, "query", User).text == "SELECT id, name, email FROM users"
    assert first_call(compiler, "query", Admin).text == "SELECT id, name, email, level FROM users"


async def test_two_classes_of_one_table_read_their_own_rows(db: DB, ddl: Any) -> None:
    await db.execute(ddl("CREATE TABLE users (id {int} PRIMARY KEY, name {text}, email {text})"))

    class Named(Row):
        __table__ = "users"
        id: int
        name: bytes | None = None

    await db.insert(User(id=1, name="a"))
    for _ in range(2):
        user, named = await db.get(User, id=1), await db.get(Named, id=1)
        assert (type(user), type(named)) == (User, Named)
        assert user is not None
        assert named is not None
        assert (user.name, named.name) == ("a", b"a")


async def test_a_handle_compiles_a_shape_once_for_all_its_transactions(
    db: DB, ddl: Any, compilations: list[Any]
) -> None:
    await db.execute(ddl("CREATE TABLE users (id {int} PRIMARY KEY, name {text}, email {text})"))
    for i in range(3):
        await db.insert(User(id=i, name="a"))
        async with db.transaction() as tx:
            await tx.insert(User(id=10 + i, name="b"))
            async with tx.transaction() as inner:
                await inner.insert(User(id=20 + i, name="c"))
    assert len(compilations) == 1
    assert await db.count(User) == 9
