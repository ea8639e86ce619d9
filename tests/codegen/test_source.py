"""Generated schema files: what stands in them, that they can be imported, and that they stay the same."""

from __future__ import annotations

import enum
import importlib.util
import json
import os
import subprocess
import sys
import uuid
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pydantic
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    attribute_keyed_dict,
    column_property,
    mapped_column,
    relationship,
)

from codegen import library
from codegen.library import Author, Book, Genre
from rowstead.codegen import generate_pydantic_code, generate_schemas_from_module_code
from rowstead.errors import ValidationError

TESTS = Path(__file__).parents[1]
LIBRARY = library.__name__


def loaded(text: str, folder: Path, name: str = "generated_schemas") -> ModuleType:
    """The text as a module, imported from a file."""
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


@pytest.fixture(scope="module")
def text() -> str:
    return generate_schemas_from_module_code(LIBRARY, create=True, update=True)


@pytest.fixture(scope="module")
def schemas(text: str, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return loaded(text, tmp_path_factory.mktemp("generated"))


def an_author() -> Author:
    author = Author(name="Le Guin")
    book = Book(title="The Dispossessed", author_id=author.id, genre=Genre.NOVEL)
    book.id, book.created_at = 1, __import__("datetime").datetime(2026, 1, 1)
    author.books.append(book)
    return author


def test_repository_p11_schemas_with_relationships_are_imported_and_read_objects(schemas: ModuleType) -> None:
    read = schemas.AuthorSchema.model_validate(an_author())
    assert [type(book).__name__ for book in read.books] == ["BookSchema"]
    assert read.books[0].genre is Genre.NOVEL
    # The way back to the author that is being read is left out, or it would never end.
    assert read.books[0].author is None
    assert schemas.BookSchema.model_fields["author"].annotation == (schemas.AuthorSchema | None)


def test_repository_p11_a_relationship_is_read_from_the_other_side_too(schemas: ModuleType) -> None:
    book = schemas.BookSchema.model_validate(an_author().books[0])
    assert book.author.name == "Le Guin"
    assert book.author.books == []


def test_relationships_that_are_not_loaded_are_none_and_ask_nothing(schemas: ModuleType) -> None:
    engine = sa.create_engine("sqlite://")
    library.Base.metadata.create_all(engine)
    asked: list[str] = []
    with Session(engine) as session:
        session.add(an_author())
        session.commit()
        found = session.scalars(sa.select(Author)).one()
        sa.event.listen(engine, "before_cursor_execute", lambda c, cu, statement, *_: asked.append(statement))
        read = schemas.AuthorSchema.model_validate(found)
        assert (read.name, read.books, asked) == ("Le Guin", None, [])
        # The control: the object itself asks.
        assert len(found.books) == 1
        assert len(asked) == 1
    engine.dispose()


def test_fields_say_what_the_columns_say(schemas: ModuleType) -> None:
    fields = schemas.BookSchema.model_fields
    assert list(fields) == [
        "author", "id", "title", "author_id", "genre", "price", "number", "ratio", "binding", "state",
        "details", "anything", "tags", "created_at",
    ]  # fmt: skip
    required = [name for name, field in fields.items() if field.is_required()]
    assert required == ["id", "title", "author_id", "created_at"]
    assert fields["price"].default == Decimal("9.90")
    assert fields["number"].default_factory is library.next_number
    assert fields["details"].annotation == dict[str, Any]
    assert fields["title"].description is not None
    assert "a column" in fields["title"].description
    assert schemas.BookSchema.__doc__ == "Pydantic schema for Book."
    assert "back\\slash" in (schemas.AuthorSchema.__doc__ or "")
    assert schemas.BookSchema.model_config["from_attributes"] is True
    with pytest.raises(pydantic.ValidationError, match="at most 40 characters"):
        schemas.AuthorSchema(name="x" * 41)
    with pytest.raises(pydantic.ValidationError, match="decimal_max_places"):
        schemas.BookCreateSchema(title="x", author_id=uuid.uuid4(), price=Decimal("1.234"))
    with pytest.raises(pydantic.ValidationError, match="literal_error"):
        schemas.BookCreateSchema(title="x", author_id=uuid.uuid4(), binding="wool")


def test_a_field_named_like_its_type_or_like_pydantics_own_keeps_both(schemas: ModuleType) -> None:
    author = schemas.AuthorSchema.model_validate(an_author())
    assert author.date is None
    assert author.schema_ == "x"
    assert schemas.AuthorSchema(name="x", schema="y").schema_ == "y"


def test_create_asks_for_what_the_constructor_does(schemas: ModuleType) -> None:
    fields = schemas.BookCreateSchema.model_fields
    assert "id" not in fields
    assert "created_at" not in fields
    assert [name for name, field in fields.items() if field.is_required()] == ["title", "author_id"]
    given = schemas.BookCreateSchema(title="t", author_id=uuid.uuid4())
    assert Book(**given.model_dump(exclude_unset=True)).title == "t"


def test_update_takes_anything_alone_and_refuses_null_where_the_column_does(schemas: ModuleType) -> None:
    fields = schemas.AuthorUpdateSchema.model_fields
    assert list(fields) == ["name", "date", "schema_"]
    assert not any(field.is_required() for field in fields.values())
    assert schemas.AuthorUpdateSchema(date=None).model_dump(exclude_unset=True) == {"date": None}
    with pytest.raises(pydantic.ValidationError, match="may not be null; leave it out"):
        schemas.AuthorUpdateSchema(name=None)


def test_the_file_is_laid_out_as_a_formatter_would(text: str, tmp_path: Path) -> None:
    (tmp_path / "schemas.py").write_text(text)
    command = ["ruff", "format", "--isolated", "--line-length", "110", "--check", "schemas.py"]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, text.splitlines())) <= 110


