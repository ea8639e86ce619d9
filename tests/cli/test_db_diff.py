"""`rowstead db diff` and `db generate`, run as a user runs them, on a file and on servers."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from compared_places import PLACES, Place, made, on_sqlite, without_settings

HEAD = """
import enum
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Kind(enum.Enum):
    A = 1
    B = 2
"""
BEFORE = (
    HEAD
    + """
class Author(Base):
    __tablename__ = "authors"
    __table_args__ = (sa.CheckConstraint("length(name) > 0", name="named"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), server_default="nobody")
    born: Mapped[int]
    kind: Mapped[Kind] = mapped_column(default=Kind.A)
    note: Mapped[str | None] = mapped_column(sa.String(20), index=True)

class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(sa.String(100))
    pages: Mapped[int | None]

class Gone(Base):
    __tablename__ = "gone"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(10), index=True)
"""
)
AFTER = (
    HEAD.replace("B = 2", "B = 2\n    C = 3")
    + """
class Author(Base):
    __tablename__ = "authors"
    __table_args__ = (
        sa.CheckConstraint("born > 0", name="is_born"),
        sa.UniqueConstraint("name", "born", name="uq_authors"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.String(80))
    born: Mapped[int]
    kind: Mapped[Kind] = mapped_column(default=Kind.A)
    note: Mapped[str] = mapped_column(sa.String(20), server_default="-")
    email: Mapped[str | None] = mapped_column(sa.String(50), unique=True)

class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(sa.String(100), index=True)
    pages: Mapped[int | None]
    isbn: Mapped[str | None] = mapped_column(sa.String(13))

class Shelf(Base):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("books.id"))
    label: Mapped[str] = mapped_column(sa.String(30), comment="It's; 50%")
"""
)
ROWS = """
INSERT INTO authors (id, name, born, kind, note) VALUES (1, 'Le Guin', 1929, 'A', NULL);
INSERT INTO books (id, author_id, title, pages) VALUES (1, 1, 'The Dispossessed', 341);
INSERT INTO gone (id, text) VALUES (1, 'x');
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    without_settings(monkeypatch)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    found = made(request.param, tmp_path, request.getfixturevalue)
    found.models("before", BEFORE)
    found.models("after", AFTER)
    return found


def test_what_was_made_from_models_differs_in_nothing(place: Place) -> None:
    place.create("before")
    assert place.run("diff", "--models", "before") == (0, "no differences\n", "")
    code, out, error = place.run("generate", "nothing", "--models", "before")
    assert (code, out, error) == (0, "no differences; no file is written\n", "")
    assert not (place.folder / "migrations").exists()


def test_each_difference_is_a_line_and_the_code_is_1(place: Place) -> None:
    place.create("before")
    code, out, error = place.run("diff", "--models", "after")
    assert (code, error) == (1, "")
    lines = out.splitlines()
    assert "shelves: table shelves is missing (id, book_id, label)" in lines
    assert "gone: table gone is in no model" in lines
    assert "books: column isbn VARCHAR(13) is missing" in lines
    assert "authors: check named is in no model" in lines
    assert "books: index ix_books_title on title is missing" in lines
    code, out, _ = place.run("diff", "--models", "after", "--json")
    told = json.loads(out)
    assert code == 1
    assert len(told["differences"]) == len(lines)
    assert {"kind": "drop_table", "table": "gone", "columns": [], "text": "table gone is in no model",
            "destructive": "the rows of gone are lost"} in told["differences"]  # fmt: skip


def test_a_generated_file_brings_the_models_forth_and_back_and_keeps_the_rows(place: Place) -> None:
    place.create("before")
    place.execute(ROWS)
    place.execute("UPDATE authors SET note = 'first'")
    code, out, error = place.run("generate", "AfterAll", "--models", "after")
    assert (code, error) == (0, "")
    file = place.file()
    assert out.startswith(f"created migrations/{file.name}\n")
    text = file.read_text()
    assert "-- destructive: the rows of gone are lost\n" in text
    assert max(map(len, re.findall(r"^--.*$", text, re.MULTILINE))) <= 110
    assert place.run("up")[0] == 0
    assert place.run("diff", "--models", "after") == (0, "no differences\n", "")
    assert place.execute("SELECT id, name, note, email FROM authors") == [(1, "Le Guin", "first", None)]
    assert place.execute("SELECT id, author_id, title, isbn FROM books") == [(1, 1, "The Dispossessed", None)]
    assert place.run("down")[0] == 0
    assert place.run("diff", "--models", "before") == (0, "no differences\n", "")
    assert place.execute("SELECT id, name, born, note FROM authors") == [(1, "Le Guin", 1929, "first")]
    assert len(place.execute("SELECT * FROM books")) == 1
    assert place.execute("SELECT * FROM gone") == []
    # Forth again, and both at once.
    assert place.run("up")[0] == 0
    assert place.run("redo")[0] == 0
    assert len(place.execute("SELECT * FROM books")) == 1
    assert place.run("diff", "--models", "after")[0] == 0


