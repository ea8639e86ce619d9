"""`rowstead migrate` and `rowstead status` with a file of states, run as a user runs them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

STATES = [
    {"id": 0, "commands": ["CREATE TABLE users (id INTEGER)"]},
    {"id": 3, "commands": ["INSERT INTO users VALUES (1)"]},
]
URL = ("--url", "sqlite:///app.db")


@pytest.fixture
def run(tmp_path: Path):
    """Runs a command line in the test's folder, where the file is: its code, stdout and stderr."""
    (tmp_path / "states.json").write_text(json.dumps(STATES))

    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "rowstead", *arguments],
            cwd=tmp_path,
            env={k: v for k, v in os.environ.items() if k != "DATABASE_URL"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


def test_the_states_of_a_file_are_applied_and_seen(run, tmp_path: Path) -> None:
    code, out, _ = run("migrate", "states.json", *URL, "--dry-run")
    assert (code, out) == (0, "would apply 2 migrations\n  state 0\n  state 3\n")
    assert not (tmp_path / "app.db").exists()
    code, out, _ = run("migrate", "states.json", *URL, "--json")
    applied = {"directory": "states.json", "dry_run": False, "applied": ["state 0", "state 3"]}
    assert (code, json.loads(out)) == (0, applied)
    assert run("migrate", "states.json", *URL)[:2] == (0, "applied 0 migrations\n")
    code, out, _ = run("status", "states.json", *URL)
    assert (code, out) == (0, "Migration status (states.json):\n  applied (2):\n    state 0\n    state 3\n")
    with closing(sqlite3.connect(tmp_path / "app.db")) as database:
        assert database.execute("SELECT * FROM users").fetchall() == [(1,)]
        assert database.execute("SELECT * FROM db_info").fetchall() == [("state", 3)]


def test_what_drifted_fails_the_gate(run, tmp_path: Path) -> None:
    run("migrate", "states.json", *URL)
    (tmp_path / "states.json").write_text(json.dumps([{**STATES[0], "commands": ["SELECT 1"]}]))
    code, out, _ = run("status", "states.json", *URL)
    assert (code, "drifted (1):\n    state 0" in out, "missing (1):\n    state 3" in out) == (1, True, True)
    code, _, err = run("migrate", "states.json", *URL)
    assert (code, "changed since they were applied: 0" in err) == (1, True)


def test_a_file_that_is_wrong_or_not_there_is_wrong_usage(run, tmp_path: Path) -> None:
    code, _, err = run("migrate", "nowhere.json", *URL)
    assert (code, "migrations file not found: nowhere.json" in err) == (2, True)
    (tmp_path / "states.json").write_text('[{"id": 0}]')
    code, _, err = run("status", "states.json", *URL)
    assert (code, 'states.json line 1 column 2: the state has no "commands"' in err) == (2, True)


def test_a_folder_of_such_a_name_is_a_folder(run, tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "folder.json" / "1.sql").write_text("CREATE TABLE a (id INTEGER);")
    assert run("migrate", "folder.json", *URL)[:2] == (0, "applied 1 migration\n")
