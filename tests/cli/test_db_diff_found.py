"""What `db diff` and `db generate` once lost in silence, or could not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from compared_places import Place, made, on_postgres, on_sqlite, without_settings

HEAD = """
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class T(Base):
    __tablename__ = "t"
"""
ID = "    id: Mapped[int] = mapped_column(primary_key=True)\n"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    without_settings(monkeypatch)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return made(request.param, tmp_path, request.getfixturevalue)


def generated(place: Place, columns: str) -> str:
    """What is generated for a table with these columns, and printed of it."""
    place.models("after", HEAD + columns)
    code, out, error = place.run("generate", "x", "--models", "after")
    assert code == 0, out + error
    return out + place.file().read_text()


def assert_alike(place: Place) -> None:
    assert place.run("diff", "--models", "after") == (0, "no differences\n", "")


@pytest.mark.parametrize(
    ("stored", "value", "model", "column"),
    [
        ("varchar(50)", "'abcdefghij'", "str", "sa.String(5)"),
        ("bigint", "12345", "str", "sa.String(3)"),
        ("text", "'abcdefghij'", "str", "sa.CHAR(5)"),
        ("varchar(50)[]", "'{abcdefghij}'", "list[str]", "sa.ARRAY(sa.String(5))"),
    ],
)
def test_a_value_that_does_not_fit_a_shorter_type_is_refused_and_not_cut(
    tmp_path: Path, postgres_url: str, stored: str, value: str, model: str, column: str
) -> None:
    place = on_postgres(tmp_path, postgres_url)
    place.execute(f"CREATE TABLE t (id serial PRIMARY KEY, v {stored} NOT NULL)")
    place.execute(f"INSERT INTO t (v) VALUES ({value})")
    before = place.execute("SELECT v FROM t")
    text = generated(place, f"{ID}    v: Mapped[{model}] = mapped_column({column})\n")
    code, _, error = place.run("up")
    assert (code, place.execute("SELECT v FROM t")) == (1, before), text
    assert "value too long" in error
    # Control: one that fits is converted.
    short = value.replace("abcdefghij", "abc").replace("12345", "123")
    place.execute(f"UPDATE t SET v = {short}")
    code, out, error = place.run("up")
    assert code == 0, out + error
    assert_alike(place)


@pytest.mark.parametrize("after", ["sa.Numeric(10, 2)", "sa.Integer"])
def test_numbers_that_are_rounded_are_told(place: Place, after: str) -> None:
    place.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n NUMERIC(10, 4) NOT NULL)")
    told = generated(place, f"{ID}    n: Mapped[int] = mapped_column({after})\n")
    assert "and are rounded" in told.partition("What the models")[0]


def test_generated_columns_are_compared_without_a_crash(place: Place) -> None:
    columns = f"{ID}    a: Mapped[int]\n    twice: Mapped[int | None] = mapped_column("
    columns += "sa.Computed('a * 2', persisted=True))\n"
    place.models("before", HEAD + columns)
    place.create("before")
    place.execute("INSERT INTO t (id, a) VALUES (1, 4)")
    assert place.run("diff", "--models", "before") == (0, "no differences\n", "")
    place.models("other", HEAD + columns.replace("a * 2", "a * 3"))
    code, out, error = place.run("diff", "--models", "other")
    assert (code, out) == (0, "no differences\n")
    assert error.startswith("note: t.twice is computed otherwise than in the models")


def test_an_identity_changes_its_type_and_its_options(tmp_path: Path, postgres_url: str) -> None:
    place = on_postgres(tmp_path, postgres_url)
    columns = "    id: Mapped[int] = mapped_column(sa.{}, sa.Identity({}), primary_key=True)\n"
    place.models("before", HEAD + columns.format("Integer", ""))
    place.create("before")
    assert place.run("diff", "--models", "before") == (0, "no differences\n", "")
    place.execute("INSERT INTO t DEFAULT VALUES")
    text = generated(place, columns.format("BigInteger", "always=True"))
    code, out, error = place.run("up")
    assert code == 0, out + error + text
    place.execute("INSERT INTO t DEFAULT VALUES")
    assert place.execute("SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    assert_alike(place)
    assert place.run("down")[0] == 0
    assert place.run("diff", "--models", "before") == (0, "no differences\n", "")


def test_an_identity_in_the_place_of_a_default_is_told(tmp_path: Path, postgres_url: str) -> None:
    place = on_postgres(tmp_path, postgres_url)
    place.execute("CREATE TABLE t (id integer PRIMARY KEY, n integer NOT NULL DEFAULT 7)")
    place.models("after", f"{HEAD}{ID}    n: Mapped[int] = mapped_column(sa.Identity())\n")
    code, out, error = place.run("diff", "--models", "after")
    assert (code, out) == (0, "no differences\n")
    assert "note: t.n is not compared" in error


def test_a_key_that_the_database_numbers_is_no_difference(tmp_path: Path, postgres_url: str) -> None:
    place = on_postgres(tmp_path, postgres_url)
    place.execute("CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
    place.models("after", HEAD + ID)
    assert_alike(place)
    # Control: a type that differs is one, and the numbering stays.
    text = generated(place, ID.replace("(", "(sa.BigInteger, "))
    assert "DEFAULT" not in text
    assert "IDENTITY" not in text
    assert place.run("up")[0] == 0
    assert_alike(place)
    place.execute("INSERT INTO t DEFAULT VALUES")
    assert place.execute("SELECT id FROM t") == [(1,)]


def test_a_rowids_alias_is_never_null_and_no_difference(tmp_path: Path) -> None:
    place = on_sqlite(tmp_path)
    place.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
    place.models("after", f"{HEAD}{ID}    a: Mapped[str | None] = mapped_column(sa.Text)\n")
    assert_alike(place)
    # Control: any other key of SQLite may be NULL.
    place.execute("DROP TABLE t; CREATE TABLE t (id INT PRIMARY KEY, a TEXT)")
    assert "column id may be NULL" in place.run("diff", "--models", "after")[1]


def test_what_a_table_loses_when_it_is_made_anew_is_told(tmp_path: Path) -> None:
    place = on_sqlite(tmp_path)
    place.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL COLLATE NOCASE,"
        " n INTEGER CHECK (n > 0), CHECK (n <> 3)) STRICT"
    )
    name = "    name: Mapped[str] = mapped_column(sa.String(5){})\n"
    checked = "    n: Mapped[int | None] = mapped_column(sa.Integer)\n"
    told = " ".join(generated(place, ID + name.format("") + checked).replace("\n--", "").split())
    for lost in ("AUTOINCREMENT", "name: COLLATE NOCASE", "CHECK (n > 0)", "CHECK (n <> 3)", "STRICT"):
        assert lost in told.partition("What the models")[0]
        assert lost in told.partition("+goose Up")[2].partition("CREATE TABLE")[0]
    # Control: what the models have too is not lost.
    place.file().unlink()
    both = (
        "    n: Mapped[int | None] = mapped_column(sa.Integer, sa.CheckConstraint('n > 0'))\n"
        "    __table_args__ = (sa.CheckConstraint('n<>3'),\n"
        "        {'sqlite_autoincrement': True, 'sqlite_strict': True})\n"
    )
    told = generated(
        place, ID + name.format('.with_variant(sa.String(5, collation="NOCASE"), "sqlite")') + both
    )
    assert "destructive" in told
    assert "without" not in told


@pytest.mark.parametrize("there", [True, False])
def test_indexes_on_expressions_are_written(place: Place, there: bool) -> None:
    if there:
        place.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, email VARCHAR NOT NULL)")
    columns = f"{ID}    email: Mapped[str]\n"
    index = "sa.Index('low', sa.func.lower(T.email), unique=True)\n"
    text = generated(place, f"{columns}\n{index}")
    assert "index low on lower(t.email) is missing" in text
    code, out, error = place.run("up")
    assert code == 0, out + error
    assert_alike(place)
    place.execute("INSERT INTO t (id, email) VALUES (1, 'a')")
    with pytest.raises(Exception, match=r"(?i)unique"):
        place.execute("INSERT INTO t (id, email) VALUES (2, 'A')")
    assert place.run("down")[0] == 0
    code, out, error = place.run("diff", "--models", "after")
    assert (code, error) == (1, "")
    assert "index low" in out


def test_an_index_in_descending_order_is_written_once(place: Place) -> None:
    place.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR NOT NULL)")
    text = generated(place, f"{ID}    a: Mapped[str]\n\nsa.Index('down', T.a.desc())\n")
    assert text.count("CREATE INDEX") == 1
    assert place.run("up")[0] == 0
    assert_alike(place)


def test_a_text_of_several_lines_is_one_statement_to_goose(place: Place) -> None:
    columns = f"{ID}    a: Mapped[str] = mapped_column(sa.String(40), server_default='x;\\n-- y;\\nz')\n"
    text = generated(place, columns)
    assert "-- +goose StatementBegin\nCREATE TABLE t" in text
    assert place.run("up")[0] == 0
    place.execute("INSERT INTO t (id) VALUES (1)")
    assert place.execute("SELECT a FROM t") == [("x;\n-- y;\nz",)]


def test_a_text_that_looks_like_an_annotation_is_refused_and_no_file_is_kept(place: Place) -> None:
    place.models(
        "after",
        f"{HEAD}{ID}    a: Mapped[str] = mapped_column(sa.String, server_default='x\\n-- +goose Down\\ny')\n",
    )
    code, out, error = place.run("generate", "x", "--models", "after")
    assert (code, out) == (2, "")
    assert "write this migration by hand" in error
    assert not list((place.folder / "migrations").glob("*"))


def test_a_schema_that_is_missing_is_made_first_and_dropped_last(tmp_path: Path, postgres_url: str) -> None:
    place = on_postgres(tmp_path, postgres_url)
    text = generated(place, f"    __table_args__ = {{'schema': 'app'}}\n{ID}")
    assert "schema app is missing" in text
    code, out, error = place.run("up")
    assert code == 0, out + error
    assert_alike(place)
    assert place.run("down")[0] == 0
    assert place.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'app'") == []


def test_a_schema_is_refused_where_there_are_none(tmp_path: Path) -> None:
    place = on_sqlite(tmp_path)
    place.models("after", f"{HEAD}    __table_args__ = {{'schema': 'app'}}\n{ID}")
    code, _, error = place.run("diff", "--models", "after")
    assert code == 2
    assert "app.t" in error
