"""What the goose format takes from a folder: versions, directions, statements, variables, and refusals.

`goose/` holds hard files by the syntax that they are read by, each with what is expected beside it
(`.json`); in `goose/refused` the error is expected. goose itself is not run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rowstead.errors import ValidationError
from rowstead.migrations.formats.goose import load
from rowstead.migrations.migration import Migration
from rowstead.migrations.split import (
    MARIADB_SYNTAX,
    POSTGRESQL_SYNTAX,
    SQLITE_SYNTAX,
    Statement,
    Syntax,
)
from rowstead.migrations.state import require_suitable

HARD = Path(__file__).parent / "goose"
SYNTAXES: Mapping[str, Syntax] = {
    "postgresql": POSTGRESQL_SYNTAX,
    "sqlite": SQLITE_SYNTAX,
    "mariadb": MARIADB_SYNTAX,
}
ENVIRONMENT = {
    "SCHEMA": "sales",
    "PASSWORD": "s3cret word; of 'many' $signs",
    "EMPTY": "",
    "LINES": "one\ntwo",
}
UP = "-- +goose Up\nSELECT 1;\n"


def described(migration: Migration) -> dict[str, Any]:
    def each(statements: tuple[Statement, ...]) -> list[list[Any]]:
        return [[statement.line, statement.text] for statement in statements]

    return {
        "up": each(migration.up),
        "down": None if migration.down is None else each(migration.down),
        "transactional": migration.transactional,
    }


def alone(file: Path, folder: Path, syntax: Syntax) -> list[Migration]:
    """The file, loaded from a folder where it is alone."""
    folder.mkdir()
    (folder / file.name).write_bytes(file.read_bytes())
    return load(folder, syntax, ENVIRONMENT)


def hard(folder: str) -> list[Path]:
    found = sorted((HARD / folder).glob("*.sql"))
    assert found, folder
    return found


@pytest.mark.parametrize(
    ("dialect", "file"),
    [pytest.param(d, file, id=f"{d}-{file.stem}") for d in SYNTAXES for file in hard(d)],
)
def test_a_hard_file_is_read_as_expected(dialect: str, file: Path, tmp_path: Path) -> None:
    (migration,) = alone(file, tmp_path / "one", SYNTAXES[dialect])
    assert described(migration) == json.loads(file.with_suffix(".json").read_text())


@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem[6:]) for file in hard("refused")])
def test_a_wrong_file_is_refused_with_its_line_and_what_to_do(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as refusal:
        # What a statement lacks is only wrong where it is due.
        require_suitable(alone(file, tmp_path / "one", POSTGRESQL_SYNTAX), lambda _statement: None, "")
    assert str(refusal.value) == json.loads(file.with_suffix(".json").read_text())


@pytest.mark.parametrize("value", ["sales", "t", None])
def test_the_checksum_is_of_the_way_forth_as_it_is_written(tmp_path: Path, value: str | None) -> None:
    """Neither a variable's value nor the way back changes it; a statement of the way forth does."""
    up = "-- +goose Up\n-- +goose ENVSUB ON\nCREATE TABLE ${NAMED} (t INTEGER);\n"
    texts = [up, f"{up}-- +goose Down\nDROP TABLE t;\n", f"{up}\n\n-- +goose Down\nSELECT 1;\n"]
    found = {_checksum(tmp_path, text, value) for text in texts}
    assert found == {_checksum(tmp_path, up, "other")}
    assert _checksum(tmp_path, up.replace("INTEGER", "TEXT"), value) not in found
    assert _checksum(tmp_path, f"-- +goose NO TRANSACTION\n{up}", value) not in found


def _checksum(folder: Path, text: str, value: str | None) -> str:
    (folder / "00001_a.sql").write_text(text)
    (migration,) = load(folder, SQLITE_SYNTAX, {} if value is None else {"NAMED": value})
    return migration.checksum


# Names


def folder_of(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).write_text(UP)
    return path


def test_versions_are_numbers_and_times_in_the_order_of_numbers(tmp_path: Path) -> None:
    names = ["20060102150405_c.sql", "9_a.sql", "00010_b.sql"]
    folder_of(tmp_path, *names, "README.md", ".00001_hidden.sql", "main.go", "3_x.sql.bak", "4_it_test.go")
    (tmp_path / "00002_folder.sql").mkdir()
    found = load(tmp_path, SQLITE_SYNTAX)
    assert [(m.id, m.file) for m in found] == [
        ("9", "9_a.sql"),
        ("10", "00010_b.sql"),
        ("20060102150405", "20060102150405_c.sql"),
    ]