def test_an_empty_database_gets_everything_from_one_file_and_is_empty_again(place: Place) -> None:
    assert place.run("generate", "first", "--models", "after")[0] == 0
    assert place.run("up")[0] == 0
    assert place.run("diff", "--models", "after")[0] == 0
    place.run("down")
    code, out, _ = place.run("diff", "--models", "after", "--json")
    kinds = [
        d["kind"] for d in json.loads(out)["differences"] if d["kind"] not in ("create_enum", "create_index")
    ]
    assert (code, kinds) == (1, ["create_table"] * 3)


RENAMED = BEFORE.replace("pages:", "page_count:")
NEW = """
class New(Base):
    __tablename__ = "new"
    id: Mapped[int] = mapped_column(primary_key=True)
"""


def test_a_possible_rename_is_reported_and_written_as_neither(place: Place) -> None:
    place.create("before")
    place.execute(ROWS)
    place.models("renamed", RENAMED)
    code, out, _ = place.run("diff", "--models", "renamed")
    said = (
        "books.pages may have been renamed to page_count: "
        "say --rename books.pages:page_count, or --drop books.pages"
    )
    assert code == 1
    assert f"possible rename: {said}" in out.splitlines()
    code, out, error = place.run("generate", "rename", "--models", "renamed")
    assert (code, out) == (1, "nothing is written yet\n")
    assert said in error
    assert not (place.folder / "migrations").exists()


@pytest.mark.parametrize("said", ["books.pages:page_count", "pages:page_count"])
def test_a_rename_that_is_said_keeps_the_values(place: Place, said: str) -> None:
    place.create("before")
    place.execute(ROWS)
    place.models("renamed", RENAMED)
    assert place.run("generate", "rename", "--models", "renamed", "--rename", said)[0] == 0
    assert "destructive" not in place.file().read_text()
    assert place.run("up")[0] == 0
    assert place.run("diff", "--models", "renamed")[0] == 0
    assert place.execute("SELECT page_count FROM books") == [(341,)]
    assert place.run("down")[0] == 0
    assert place.execute("SELECT pages FROM books") == [(341,)]


def test_a_drop_that_is_said_drops(place: Place) -> None:
    place.create("before")
    place.models("renamed", RENAMED)
    assert place.run("generate", "drop", "--models", "renamed", "--drop", "books.pages")[0] == 0
    assert "-- destructive: the values of books.pages are lost" in place.file().read_text()
    assert place.run("up")[0] == 0
    assert place.run("diff", "--models", "renamed")[0] == 0


def test_what_does_not_wait_is_written_beside_a_possible_rename(place: Place) -> None:
    place.create("before")
    place.models("renamed", RENAMED + NEW)
    code, out, error = place.run("generate", "some", "--models", "renamed")
    assert code == 1
    assert "new: table new is missing" in out
    assert "not written: books: column page_count INTEGER is missing" in error
    text = place.file().read_text()
    assert "-- Not in here: books.pages may have been renamed to page_count" in text
    assert "ALTER TABLE books" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rename", "books.pagse:count"), "is called books.pagse; did you mean 'books.pages'?"),
        (("--rename", "books.pages:count"), "is called books.count; did you mean 'books.page_count'?"),
        (("--rename", "books.pages"), "says no new name; write it as TABLE.old:new"),
        (("--drop", "title"), "no column that the models lack is called title"),
    ],
)  # fmt: skip
def test_a_wrong_decision_is_told_and_nothing_is_written(
    place: Place, options: tuple[str, str], message: str
) -> None:
    place.create("before")
    place.models("renamed", RENAMED)
    code, out, error = place.run("generate", "x", "--models", "renamed", *options)
    assert (code, out) == (2, "")
    assert message in error
    assert not (place.folder / "migrations").exists()


def test_the_tables_of_migration_tools_are_no_difference(place: Place) -> None:
    place.run("generate", "first", "--models", "before")
    place.run("up")
    tables = {"goose_db_version", "_rowstead_migrations"}
    for name in tables:
        assert place.execute(f"SELECT count(*) FROM {name}")[0][0] != 0
    place.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    assert place.run("diff", "--models", "before") == (0, "no differences\n", "")


def test_diff_writes_nothing_and_makes_no_file(tmp_path: Path) -> None:
    place = on_sqlite(tmp_path)
    place.models("before", BEFORE)
    code, out, _ = place.run("diff", "--models", "before")
    assert (code, "authors: table authors is missing" in out) == (1, True)
    assert not (tmp_path / "app.db").exists()
    place.create("before")
    before = (tmp_path / "app.db").read_bytes()
    assert place.run("diff", "--models", "before")[0] == 0
    assert (tmp_path / "app.db").read_bytes() == before


