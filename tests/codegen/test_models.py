"""Finding the models of a module, and what is said where that does not work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowstead.codegen import find_models, generate_schemas_from_module_code
from rowstead.errors import ValidationError

PEOPLE = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

print("people are imported")

class Base(DeclarativeBase):
    pass

class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
PETS = """
from sqlalchemy import ForeignKey, MetaData, Table, Column, Integer
from sqlalchemy.orm import Mapped, mapped_column, relationship
from {package}.people import Base, Person

class Pet(Base):
    __tablename__ = "pets"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    owner: Mapped[Person] = relationship()

other = Table("other", MetaData(), Column("id", Integer))
"""


@pytest.fixture
def package(tmp_path: Path) -> Iterator[str]:
    """A package `zoo_…` of two modules, gone from the imported modules afterwards."""
    name = f"zoo_{tmp_path.name}".replace("-", "_")
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "people.py").write_text(PEOPLE)
    (folder / "pets.py").write_text(PETS.format(package=name))
    yield name
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[module]


def test_own_and_imported_classes_and_every_metadata_are_found(
    package: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(sys.path)
    found = find_models(f"{package}.pets", tmp_path)
    assert [cls.__name__ for cls in found.classes] == ["Pet"]
    assert [cls.__name__ for cls in found.imported] == ["Person"]
    assert [table.name for table in found.tables] == ["people", "pets", "other"]
    assert sys.path == before
    # Nothing of a module's own output may stand among a command's results.
    assert capsys.readouterr() == ("", "people are imported\n")


def test_only_the_modules_own_models_get_schemas_unless_told(package: str, tmp_path: Path) -> None:
    own = generate_schemas_from_module_code(f"{package}.pets", folder=tmp_path)
    assert "class PersonSchema" not in own
    assert "# owner: there is no schema of Person in this file" in own
    every = generate_schemas_from_module_code(f"{package}.pets", include_imported=True, folder=tmp_path)
    assert "    owner: PersonSchema | None = None" in every
    assert ".pets --include-imported;" in " ".join(every.partition("\n\n")[0].split("\n# "))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("{0}.petz", "there is no module {0}.petz; did you mean 'pets'?"),
        ("{0}/pets.py", "'{0}/pets.py' is not the name of a module; did you mean '{0}.pets'?"),
        ("{0}", "module {0} defines no SQLAlchemy model; name one of its modules (people, pets)"),
        ("nowhere_at_all.models", "there is no module nowhere_at_all.models (there is no nowhere_at_all)"),
        ("json", "module json defines no SQLAlchemy model; name one of its modules"),
        ("a b", "'a b' is not the name of a module; give it with dots"),
    ],
)
def test_a_wrong_name_is_told_with_what_to_give(
    package: str, tmp_path: Path, module: str, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        find_models(module.format(package), tmp_path)
    assert message.format(package) in str(caught.value)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import not_there_at_all", "cannot be imported: No module named 'not_there_at_all'"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("def (", "cannot be imported: SyntaxError"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
        (
            "from sqlalchemy.orm import *\nclass B(DeclarativeBase): pass\nclass X(B):\n"
            "    __tablename__='x'\n    id: Mapped[int] = mapped_column(primary_key=True)\n"
            "    y = relationship('Nothing')",
            "do not fit together: ",
        ),
    ],
)
def test_a_module_that_fails_is_told_with_its_reason(tmp_path: Path, code: str, message: str) -> None:
    name = f"failing_{abs(hash(code))}_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(code)
    with pytest.raises(ValidationError) as caught:
        find_models(name, tmp_path)
    assert message in str(caught.value)
    sys.modules.pop(name, None)


def test_a_module_that_only_imports_models_has_none_of_its_own(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "all.py").write_text(f"from {package}.pets import Pet, Person\n")
    with pytest.raises(ValidationError, match="it imports Person, Pet: --include-imported takes them"):
        generate_schemas_from_module_code(f"{package}.all", folder=tmp_path)
    assert len(find_models(f"{package}.all", tmp_path).metadata) == 1