@pytest.mark.parametrize(
    "name",
    ["users.sql", "00001.sql", "00000_zero.sql", "v1_users.sql", f"{2**63}_far.sql", "-1_x.sql", "0x1_x.sql"],
)
def test_a_name_without_a_version_is_refused(tmp_path: Path, name: str) -> None:
    folder_of(tmp_path, name)
    with pytest.raises(ValidationError, match=r"has no version: .* such as 00001_add_users\.sql") as refusal:
        load(tmp_path, SQLITE_SYNTAX)
    assert str(refusal.value).startswith(name)


def test_two_files_of_one_version_are_refused_by_their_names(tmp_path: Path) -> None:
    folder_of(tmp_path, "00007_a.sql", "7_b.sql")
    with pytest.raises(ValidationError, match=r"00007_a\.sql and 7_b\.sql both have the version 7"):
        load(tmp_path, SQLITE_SYNTAX)


def test_a_migration_written_in_go_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, "00001_a.sql", "00002_b.go")
    with pytest.raises(ValidationError, match=r"00002_b\.go is a migration written in Go"):
        load(tmp_path, SQLITE_SYNTAX)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"not found: .*nowhere; give the folder with --dir"):
        load(tmp_path / "nowhere", SQLITE_SYNTAX)


# Checksums and what is shown


def test_the_checksum_is_the_same_whatever_the_variables_and_the_line_ends_are(tmp_path: Path) -> None:
    text = "-- +goose Up\n-- +goose ENVSUB ON\nSELECT '${NAME}';\n"
    (tmp_path / "1_a.sql").write_text(text)
    (tmp_path / "2_b.sql").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    one, other = (load(tmp_path, SQLITE_SYNTAX, {"NAME": name}) for name in ("x", "y"))
    assert len({migration.checksum for migration in (*one, *other)}) == 1
    assert one[0].up[0].text != other[0].up[0].text


def test_a_variables_value_is_in_the_text_and_in_nothing_that_is_shown(tmp_path: Path) -> None:
    text = "-- +goose Up\n-- +goose ENVSUB ON\nCREATE ROLE app PASSWORD '$PASSWORD';\n"
    (tmp_path / "1_a.sql").write_text(text)
    ((statement,),) = (m.up for m in load(tmp_path, POSTGRESQL_SYNTAX, {"PASSWORD": "s3cret; word"}))
    assert statement.text == "CREATE ROLE app PASSWORD 's3cret; word';"
    assert statement.shown == "CREATE ROLE app PASSWORD '$PASSWORD';"
    assert statement.summary == "CREATE ROLE app PASSWORD '$PASSWORD';"
    assert statement.showing("near s3cret; word") == "near ${PASSWORD}"


def test_a_value_that_holds_a_statements_end_is_in_nothing_that_is_shown_either(tmp_path: Path) -> None:
    (tmp_path / "1_a.sql").write_text("-- +goose Up\n-- +goose ENVSUB ON\nSELECT '${P}';\nSELECT 2;\n")
    found = load(tmp_path, POSTGRESQL_SYNTAX, {"P": "s3cret'; SELECT '"})[0].up
    assert [statement.text for statement in found] == ["SELECT 's3cret';", "SELECT '';", "SELECT 2;"]
    (whole,) = load(tmp_path, POSTGRESQL_SYNTAX, {"P": "s3cret'';word"})[0].up[:1]
    assert (whole.text, whole.shown) == ("SELECT 's3cret'';word';", "SELECT '${P}';")


def test_a_short_value_garbles_no_message(tmp_path: Path) -> None:
    (tmp_path / "1_a.sql").write_text("-- +goose Up\n-- +goose ENVSUB ON\nCREATE TABLE ${N}bc (id INT);\n")
    (statement,) = load(tmp_path, SQLITE_SYNTAX, {"N": "a"})[0].up
    assert statement.text == "CREATE TABLE abc (id INT);"
    assert statement.shown == "CREATE TABLE ${N}bc (id INT);"
    assert statement.showing("table abc already exists near a") == "table abc already exists near ${N}"


def test_a_nul_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "1_a.sql").write_bytes(b"-- +goose Up\nSELECT '\0';\n")
    with pytest.raises(ValidationError, match=r"1_a\.sql line 2: there is a NUL in it"):
        load(tmp_path, SQLITE_SYNTAX)


def test_the_process_environment_is_asked_where_no_other_is_given(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "1_a.sql").write_text("-- +goose Up\n-- +goose ENVSUB ON\nSELECT '${ROWSTEAD_TEST_X}';\n")
    monkeypatch.setenv("ROWSTEAD_TEST_X", "there")
    assert load(tmp_path, SQLITE_SYNTAX)[0].up[0].text == "SELECT 'there';"
    monkeypatch.delenv("ROWSTEAD_TEST_X")
    (statement,) = load(tmp_path, SQLITE_SYNTAX)[0].up
    assert statement.lacks is not None
    assert statement.lacks.startswith("1_a.sql line 3: the variable ROWSTEAD_TEST_X is not set; set it")
