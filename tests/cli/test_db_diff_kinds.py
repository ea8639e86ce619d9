"""Kinds of differences that `db diff` and `db generate` must not lose, on a file and on servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compared_places import PLACES, Place, made, on_mariadb, on_postgres, on_sqlite, without_settings

HEAD = """
import enum
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

sa.Table("kept", Base.metadata, sa.Column("id", sa.Integer, primary_key=True))
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    without_settings(monkeypatch)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return made(request.param, tmp_path, request.getfixturevalue)


def forth_and_back(place: Place, before: str, after: str, rows: str = "") -> str:
    """From one module of models to another and back, each time without a difference; the file's text."""
    place.models("before", HEAD + before)
    place.models("after", HEAD + after)
    place.create("before")
    if rows:
        place.execute(rows)
    code, out, error = place.run("generate", "change", "--models", "after")
    assert code == 0, out + error
    for command, models in (("up", "after"), ("down", "before"), ("up", "after")):
        code, out, error = place.run(command)
        assert code == 0, f"{out}{error}\n{place.file().read_text()}"
        assert "".join(map(str, place.run("diff", "--models", models))) == "0no differences\n", command
    return place.file().read_text()


def test_tables_that_refer_to_each_other_in_a_circle(place: Place) -> None:
    circle = """
class Hen(Base):
    __tablename__ = "hens"
    id: Mapped[int] = mapped_column(primary_key=True)
    egg_id: Mapped[int | None] = mapped_column(sa.ForeignKey("eggs.id", use_alter=True, name="fk_hen_egg"))

class Egg(Base):
    __tablename__ = "eggs"
    id: Mapped[int] = mapped_column(primary_key=True)
    hen_id: Mapped[int | None] = mapped_column(sa.ForeignKey("hens.id"))
"""
    forth_and_back(place, "", circle)


def test_a_type_changes_with_its_default(place: Place) -> None:
    models = """
class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[{}] = mapped_column(sa.{}, server_default="{}")
"""
    forth_and_back(
        place,
        models.format("str", "String(20)", "17"),
        models.format("int", "Integer", "18"),
        "INSERT INTO things (id, size) VALUES (1, '12')",
    )
    place.execute("INSERT INTO things (id) VALUES (2)")
    assert place.execute("SELECT id, size FROM things ORDER BY id") == [(1, 12), (2, 18)]


def test_texts_with_every_kind_of_character_survive(place: Place) -> None:
    text = 'it\'s; 50% -- of \\t tabs \\n and :names, {braces} \\\\ and \\"quotes\\" /* */'
    models = f"""
class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(200), server_default="{text}", comment="{text}")
"""
    forth_and_back(place, "", models)
    place.execute("INSERT INTO notes (id) VALUES (1)")
    stored = place.execute("SELECT text FROM notes")[0][0]
    assert stored == text.encode().decode("unicode_escape")


def test_names_that_have_to_be_quoted(place: Place) -> None:
    models = """
class Odd(Base):
    __tablename__ = "Odd Table"
    id: Mapped[int] = mapped_column(primary_key=True)
    order: Mapped[str{null}] = mapped_column(sa.String(20){index})
"""
    forth_and_back(
        place, models.format(null=" | None", index=""), models.format(null="", index=", index=True")
    )


def test_a_database_with_the_repositorys_own_types_differs_in_nothing(place: Place) -> None:
    place.models(
        "full",
        """
import datetime as dt, decimal, enum, uuid
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column
from rowstead.repository import Base as Every, IntPKMixin, SoftDeleteMixin, UpdateMixin, UUIDPKMixin

class Base(Every):
    __abstract__ = True
    metadata = sa.MetaData()

class Color(enum.Enum):
    RED = "red"

class User(Base, UUIDPKMixin, UpdateMixin, SoftDeleteMixin):
    __tablename__ = "users"
    name: Mapped[str] = mapped_column(sa.String(40))
    born: Mapped[dt.date]
    at: Mapped[dt.time]
    took: Mapped[dt.timedelta]
    money: Mapped[decimal.Decimal]
    data: Mapped[dict[str, int]]
    blob: Mapped[bytes]
    color: Mapped[Color]
    flag: Mapped[bool] = mapped_column(default=True)
    score: Mapped[float] = mapped_column(default=0.0)

class Post(Base, IntPKMixin):
    __tablename__ = "posts"
    user_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("users.id"))
""",
    )
    # In processes of their own: the repository's Base knows all models of the one that this is.
    assert place.alone("init", "--models", "full")[0] == 0
    assert place.alone("diff", "--models", "full") == (0, "no differences\n")


def test_an_enumerated_type_changes_its_values_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    models = """
class Kind(enum.Enum):
    {}

class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(server_default="B")
"""
    place = on_postgres(tmp_path, postgres_url)
    rows = "INSERT INTO things (id) VALUES (1)"
    text = forth_and_back(
        place, models.format("A = 1; B = 2; X = 3"), models.format("Z = 0; B = 2; C = 4"), rows
    )
    assert "fails where a column holds A, X" in text
    assert place.execute("SELECT kind FROM things") == [("B",)]


