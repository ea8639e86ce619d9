"""`rowstead kit`, run as a user runs it: at a terminal and in a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend
from kit.shop import shop
from rowstead.cli import parser
from rowstead.kit import Database

ROOT = Path(__file__).parents[2]
COMMANDS = ("backup", "check", "export", "import", "schema", "select", "tables")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rowstead", "kit", *arguments]


def environment(**more: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "DATABASE_URL"} | more


@pytest.fixture
def run(tmp_path: Path):
    """Runs a command line in the test's folder: its code, stdout and stderr."""

    def run(*arguments: str, given: str = "", **more: str) -> tuple[int, str, str]:
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=environment(**more),
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def at_terminal(tmp_path: Path):
    """As `run`, with a terminal for stdout and stderr: the code and all that is shown."""

    def run(*arguments: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command(*arguments), cwd=tmp_path, env=environment(), stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        shown = b""
        while True:
            try:
                more = os.read(ours, 65_536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not more:
                break
            shown += more
        os.close(ours)
        return process.wait(60), shown.decode().replace("\r\n", "\n")

    return run


@pytest.fixture
def db(tmp_path: Path) -> tuple[str, str]:
    """A shop with three customers; the option that names it."""
    with Database.create(tmp_path / "app.db", shop()) as db:
        rows: list[dict[str, Any]] = [
            {"email": "a@x"},
            {"email": "b@x", "name": ""},
            {"email": "c@x", "name": "é"},
        ]
        db.transaction(lambda txn: txn.insert_many("customers", rows))
    return ("--db", "app.db")


CUSTOMERS = [
    {"id": 1, "email": "a@x", "name": None, "active": True},
    {"id": 2, "email": "b@x", "name": "", "active": True},
    {"id": 3, "email": "c@x", "name": "é", "active": True},
]


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_pipe_gets_json_lines(run, db) -> None:
    code, out, err = run("select", "customers", *db)
    assert (code, lines(out), err) == (0, CUSTOMERS, "")
    code, out, _ = run("tables", *db)
    assert lines(out) == [
        {"table": "customers", "columns": 4, "rows": 3},
        {"table": "orders", "columns": 3, "rows": 0},
        {"table": "notes", "columns": 2, "rows": 0},
    ]
    code, out, _ = run("schema", *db)
    (schema,) = lines(out)
    with Database.create(":memory:", schema) as same:
        assert same.table_names() == ["customers", "orders", "notes"]
    assert [t["name"] for t in lines(run("schema", "notes", *db)[1])[0]["tables"]] == ["notes"]


def test_a_person_gets_tables(at_terminal, db) -> None:
    assert at_terminal("select", "customers", "--columns", "id,email,name", "--order=-id", *db) == (
        0,
        "id  email  name\n--  -----  ----\n 3  c@x    é\n 2  b@x\n 1  a@x    NULL\n3 rows\n",
    )
    code, shown = at_terminal("tables", *db)
    assert (code, shown.splitlines()[2]) == (0, "customers        4     3")
    code, shown = at_terminal("schema", "orders", *db)
    assert "customer_id  int64                                       customers.id" in shown
    assert at_terminal("check", *db) == (0, "no faults found\n")
    code, shown = at_terminal("select", "customers", "--json", *db)
    assert lines(shown) == CUSTOMERS


def test_a_persons_table_holds_no_control_characters(run, at_terminal, db) -> None:
    run("import", "notes", "-", "--format", "csv", *db, given='id,body\n1,"\x1b[31m\nx"\n')
    code, shown = at_terminal("select", "notes", *db)
    assert (code, shown.splitlines()[2]) == (0, " 1  \\x1b[31m\\nx")


def test_select_takes_filter_order_limit_offset_and_distinct(run, db) -> None:
    where = json.dumps({"id": {"gte": 2}})
    _, out, _ = run("select", "customers", "--filter", where, "--order=-id", "--limit", "1", *db)
    assert lines(out) == CUSTOMERS[2:]
    _, out, _ = run("select", "customers", "--order=id", "--offset", "2", *db)
    assert lines(out) == CUSTOMERS[2:]
    _, out, _ = run("select", "customers", "--columns", "active", "--distinct", *db)
    assert lines(out) == [{"active": True}]


@pytest.mark.parametrize("file", ["c.csv", "c.jsonl"])
def test_export_and_import_carry_a_table(run, db, tmp_path: Path, file: str) -> None:
    assert run("export", "customers", file, *db) == (
        0,
        json.dumps({"table": "customers", "file": file, "rows": 3}) + "\n",
        "",
    )
    Database.create(tmp_path / "new.db", shop()).close()
    code, out, err = run("import", "customers", file, "--db", "new.db")
    assert (code, lines(out), err) == (0, [{"table": "customers", "rows": 3, "skipped": 0}], "")
    assert lines(run("select", "customers", "--db", "new.db")[1]) == CUSTOMERS
    code, out, err = run("import", "customers", file, "--db", "new.db")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {file}, line ")
    code, out, _ = run("import", "customers", file, "--batch", "2", "--db", "new.db")
    assert lines(out) == [{"table": "customers", "rows": 0, "skipped": 3}]


def test_export_to_stdout_is_rows_and_nothing_else(run, db) -> None:
    assert run("export", "customers", *db) == (
        0,
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in CUSTOMERS),
        "exported 3 rows of customers\n",
    )
    where = json.dumps({"id": 2})
    code, out, _ = run(
        "export", "customers", "--format", "csv", "--columns", "name,id", "--filter", where, *db
    )
    assert (code, out) == (0, 'name,id\n"",2\n')


def test_whoever_reads_only_the_first_lines_makes_no_error(run, db, tmp_path: Path) -> None:
    with Database.open(tmp_path / "app.db") as handle:
        handle.transaction(
            lambda txn: txn.insert_many("notes", ({"id": n} for n in range(20_000)), returning=False)
        )
    words = " ".join(command("export", "notes", *db))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{words} | head -1"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"id": 0, "body": null}\n', "")


def test_backup_copies_to_a_new_file_only(run, db, tmp_path: Path) -> None:
    code, out, _ = run("backup", "copy.db", *db)
    assert (code, lines(out)) == (0, [{"file": "copy.db", "bytes": (tmp_path / "copy.db").stat().st_size}])
    assert lines(run("select", "customers", "--db", "copy.db")[1]) == CUSTOMERS
    code, out, err = run("backup", "copy.db", *db)
    assert (code, out) == (2, "")
    assert "is there already" in err


def test_check_exits_1_where_it_finds_a_fault(run, at_terminal, db, tmp_path: Path) -> None:
    assert run("check", *db) == (0, "", "")
    with closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as connection:
        connection.execute("DROP TABLE notes")
        connection.execute("INSERT INTO orders VALUES (1, 99, 1.0)")
    code, out, err = run("check", *db)
    assert (code, err) == (1, "")
    told = " ".join(problem["problem"] for problem in lines(out))
    assert "table notes is missing" in told
    assert "refers by fk_customer" in told
    code, shown = at_terminal("check", *db)
    assert code == 1
    assert "refers by fk_customer to a row of customers that is not there" in shown
    (tmp_path / "app.db").write_bytes(b"no database at all " * 500)
    code, out, _ = run("check", *db)
    assert (code, len(lines(out))) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "COMMAND"),
        (("tables",), 2, "give --db with a path or a URL, or set DATABASE_URL"),
        (("tables", "--db", "none.db"), 3, "there is no database at none.db"),
        (("check", "--db", "none.db"), 3, "there is no database at none.db"),
        (("select", "note", "--db", "app.db"), 2, "did you mean 'notes'?"),
        (("select", "notes", "--filter", "{", "--db", "app.db"), 2, "--filter is not JSON"),
        (("select", "notes", "--filter", '{"nope": 1}', "--db", "app.db"), 2, "no column 'nope'"),
        (("select", "notes", "--order=nope", "--db", "app.db"), 2, "nope"),
        (("import", "notes", "none.csv", "--db", "app.db"), 2, "none.csv: No such file"),
        (("import", "notes", "-", "--db", "app.db"), 2, "format"),
        (("export", "notes", "n.txt", "--db", "app.db"), 2, "name the file .csv or .jsonl"),
        (("tables", "--db", "postgresql://u:s3cret-word@127.0.0.1:1/x"), 3, "127.0.0.1"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_exit_code(run, db, arguments, code: int, told: str) -> None:
    done, out, err = run(*arguments)
    assert (done, out) == (code, "")
    assert told in err
    assert "s3cret-word" not in err


def test_an_error_is_json_too_where_asked(run, db) -> None:
    code, out, err = run("select", "note", "--json", *db)
    assert (code, lines(out)[0]["error"]["code"]) == (2, "UNDEFINED_TABLE")
    assert err.startswith("error: ")


def test_every_command_works_on_a_server_too(run, sync_backend: Backend, tmp_path: Path) -> None:
    url = sync_backend.url.replace("+psycopg", "")
    Database.create(sync_backend.url, shop()).close()
    assert run("import", "notes", "-", "--format", "csv", given="id\n1\n2\n", DATABASE_URL=url)[0] == 0
    assert lines(run("select", "notes", "--limit=1", DATABASE_URL=url)[1]) == [{"id": 1, "body": None}]
    assert run("export", "notes", "n.csv", DATABASE_URL=url)[0] == 0
    assert (tmp_path / "n.csv").read_text() == "id,body\n1,\n2,\n"
    assert run("check", "--db", url) == (0, "", "")
    assert len(lines(run("tables", "--db", url)[1])) == 3
    code, _, err = run("backup", "copy.db", "--db", url)
    assert (code, "pg_dump" in err) == ((2, True) if sync_backend.is_postgres else (0, False))


def test_an_import_shows_how_far_it_is_where_a_person_watches(at_terminal, db, tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("id\n" + "".join(f"{n}\n" for n in range(60_000)))
    code, shown = at_terminal("import", "notes", "n.csv", *db)
    assert code == 0
    assert re.search(r"notes  [\d,]+ rows  [\d,]+/s  \d+%, about \d+ s left", shown)
    assert shown.endswith("\r\x1b[Kimported 60,000 rows into notes\n")


@pytest.mark.parametrize("batch", [(), ("--batch", "1000")])
def test_ctrl_c_leaves_a_state_from_which_the_same_command_goes_on(
    run, db, tmp_path: Path, batch: tuple[str, ...]
) -> None:
    words = command("import", "notes", "-", "--format", "csv", *batch, *db)
    content = "id\n" + "".join(f"{n}\n" for n in range(5500))
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment(), stdin=subprocess.PIPE, stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stdin is not None
        process.stdin.write(content)
        process.stdin.flush()
        _wait_for(tmp_path, process, 5 if batch else 0)
        process.send_signal(signal.SIGINT)
        process.wait(30)
        assert process.stderr is not None
        told = process.stderr.read()
    assert process.returncode == 130, told
    assert told.startswith("interrupted; ")
    there = len(lines(run("select", "notes", *db)[1]))
    assert there == (5000 if batch else 0)
    _, out, _ = run("import", "notes", "-", "--format", "csv", *batch, *db, given=content)
    assert lines(out) == [{"table": "notes", "rows": 5500 - there, "skipped": there}]


def _wait_for(folder: Path, process: subprocess.Popen[str], batches: int) -> None:
    """Until the process has written all it can of what it was given."""
    until = time.monotonic() + 30
    with Database.open(folder / "app.db") as db:
        while time.monotonic() < until and process.poll() is None:
            if batches and db.sql("SELECT count(*) AS n FROM notes") == [{"n": batches * 1000}]:
                return
            if not batches and _holds_the_right_to_write(folder):
                return
            time.sleep(0.02)
    raise AssertionError(f"it has not come so far (exit code {process.poll()})")


def _holds_the_right_to_write(folder: Path) -> bool:
    """Whether another process is in the middle of a transaction that writes, and waits in it."""
    with closing(sqlite3.connect(folder / "app.db", timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False


# The command line itself


def test_help_of_the_kit_answers_without_loading_a_database_library() -> None:
    program = (
        "import sys; from rowstead.cli import main\n"
        "try: main(['kit', 'import', '--help'])\n"
        "except SystemExit: pass\n"
        "names = 'sqlalchemy pydantic sqlite3 psycopg asyncpg asyncio rich'.split()\n"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_and_option_of_the_kit_is_documented() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    words = set(re.findall(r"`([^`]+)`", page))
    (kit,) = (action.choices["kit"] for action in parser()._actions if action.dest == "command")
    (commands,) = (action.choices for action in kit._actions if action.dest == "kit_command")
    assert sorted(commands) == sorted(COMMANDS)
    for name, one in commands.items():
        assert any(word.startswith(f"rowstead kit {name}") for word in words), name
        for option in (option for action in one._actions for option in action.option_strings):
            assert any(word.split()[0] == option for word in words), f"{option} of {name}"
