"""What MariaDB alone does, or does not: statements that commit, keys that are not named, modes, kills."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest

from conftest import MARIA_WORDS
from rowstead import (
    DB,
    CheckError,
    DataError,
    DuplicateError,
    ForeignKeyError,
    Inc,
    NotNullError,
    PrivilegeError,
    RestrictError,
    Row,
    RowsteadError,
    StatementError,
    UndefinedColumnError,
    UndefinedTableError,
    UnreachableError,
    UsageError,
    ValidationError,
)
from rowstead.kit import AsyncDatabase
from servers import with_driver
from suite.maria import (
    User,
    db_by_each_library,  # noqa: F401
    library_of,
)

pytestmark = pytest.mark.mariadb

# ── the libraries ────────────────────────────────────────────────────────────────────────────


async def test_a_row_goes_through_every_verb(db: DB) -> None:
    stored = await db.insert(User(email="ä'\"\\%_\x00", n=1))
    assert stored == User(id=1, email="ä'\"\\%_\x00", nick=None, n=1)
    assert await db.get(User, email=stored.email) == stored
    assert await db.update(User(id=1, n=2)) == stored.model_copy(update={"n": 2})
    assert await db.update(User(id=1, n=2)) == stored.model_copy(update={"n": 2}), "unchanged, and found"
    assert await db.update(User(id=9, n=2)) is None
    assert await db.update(User(id=1, n=3), where={"n": 7}) is None
    assert await db.update_where(User.patch(n=Inc(5)), where={"n": 2}) == 1
    assert await db.update_where(User.patch(n=7), where={"n": 7}) == 1
    many = await db.insert_many([User(email=str(i)) for i in range(2500)], returning=True)
    assert [user.email for user in many] == [str(i) for i in range(2500)]
    assert await db.count(User, email=[str(i) for i in range(100)]) == 100
    page = await db.page(User, order="-id", limit=10)
    assert [user.email for user in page.rows] == [str(i) for i in range(2499, 2489, -1)]
    assert await db.delete(User(id=1)) == 1
    assert await db.delete_many(User, [user.id for user in many]) == 2500


async def test_one_statement_per_call(db: DB) -> None:
    with pytest.raises(StatementError):
        await db.execute("SELECT 1; DELETE FROM users")
    await db.execute("SET SESSION sort_buffer_size = 300000")  # the connection is reset before its next turn
    with pytest.raises(StatementError):
        await db.execute("SELECT 1; DELETE FROM users")
    assert await db.count(User) == 0


async def test_a_password_and_a_name_may_hold_anything(db: DB, mariadb_url: str) -> None:
    name = mariadb_url.rpartition("/")[2]
    await db.execute("CREATE USER 'ö@x'@'127.0.0.1' IDENTIFIED BY 'pä/ß:@ %'")
    try:
        await db.execute(f"GRANT SELECT ON `{name}`.* TO 'ö@x'@'127.0.0.1'")
        host = mariadb_url.rpartition("@")[2]
        login = "%C3%B6%40x:p%C3%A4%2F%C3%9F%3A%40%20%25"
        async with await DB.from_url(with_driver(f"mysql://{login}@{host}", library_of(db))) as other:
            assert await other.count(User) == 0
            with pytest.raises(PrivilegeError):
                await other.insert(User(email="a"))
        with pytest.raises(UnreachableError) as told:
            await DB.from_url(f"mysql://%C3%B6%40x:se%2Fcret@{host}")
        assert "cret" not in str(told.value)
        assert "refused" in str(told.value)
    finally:
        await db.execute("DROP USER 'ö@x'@'127.0.0.1'")


@pytest.mark.parametrize("sql_mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES,ANSI"])
async def test_values_are_values_in_every_mode_of_the_session(db: DB, sql_mode: str) -> None:
    attacks = ["\\", "\\' OR 1=1 -- ", "' OR ''='", "\\\\'; DROP TABLE users -- ", '" OR 1=1 #', "\\0\x00"]
    async with db.transaction() as tx:
        await tx.execute(f"SET SESSION sql_mode = '{sql_mode}'")
        for attack in attacks:
            for value in (attack, attack.encode()):
                assert await tx.fetchval("SELECT $1", value) == value
                assert await tx.fetchval("SELECT count(*) FROM users WHERE email = $1", value) == 0
            assert (await tx.insert(User(email=attack))).email == attack
            assert (await tx.get(User, email=attack)) is not None
            assert await tx.count(User, email=[attack] * 30) == 1
            assert await tx.count(User, where={"email": {"like": attack}}) == 1
            assert await tx.count(User, where={"email": {"starts_with": attack}}) >= 1
        assert await tx.count(User) == len(attacks)
    assert await db.fetchval("SELECT @@sql_mode LIKE '%STRICT_ALL%'") == 1


async def test_a_parameter_is_one_only_where_it_stands_by_itself(db: DB) -> None:
    sql = "SELECT 'it\\'s $1', \"\\\"$1\", $1, '100%', `$1` FROM (SELECT 5 AS `$1`) t # $1 too\n -- $1"
    (row,) = await db.database.fetch(sql, "' OR 1=1 -- ")
    assert list(row.values()) == ["it's $1", '"$1', "' OR 1=1 -- ", "100%", 5]
    assert await db.fetchval("SELECT $2 - $1", 3, 10) == 7
    with pytest.raises(ValidationError, match=r"1 parameter\(s\), but 2"):
        await db.fetch("SELECT $1", 1, 2)


async def test_half_a_character_is_refused_before_it_is_sent(db: DB) -> None:
    for text in ("\udc27", "a\ud800", "\udce2"):
        with pytest.raises(DataError, match="half a character"):
            await db.insert(User(email=text))
    assert await db.count(User) == 0


# ── exact texts ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "collation", ["utf8mb4_general_ci", "utf8mb4_bin", "utf8mb4_nopad_bin", "latin1_swedish_ci"]
)
async def test_texts_compare_by_their_characters_whatever_the_columns_collation(
    db: DB, collation: str
) -> None:
    class Word(Row):
        __table__ = "words"
        id: int
        t: str

    charset = collation.partition("_")[0]
    await db.execute(
        "CREATE TABLE words (id INTEGER PRIMARY KEY,"
        f" t VARCHAR(50) CHARACTER SET {charset} COLLATE {collation})"
    )
    texts = ["a", "A", "a ", "ä", "B", "b", "ab"]
    await db.insert_many([Word(id=i, t=t) for i, t in enumerate(texts)])

    async def found(condition: Any) -> list[str]:
        return [word.t for word in await db.query(Word, where={"t": condition}, order="id")]

    assert await found({"eq": "a"}) == ["a"]
    assert await found({"ne": "a"}) == texts[1:]
    assert await found({"not": "a"}) == texts[1:]
    assert await found({"in": ["a", "B"]}) == ["a", "B"]
    assert await found({"in": ["a", "B"] * 20}) == ["a", "B"]
    assert await found({"not_in": ["a", "B"] * 20}) == ["A", "a ", "ä", "b", "ab"]
    assert await found({"like": "a%"}) == ["a", "a ", "ab"]
    assert await found({"contains": "b"}) == ["b", "ab"]
    assert await found({"starts_with": "a"}) == ["a", "a ", "ab"]
    assert await found({"ilike": "A%"}) == ["a", "A", "a ", "ab"]
    assert await found({"gt": "B"}) == [t for t in texts if t > "B"]
    assert await found({"between": ["a", "ab"]}) == ["a", "a ", "ab"]
    assert [word.t for word in await db.query(Word, order="t")] == sorted(texts)
    assert [word.t async for word in db.iter_rows(Word, order="-t", batch_size=2)] == sorted(
        texts, reverse=True
    )


async def test_an_exact_text_is_found_by_an_index(db: DB) -> None:
    await db.insert_many([User(email=f"u{i}") for i in range(500)])
    for where in ({"email": "u7"}, {"email": ["u7", "u8"]}, {"email": [f"u{i}" for i in range(20)]}):
        assert '"key": "email"' in await db.explain("query", User, where=where)


async def test_a_backslash_and_a_nul_in_a_pattern_mean_themselves(db: DB) -> None:
    await db.insert_many([User(email=e) for e in ("a\\b", "ab", "a\x00b", "a%b", "a\\%b")])

    async def found(pattern: str) -> set[str | None]:
        return {user.email for user in await db.query(User, where={"email": {"like": pattern}})}

    assert await found("a\\b") == {"a\\b"}
    assert await found("a\x00b") == {"a\x00b"}
    assert await found("a\\%") == {"a\\b", "a\\%b"}


# ── writes without the clauses of others ─────────────────────────────────────────────────────


async def test_an_upsert_by_one_key_never_changes_a_row_that_another_key_found(db: DB) -> None:
    await db.insert_many([User(id=1, email="a", nick="x"), User(id=2, email="b", nick="y")])
    changed = await db.insert(User(email="a", n=5), on_conflict="upsert", conflict_target="email")
    assert changed == User(id=1, email="a", nick="x", n=5)
    # The named key finds a row, whatever else of the new row another one has.
    found = await db.insert(User(id=1, email="b", n=7), on_conflict="upsert", conflict_target="email")
    assert found == User(id=2, email="b", nick="y", n=7)
    many = [User(id=1, email="b", n=0), User(id=9, email="z", n=1)]
    stored = await db.insert_many(many, on_conflict="upsert", conflict_target="email", returning=True)
    assert [(user.id, user.n) for user in stored] == [(2, 0), (9, 1)]
    assert await db.delete(User(id=9)) == 1
    for row in (User(email="new", nick="x", n=9), User(id=1, email="new", n=9)):
        with pytest.raises(DuplicateError):
            await db.insert(row, on_conflict="upsert", conflict_target="email")
        with pytest.raises(DuplicateError):
            await db.insert_many([User(email="c", n=0), row], on_conflict="upsert", conflict_target="email")
    assert [(u.id, u.email, u.n) for u in await db.query(User, order="id")] == [(1, "a", 5), (2, "b", 0)]


async def test_an_increment_adds_to_the_row_that_is_there(db: DB) -> None:
    for wanted in (3, 5, 7):
        row = User.patch(id=1, email="a", n=Inc(2, start=1))
        assert (await db.insert(row, on_conflict="upsert")).n == wanted


async def test_ignoring_leaves_out_only_what_the_named_key_refuses(db: DB) -> None:
    await db.insert(User(id=1, email="a", nick="x"))
    given = User(email="a", n=9)
    assert await db.insert(given, on_conflict="ignore", conflict_target="email") is given
    assert await db.insert(User(nick="x"), on_conflict="ignore") == User(nick="x")
    with pytest.raises(DuplicateError):
        await db.insert(User(email="b", nick="x"), on_conflict="ignore", conflict_target="email")
    # INSERT IGNORE would store a cut text and a wrong number, and leave out a broken check, all in silence.
    with pytest.raises(CheckError):
        await db.insert(User(email="c", n=-1), on_conflict="ignore")
    with pytest.raises(DataError):
        await db.insert(User(email="c" * 200), on_conflict="ignore")
    rows = [User(email=e) for e in ("a", "p", "q", "p")]
    stored = await db.insert_many(rows, on_conflict="ignore", conflict_target="email", returning=True)
    assert [user.email for user in stored] == ["p", "q"]
    assert await db.insert_many([*rows, User(email="r")], on_conflict="ignore") == 1
    assert await db.count(User) == 4


async def test_upserts_of_one_new_key_at_once_all_succeed(db: DB) -> None:
    async def upsert(number: int) -> User:
        row = User.patch(email=f"e{number % 3}", n=Inc(1, start=0))
        return await db.insert(row, on_conflict="upsert", conflict_target="email")

    await asyncio.gather(*(upsert(i) for i in range(60)))
    assert [(u.email, u.n) for u in await db.query(User, order="email")] == [
        ("e0", 20),
        ("e1", 20),
        ("e2", 20),
    ]


async def test_updates_of_one_row_at_once_each_give_their_own_result(db: DB) -> None:
    await db.insert(User(id=1))
    changed = await asyncio.gather(*(db.update(User.patch(id=1, n=Inc())) for _ in range(40)))
    assert sorted(user.n for user in changed if user) == list(range(1, 41))


# ── errors ───────────────────────────────────────────────────────────────────────────────────

ERRORS: list[tuple[str, type[RowsteadError], dict[str, str]]] = [
    ("INSERT INTO users (email) VALUES ('a'), ('a')", DuplicateError, {"constraint": "email"}),
    ("INSERT INTO users (n) VALUES (NULL)", NotNullError, {"column": "n"}),
    ("INSERT INTO pets (name) VALUES ('x')", NotNullError, {"column": "owner"}),
    ("INSERT INTO users (n) VALUES (-1)", CheckError, {"constraint": "users.n"}),
    ("INSERT INTO pets VALUES (9, 'x')", ForeignKeyError, {"constraint": "belongs", "column": "owner"}),
    ("DELETE FROM users WHERE id = 1", RestrictError, {"constraint": "belongs"}),
    ("SELECT * FROM nowhere", UndefinedTableError, {"table": "nowhere"}),
    ("SELECT nme FROM users", UndefinedColumnError, {"column": "nme"}),
    ("INSERT INTO users (nme) VALUES (1)", UndefinedColumnError, {"column": "nme"}),
    ("INSERT INTO users (n) VALUES ('many')", DataError, {"column": "n"}),
    ("INSERT INTO users (n) VALUES (99999999999)", DataError, {"column": "n"}),
    (f"INSERT INTO users (email) VALUES ('{'x' * 200}')", DataError, {"column": "email"}),
    ("SELEC 1", StatementError, {}),
    ("SELECT id FROM users WHERE id = (SELECT 1 UNION SELECT 2)", StatementError, {}),
]


@pytest.mark.parametrize(("statement", "kind", "told"), ERRORS, ids=[e[0][:40] for e in ERRORS])
async def test_what_the_server_refuses_has_its_class_and_names(
    db: DB, statement: str, kind: type[RowsteadError], told: dict[str, str]
) -> None:
    await db.execute(
        "CREATE TABLE pets (owner INTEGER NOT NULL, name VARCHAR(9),"
        " CONSTRAINT belongs FOREIGN KEY (owner) REFERENCES users (id))"
    )
    await db.execute("INSERT INTO users (id) VALUES (1)")
    await db.execute("INSERT INTO pets VALUES (1, 'a')")
    with pytest.raises(kind) as caught:
        await db.execute(statement)
    assert type(caught.value) is kind
    assert {name: getattr(caught.value, name) for name in told} == told
    assert caught.value.__cause__ is not None


# ── what is not there ────────────────────────────────────────────────────────────────────────


async def test_the_kit_says_that_it_keeps_nothing_here(mariadb_url: str) -> None:
    for opens in (
        lambda: AsyncDatabase.open(mariadb_url),
        lambda: AsyncDatabase.create(mariadb_url, {"tables": []}),
    ):
        with pytest.raises(UsageError, match="the kit keeps no databases on mariadb"):
            await opens()


async def test_regular_expressions_and_replicas_are_refused_by_name(db: DB, mariadb_url: str) -> None:
    with pytest.raises(ValidationError, match="mariadb has no regular expressions"):
        await db.query(User, where={"email": {"~": "a"}})
    with pytest.raises(ValidationError, match="replicas are PostgreSQL's"):
        await DB.from_url(mariadb_url, replicas=[mariadb_url])


async def test_a_column_of_no_one_type_gives_a_number_as_its_declared_type_does(db: DB) -> None:
    class Loose(Row):
        __table__ = "loose"
        id: int
        v: Any = None

    await db.execute("CREATE TABLE loose (id INTEGER PRIMARY KEY, v VARCHAR(50))")
    assert (await db.insert(Loose(id=1, v=7))).v == "7"
    assert (await db.insert(Loose(id=2, v={"a": 7}))).v == {"a": 7}


async def test_moments_come_back_as_their_column_keeps_them(db: DB) -> None:
    await db.execute(
        f"CREATE TABLE times (a {MARIA_WORDS['timestamptz']}, b {MARIA_WORDS['timestamp']}, c TIME(6))"
    )
    east = datetime.timezone(datetime.timedelta(hours=5))
    moment = datetime.datetime(2024, 1, 1, 3, 0, 0, 5, tzinfo=east)
    await db.execute("INSERT INTO times VALUES ($1, $1, $2)", moment, datetime.time(1, 2, 3, 4))
    (row,) = await db.fetch("SELECT * FROM times")
    assert row["a"] == moment
    assert row["a"].tzinfo is not None
    assert row["b"] == moment.astimezone(datetime.UTC).replace(tzinfo=None)
    assert await db.fetchval("SELECT count(*) FROM times WHERE a = $1", moment) == 1
