"""`rowstead db lint`, run as a user runs it, with squawk where it is installed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rowstead.cli import main

Run = Callable[..., tuple[int, str, str]]

RISKY = """\
-- +goose Up
CREATE TABLE fresh (id int);
CREATE INDEX fresh_id ON fresh (id);
-- a comment: DROP TABLE users;
CREATE INDEX users_name
  ON users (name);
-- +goose Down
DROP TABLE fresh;
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in [
        n for n in os.environ if n.startswith(("ROWSTEAD_DATABASE", "ROWSTEAD_CONFIG", "DATABASE_"))
    ]:
        monkeypatch.delenv(name)
    (tmp_path / "migrations").mkdir()

    def run(*arguments: str) -> tuple[int, str, str]:
        out, error = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(tmp_path),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(error),
        ):
            code = main(["db", "lint", *arguments])
        return code, out.getvalue(), error.getvalue()

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], None]:
    def write(name: str, text: str) -> None:
        (tmp_path / "migrations" / name).write_text(text)

    return write


def test_a_finding_has_its_place_its_reason_and_the_safe_way(
    run: Run, write: Callable[[str, str], None]
) -> None:
    write("00001_x.sql", RISKY)
    assert run("--dialect", "postgresql", "--no-squawk") == (
        1,
        "migrations/00001_x.sql:5: warn create-index\n"
        "    CREATE INDEX users_name ON users\n"
        "    why:  nobody can write to the table until the index is built\n"
        "    safe: CREATE INDEX CONCURRENTLY in a file with `-- +goose NO TRANSACTION`\n"
        "1 file: 1 warn\n",
        "",
    )
    assert run("--dialect", "sqlite") == (0, "1 file: nothing to warn of\n", "")


def test_json_gives_findings_to_programs(run: Run, write: Callable[[str, str], None]) -> None:
    write("00001_x.sql", RISKY)
    code, out, _ = run("--dialect", "postgres", "--no-squawk", "--json")
    told = json.loads(out)
    assert (code, told["dialect"], told["files"], told["squawk"]) == (1, "postgresql", 1, False)
    assert [(f["file"], f["line"], f["rule"], f["level"]) for f in told["findings"]] == [
        ("00001_x.sql", 5, "create-index", "warn")
    ]


def test_the_database_of_the_settings_says_whose_rules_they_are(
    run: Run, write: Callable[[str, str], None]
) -> None:
    write("00001_x.sql", RISKY)
    address = "postgresql+asyncpg://me:planted-secret@nowhere.invalid/db"
    code, out, error = run("--url", address, "--no-squawk")
    assert (code, "create-index" in out, "planted-secret" in out + error) == (1, True, False)
    assert run()[0] == 0
    code, _, error = run("--dialect", "postgresqll")
    assert (code, "did you mean 'postgresql'?" in error) == (2, True)
    code, _, error = run("--url", "mssql+aioodbc://me:planted-secret@nowhere.invalid/db")
    assert (code, "planted-secret" in error) == (2, False)


def test_the_way_back_is_looked_at_only_when_asked(run: Run, write: Callable[[str, str], None]) -> None:
    write("00001_x.sql", "-- +goose Up\nCREATE TABLE t (id int);\n-- +goose Down\nDROP TABLE t;\n")
    assert run("--dialect", "postgresql", "--no-squawk")[0] == 0
    code, out, _ = run("--dialect", "postgresql", "--no-squawk", "--down")
    assert (code, "00001_x.sql:4: warn drop-table" in out) == (1, True)


def test_only_the_files_that_are_named_are_looked_at(run: Run, write: Callable[[str, str], None]) -> None:
    write("00001_x.sql", RISKY)
    write("00002_y.sql", "-- +goose Up\nSELECT 1;\n")
    options = ("--dialect", "postgresql", "--no-squawk")
    assert run("migrations/00002_y.sql", *options) == (0, "1 file: nothing to warn of\n", "")
    code, _, error = run("00002_z.sql", *options)
    assert (code, "did you mean '00002_y.sql'?" in error) == (2, True)


def test_plain_files_and_variables_are_read_too(run: Run, write: Callable[[str, str], None]) -> None:
    write("0001_x.sql", "-- rowstead:no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);\nDROP TABLE u;\n")
    code, out, _ = run("--dialect", "postgresql", "--no-squawk")
    assert (code, out.splitlines()[0]) == (1, "migrations/0001_x.sql:3: warn drop-table")
    write("0001_x.sql", "-- +goose Up\n-- +goose ENVSUB ON\nTRUNCATE ${TABLE_THAT_IS_NOT_SET};\n")
    assert "truncate" in run("--dialect", "postgresql", "--no-squawk")[1]


def test_a_folder_that_is_not_there_is_wrong_usage(run: Run) -> None:
    code, out, error = run("--dir", "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere" in error


def test_notes_alone_do_not_fail(run: Run, write: Callable[[str, str], None]) -> None:
    from rowstead.migrations.lint_rules import TOGETHER, Level

    assert TOGETHER.level is Level.NOTE
    text = "-- +goose Up\nALTER TABLE t DROP COLUMN a;\nALTER TABLE u DROP COLUMN a;\n"
    write("00001_x.sql", text)
    assert run("--dialect", "postgresql", "--no-squawk")[0] == 1
    write("00001_x.sql", text.replace(";\n", "; -- rowstead: allow drop-column\n"))
    assert run("--dialect", "postgresql", "--no-squawk") == (0, "1 file: nothing to warn of\n", "")


def test_a_squawk_that_does_not_work_is_told(
    run: Run, write: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("00001_x.sql", RISKY)
    program = tmp_path / "bin" / "squawk"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho broken\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    code, _, error = run("--dialect", "postgresql")
    assert (code, "gave no answer for 00001_x.sql" in error, "--no-squawk" in error) == (1, True, True)
    assert run("--dialect", "sqlite")[0] == 0


def test_squawk_adds_what_we_do_not_know_and_repeats_nothing(
    run: Run, write: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The dependency group `test` brings it into the environment that runs this.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    more = "ALTER TABLE users ADD COLUMN code char(8);\n-- +goose Down"
    write("00001_x.sql", RISKY.replace("-- +goose Down", more))
    code, out, _ = run("--dialect", "postgresql", "--json")
    told = json.loads(out)
    rules = [(f["line"], f["rule"]) for f in told["findings"]]
    assert (code, told["squawk"]) == (1, True)
    assert (5, "create-index") in rules
    assert (5, "squawk/require-concurrent-index-creation") not in rules
    assert (7, "squawk/ban-char-field") in rules
    # Line 9 is the way back.
    assert all(line < 8 for line, _ in rules)