def test_schemas_of_postgresql_are_compared_where_models_name_them(tmp_path: Path, postgres_url: str) -> None:
    place = on_postgres(tmp_path, postgres_url)
    place.execute("CREATE SCHEMA shop; CREATE SCHEMA other; CREATE TABLE other.left_alone (id int)")
    models = """
class Item(Base):
    __tablename__ = "items"
    __table_args__ = {{"schema": "shop"}}
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str{}]
"""
    text = forth_and_back(place, models.format(" | None"), models.format(""))
    assert "ALTER TABLE shop.items ALTER COLUMN name SET NOT NULL;" in text
    assert "left_alone" not in text


def test_going_back_a_file_has_the_very_texts_that_it_had(tmp_path: Path) -> None:
    """What SQLAlchemy cannot read of a file: partial and expression indexes, WITHOUT ROWID, collations."""
    place = on_sqlite(tmp_path)
    place.models(
        "after",
        HEAD
        + """
class Thing(Base):
    __tablename__ = "things"
    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[int]
""",
    )
    place.execute(
        "CREATE TABLE things (code TEXT COLLATE NOCASE PRIMARY KEY, name TEXT DEFAULT (lower('X')))"
        " WITHOUT ROWID;"
        "CREATE INDEX part ON things (name) WHERE name > 'a'; CREATE INDEX low ON things (lower(name));"
        "INSERT INTO things VALUES ('a', '1');"
    )
    texts = (
        "SELECT name, replace(replace(sql, '\"', ''), '  ', ' ') FROM sqlite_master"
        " WHERE tbl_name = 'things' ORDER BY 1"
    )
    before = place.execute(texts)
    code, out, error = place.run("generate", "x", "--models", "after")
    assert code == 0, out + error
    assert place.run("up")[0] == 0
    assert place.execute(texts) != before
    assert place.run("down")[0] == 0
    assert place.execute(texts) == before
    assert place.execute("SELECT * FROM things") == [("a", "1")]


def test_a_generated_file_is_the_same_whatever_the_hash_seed(tmp_path: Path) -> None:
    place = on_sqlite(tmp_path)
    columns = "".join(f"    c{n}: Mapped[int | None] = mapped_column(index=True)\n" for n in range(8))
    for name, text in (("before", columns), ("after", columns.replace("int", "str"))):
        table = '\nclass T(Base):\n    __tablename__ = "t"\n    id: Mapped[int] = mapped_column('
        table += "primary_key=True)\n"
        place.models(name, HEAD + table + text)
    place.create("before")
    texts: set[str] = set()
    for seed in ("1", "2", "3"):
        subprocess.run(
            [sys.executable, "-m", "rowstead", "db", "generate", "x", "--models", "after", "--dir", seed,
             "--url", place.url],
            cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True,
        )  # fmt: skip
        texts.add(next((tmp_path / seed).iterdir()).read_text())
    assert len(texts) == 1


def test_the_models_of_the_configuration_are_taken_without_the_option(tmp_path: Path) -> None:
    place = on_sqlite(tmp_path)
    place.models("some", HEAD + '\nt = sa.Table("t", Base.metadata, sa.Column("id", sa.Integer))\n')
    (tmp_path / "config.yaml").write_text(f"database:\n  dsn: {place.url}\n  models: [some]\n")
    code, out, _ = place.run("diff", "--json", "-c", "config.yaml")
    assert (code, [d["table"] for d in json.loads(out)["differences"]]) == (1, ["kept", "t"])


def test_repository_p01_no_command_shows_the_password(
    tmp_path: Path, postgres_url: str, mariadb_url: str
) -> None:
    for make, url in ((on_postgres, postgres_url), (on_mariadb, mariadb_url)):
        place = make(tmp_path, url)
        secret = place.url.partition("@")[0].rpartition(":")[2]
        assert len(secret) > 10
        place.models("some", HEAD + '\nt = sa.Table("t", Base.metadata, sa.Column("id", sa.Integer))\n')
        shown = [place.run("diff", "--models", "some"), place.run("generate", "x", "--models", "some")]
        shown += [
            place.run("lint"),
            place.run("lint", "--json"),
            place.run("diff", "--json", "--models", "no"),
        ]
        # A wrong password, and a server that is not there.
        place.url = url.replace(secret, f"{secret}x")
        shown.append(place.run("diff", "--models", "some"))
        place.url = url.replace(url.rpartition(":")[2].partition("/")[0], "1")
        shown.append(place.run("diff", "--models", "some"))
        assert [code for code, _, _ in shown] == [1, 0, shown[2][0], shown[3][0], 2, 3, 3]
        assert not any(secret in out + error for _, out, error in shown)
        assert not any(secret in file.read_text() for file in tmp_path.rglob("*.sql"))
