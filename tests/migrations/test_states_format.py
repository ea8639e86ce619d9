"""What the states format takes from a file: states, their statements with their places, and refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowstead.errors import ValidationError
from rowstead.migrations.formats.placed_json import DEEPEST, JsonText
from rowstead.migrations.formats.states import load
from rowstead.migrations.migration import Migration
from rowstead.migrations.split import MARIADB_SYNTAX, POSTGRESQL_SYNTAX, Syntax

# As the guide prints it, with its comma behind the last command.
GUIDE = """[
  {
      "id": 0,
      "comments": "my dev comments",
      "commands": [
          "ALTER TABLE my_table ADD COLUMN new_col DEFAULT NULL;",
          "ALTER TABLE my_table DROP COLUMN old_col;",
      ]
  }
]
"""


def loaded(folder: Path, content: Any, syntax: Syntax = POSTGRESQL_SYNTAX) -> list[Migration]:
    file = folder / "m.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return load(file, syntax)


def refused(folder: Path, content: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        loaded(folder, content)
    return str(caught.value)


def test_service_d04_the_guides_example_is_read_as_it_is_printed(tmp_path: Path) -> None:
    (found,) = loaded(tmp_path, GUIDE)
    assert (found.id, found.name, found.transactional, found.down) == ("0", "state 0", True, None)
    assert [(s.command, s.line, s.text) for s in found.up] == [
        (1, 6, "ALTER TABLE my_table ADD COLUMN new_col DEFAULT NULL;"),
        (2, 7, "ALTER TABLE my_table DROP COLUMN old_col;"),
    ]


@pytest.mark.parametrize("content", ["[]", " [ ] \n", "\ufeff[]"])
def test_an_empty_list_is_no_states(tmp_path: Path, content: str) -> None:
    assert loaded(tmp_path, content) == []


def test_a_command_may_be_several_statements_and_all_stand_in_its_line(tmp_path: Path) -> None:
    content = '[{"id": 3, "commands": [\n"SELECT 1;\\n\\nSELECT \';\'", "-- nothing",\n"SELECT 3"]}]'
    (found,) = loaded(tmp_path, content)
    assert [(s.command, s.line, s.text) for s in found.up] == [
        (1, 2, "SELECT 1;"),
        (1, 2, "SELECT ';'"),
        (3, 3, "SELECT 3"),
    ]


def test_a_routine_of_mariadb_is_one_statement_and_so_is_each_between_delimiters(tmp_path: Path) -> None:
    routine = "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END"
    two = "DELIMITER $$\nCREATE PROCEDURE a() BEGIN SELECT 1; END$$\nCREATE PROCEDURE b() SELECT 1$$"
    (found,) = loaded(tmp_path, [{"id": 0, "commands": [routine, two]}], MARIADB_SYNTAX)
    assert [s.text for s in found.up] == [
        routine,
        "CREATE PROCEDURE a() BEGIN SELECT 1; END",
        "CREATE PROCEDURE b() SELECT 1",
    ]


def test_ids_may_have_gaps_and_a_state_may_have_no_commands(tmp_path: Path) -> None:
    found = loaded(tmp_path, [{"id": 1, "commands": []}, {"id": 7, "commands": ["SELECT 1"]}])
    assert [(migration.id, len(migration.up)) for migration in found] == [("1", 0), ("7", 1)]


def test_only_the_commands_and_the_transaction_count_for_the_checksum(tmp_path: Path) -> None:
    def checksum(**state: Any) -> str:
        (found,) = loaded(tmp_path, [{"id": 0, "commands": ["SELECT 1", "SELECT 2"], **state}])
        return found.checksum

    plain = checksum()
    assert checksum(comments="why") == checksum(comments=["any", 1]) == checksum(transaction=True) == plain
    others = [
        checksum(commands=["SELECT 1; SELECT 2"]),
        checksum(commands=["SELECT 2", "SELECT 1"]),
        checksum(transaction=False),
    ]
    assert len({plain, *others}) == 4


STATE = '{"id": 0, "commands": []}'
REFUSED = {
    "not a list": ('{"id": 0}', r'line 1 column 1: the file is a list of states, .*; got \{"id": 0\}'),
    "not an object": ("[\n 5]", r"line 2 column 2: a state is an object, .*; got 5"),
    "no id": ('[{"commands": []}]', r'line 1 column 2: the state has no "id"; it has the shape'),
    "no commands": ('[{"id": 0}]', r'the state has no "commands"'),
    "unknown key": (
        '[{"id": 0,\n"comands": []}]',
        r'line 2 column 12: a state has no "comands"; did you mean \'commands\'',
    ),
    "id as text": (
        '[{"id": "0", "commands": []}]',
        r'line 1 column 9: a state\'s id is a whole number .*; got "0"',
    ),
    "id true": ('[{"id": true, "commands": []}]', r"whole number from 0 on; got true"),
    "id broken": ('[{"id": 1.0, "commands": []}]', r"whole number from 0 on; got 1\.0"),
    "id below zero": ('[{"id": -1, "commands": []}]', r"whole number from 0 on; got -1"),
    "id without end": ('[{"id": ' + "9" * 5000 + ', "commands": []}]', r"line 1 column 9: .*4300"),
    "id too high": ('[{"id": 9223372036854775808, "commands": []}]', r"whole number from 0 on; got 92233"),
    "commands a text": (
        '[{"id": 4, "commands": "SELECT 1"}]',
        r'state 4: "commands" is a list of texts of SQL; got "SEL',
    ),
    "a command no text": (
        '[{"id": 4, "commands": ["SELECT 1",\n 7]}]',
        r"line 2 column 2: state 4, command 2: a command is a text of SQL; got 7",
    ),
    "a command empty": ('[{"id": 4, "commands": [" "]}]', r"state 4, command 1 is empty"),
    "a NUL": ('[{"id": 4, "commands": ["SELECT \\u0000"]}]', r"state 4, command 1: there is a NUL"),
    "half a pair": (
        '[{"id": 4, "commands": ["SELECT \\ud800"]}]',
        r"column 25: the text holds half of a surrogate pair",
    ),
    "transaction": (
        '[{"id": 4, "transaction": "no", "commands": []}]',
        r'state 4: "transaction" is true .* or false; got "no"',
    ),
    "the same id": (
        '[{"id": 4, "commands": []},\n{"commands": [], "id": 4}]',
        r"line 2 column 24: there is a state 4 already, in line 1",
    ),
    "descending": (
        '[{"id": 4, "commands": []},\n{"id": 3, "commands": []}]',
        r"line 2 column 8: state 3 stands behind state 4 \(line 1\)",
    ),
    "a key twice": (
        '[{"id": 4,\n "id": 5, "commands": []}]',
        r'line 2 column 2: there is a "id" already, in line 1',
    ),
    "no comma": (f"[{STATE}\n{STATE}]", r"line 2 column 1: expected a comma, or ']' at the end"),
    "two commas": (f"[{STATE},,]", r"line 1 column 28: this is not JSON \(expecting value\)"),
    "a comma alone": ("[,]", r"column 2: this is not JSON"),
    "not closed": (f"[\n [ {STATE}", r"line 2 column 2: the '\[' that stands here is never closed"),
    "a text not closed": ('["SELECT', r"column 2: this is not JSON \(unterminated string starting at\)"),
    "more behind": ("[] []", r"column 4: there is more behind"),
    "no colon": ('[{"id" 4}]', r'column 8: expected a colon behind "id"'),
    "a name without quotes": ("[{id: 4}]", r"column 3: expected a name in double quotes"),
    "empty": ("", r"line 1 column 1: this is not JSON"),
    "too deep": ("[" * 100_000, rf"more than {DEEPEST} lists and objects"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, case: str) -> None:
    content, message = REFUSED[case]
    told = refused(tmp_path, content)
    assert told.startswith("m.json line ")
    assert re.search(message, told), told


def test_a_file_that_is_not_there_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        load("nowhere/migrations.json", POSTGRESQL_SYNTAX)
    assert f"nowhere/migrations.json (looked for from {Path.cwd()})" in str(caught.value)


@pytest.mark.parametrize(
    "text", ['{"a": [1, -2.5e3, "\\u00e9\\n"], "b": {"c": null, "d": [true, false, []]}}', "[[], {}]", "7"]
)
def test_what_is_json_is_read_as_python_reads_it(text: str) -> None:
    assert JsonText(text, "x").read().plain() == json.loads(text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON_VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_any_json_is_read_as_python_reads_it(value: Any, indent: Any, ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    assert JsonText(text, "x").read().plain() == value