def test_no_models_and_no_server_have_their_codes(tmp_path: Path) -> None:
    place = on_sqlite(tmp_path)
    assert place.run("diff")[0] == 2
    assert place.run("diff", "--models", "nowhere")[0] == 2
    place.models("before", BEFORE)
    place.url = "postgresql+asyncpg://me:planted-secret@127.0.0.1:1/db"
    code, out, error = place.run("diff", "--models", "before")
    assert (code, "planted-secret" in out + error) == (3, False)
    place.url = "mssql+aioodbc://me:planted-secret@127.0.0.1:1/db"
    code, out, error = place.run("diff", "--models", "before")
    assert (code, "planted-secret" in out + error) == (2, False)
    assert "Alembic" in error


PARENTS = """
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Parent(Base):
    __tablename__ = "parents"
    __table_args__ = {{"sqlite_autoincrement": True}}
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("parents.id", ondelete="CASCADE"))
    name: Mapped[{kind}]

class Child(Base):
    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(sa.ForeignKey("parents.id", ondelete="CASCADE"))
"""


@pytest.fixture
def family(tmp_path: Path) -> Place:
    """A file whose parents have to be made anew, and a migration for it that is not applied."""
    place = on_sqlite(tmp_path)
    place.models("before", PARENTS.format(kind="str | None"))
    place.models("after", PARENTS.format(kind="int"))
    place.create("before")
    place.execute(
        "INSERT INTO parents (id, parent_id, name) VALUES (1, NULL, 'a'), (2, 1, 'b'), (9, 1, 'c');"
        "DELETE FROM parents WHERE id = 9; INSERT INTO children (id, parent_id) VALUES (1, 1), (2, 2);"
        "CREATE TABLE log (text TEXT);"
        "CREATE TRIGGER noted AFTER UPDATE ON parents BEGIN INSERT INTO log VALUES ('x;y'); END;"
        "CREATE VIEW names AS SELECT name FROM parents;"
    )
    assert place.run("generate", "anew", "--models", "after", "--drop", "x")[0] == 2
    place.models(
        "after",
        PARENTS.format(kind="int") + "\nlog = sa.Table('log', Base.metadata, sa.Column('text', sa.Text))\n",
    )
    assert place.run("generate", "anew", "--models", "after")[0] == 0
    return place


def test_a_parent_that_is_made_anew_keeps_its_children_its_trigger_and_its_counter(family: Place) -> None:
    for command in ("up", "down", "up"):
        code, out, error = family.run(command)
        assert code == 0, out + error
        assert family.execute("SELECT id, parent_id FROM children ORDER BY id") == [(1, 1), (2, 2)]
        assert family.execute("SELECT id, parent_id FROM parents ORDER BY id") == [(1, None), (2, 1)]
        assert family.execute("SELECT count(*) FROM names") == [(2,)]
    assert family.run("diff", "--models", "after")[0] == 0
    family.execute("INSERT INTO parents (name) VALUES (1); UPDATE parents SET name = 2;")
    assert family.execute("SELECT max(id) FROM parents") == [(10,)]
    assert family.execute("SELECT DISTINCT text FROM log") == [("x;y",)]
    with pytest.raises(sqlite3.IntegrityError):
        family.execute("PRAGMA foreign_keys = ON; INSERT INTO parents (parent_id, name) VALUES (77, 1)")


def test_the_file_refuses_to_be_applied_by_a_tool_with_foreign_keys_on(family: Place) -> None:
    """Another tool runs the file in a transaction, where foreign keys cannot be switched."""
    text = family.file().read_text().partition("-- +goose Down")[0]
    with closing(sqlite3.connect(family.folder / "app.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN")
        with pytest.raises(sqlite3.IntegrityError, match="foreign_keys_must_be_off"):
            for statement in statements(text):
                connection.execute(statement)
        connection.execute("ROLLBACK")
        # The control: without its guard it deletes the children of the parents that it makes anew.
        connection.execute("PRAGMA legacy_alter_table = OFF")
        connection.execute("BEGIN")
        for statement in statements(text):
            if "_rowstead_guard" not in statement:
                connection.execute(statement)
        assert connection.execute("SELECT count(*) FROM children").fetchone() == (0,)
        connection.execute("ROLLBACK")
    assert family.execute("SELECT count(*) FROM children") == [(2,)]


def test_rows_that_refer_to_none_are_refused_at_the_end_and_nothing_is_kept(family: Place) -> None:
    family.execute("PRAGMA foreign_keys = OFF; INSERT INTO children (id, parent_id) VALUES (3, 77)")
    code, _, error = family.run("up")
    assert (code, "no_row_refers_to_none" in error) == (1, True)
    assert family.run("diff", "--models", "after")[0] == 1
    assert family.execute("SELECT count(*) FROM children") == [(3,)]


def statements(text: str) -> list[str]:
    from rowstead.migrations.split import SQLITE_SYNTAX, split

    return [statement.text for statement in split(text, SQLITE_SYNTAX)]