def test_the_file_has_no_fault_for_a_strict_type_checker(text: str, tmp_path: Path) -> None:
    (tmp_path / "schemas.py").write_text(text)
    wrong = (
        'import schemas\nschemas.AuthorSchema(name="x").books.append(1)\nschemas.BookCreateSchema(title=1)\n'
    )
    (tmp_path / "wrong.py").write_text(wrong)
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(TESTS)], "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))

    def check(file: str) -> dict[str, Any]:
        command = ["pyright", "--pythonpath", sys.executable, "--outputjson", "-p", "."]
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        found = json.loads(done.stdout)["generalDiagnostics"]
        return [one for one in found if Path(one["file"]).name == file]

    assert check("schemas.py") == []
    # The control: the types are there, and a wrong use is a fault.
    assert {one["rule"] for one in check("wrong.py")} >= {"reportOptionalMemberAccess", "reportCallIssue"}


def test_the_file_is_the_same_whatever_the_hash_seed(text: str) -> None:
    program = (
        "from rowstead.codegen import generate_schemas_from_module_code as g;"
        f"print(g({LIBRARY!r}, create=True, update=True), end='')"
    )
    for seed in ("1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(TESTS)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == text


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelves"

    id: Mapped[int] = mapped_column(primary_key=True)
    _secret: Mapped[str] = mapped_column("secret")
    list: Mapped[str]
    model_fields: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(server_default="new")
    blob: Mapped[bytes] = mapped_column(sa.LargeBinary(8), default=lambda: b"")
    total = column_property(sa.literal(1) + 1)
    version: Mapped[int] = mapped_column()
    boxes: Mapped[dict[str, Box]] = relationship(collection_class=attribute_keyed_dict("label"))
    later: sa.orm.WriteOnlyMapped[Box] = relationship(viewonly=True)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Box(Base):
    __tablename__ = "boxes"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(sa.ForeignKey("shelves.id"))
    label: Mapped[str]
    untyped = mapped_column(sa.Uuid, default=uuid.uuid4)
    json = mapped_column(sa.JSON, default={"a": 1})
    area: Mapped[int] = mapped_column(sa.Computed("1 + 1"))


def test_awkward_names_and_kinds_of_columns_are_kept(tmp_path: Path) -> None:
    text = generate_pydantic_code([Shelf, Box], create=True, update=True)
    schemas = loaded(text, tmp_path)
    shelf = Shelf(id=1, _secret="s", list="l", model_fields=2, state="new", blob=b"1", version=1)
    shelf.boxes = {"a": Box(id=2, shelf_id=1, label="a", untyped=uuid.UUID(int=1), json=[1], area=2)}
    read = schemas.ShelfSchema.model_validate(shelf)
    assert (read.secret, read.list, read.model_fields_, read.total) == ("s", "l", 2, None)
    assert read.boxes["a"].json_ == [1]
    assert read.boxes["a"].untyped == uuid.UUID(int=1)
    # What the mapper, the database or the computation gives is no caller's.
    assert list(schemas.ShelfCreateSchema.model_fields) == [
        "secret",
        "list",
        "model_fields_",
        "state",
        "blob",
    ]
    assert list(schemas.BoxUpdateSchema.model_fields) == ["shelf_id", "untyped", "json_", "label"]
    required = [n for n, f in schemas.ShelfCreateSchema.model_fields.items() if f.is_required()]
    assert required == ["secret", "list"]


def test_a_relationship_to_a_class_without_schema_is_left_out_and_said(tmp_path: Path) -> None:
    text = generate_pydantic_code(Box)
    assert "    # boxes: there is no schema of Box in this file" in generate_pydantic_code(Shelf)
    assert "boxes" not in loaded(generate_pydantic_code(Shelf), tmp_path).ShelfSchema.model_fields
    assert "validate_loaded" not in text


def test_a_type_without_a_place_to_import_it_from_is_any(tmp_path: Path) -> None:
    class Local(enum.Enum):
        A = 1

    class Inner(Base):
        __tablename__ = "inner"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind = mapped_column(sa.Enum(Local), nullable=False)

    text = generate_pydantic_code(Inner)
    assert "    kind: Any\n" in text
    read = loaded(text, tmp_path).InnerSchema.model_validate(Inner(id=1, kind=Local.A))
    assert read.kind is Local.A


def test_what_is_not_mapped_and_two_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="is not a mapped class"):
        generate_pydantic_code(Genre)

    class Other(DeclarativeBase):
        pass

    class Box(Other):
        __tablename__ = "boxes"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(ValidationError, match="two models are called Box"):
        generate_pydantic_code([Box, globals()["Box"]])
