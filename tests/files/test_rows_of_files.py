"""The rows of files in each format: values, lines, and what is said of a file that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rowstead.errors import UndefinedColumnError, ValidationError
from rowstead.files.formats import rows_of_file
from rowstead.files.listed import json_list_rows
from rowstead.files.reading import Numbered
from rowstead.files.yaml_rows import yaml_rows
from rowstead.tables.from_sqlalchemy import table_of

TABLE = table_of(
    sa.Table(
        "things",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text),
        sa.Column("at", sa.Time),
        sa.Column("price", sa.Numeric(30, 20)),
        sa.Column("on", sa.Boolean),
        sa.Column("data", sa.JSON),
        sa.Column("raw", sa.LargeBinary),
    )
)

Read = Callable[[str, str], list[Numbered]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The rows of a file of this ending with this text."""

    def read(ending: str, text: str) -> list[Numbered]:
        path = tmp_path / f"things.{ending}"
        path.write_bytes(text.encode("latin-1"))
        return list(rows_of_file(TABLE, path))

    return read


# What files hold

EVERYWHERE = {
    "csv": 'id,name,price,on,data,raw\n1,"",1.10000000000000000001,t,"{""a"": [1, null]}",\\x00ff\n2,,,,,\n',
    "json": (
        '[{"id": 1, "name": "", "price": 1.10000000000000000001, "on": true, "data": {"a": [1, null]},\n'
        '"raw": "\\\\x00ff"}, {"id": 2, "name": null}]'
    ),
    "jsonl": (
        '{"id": 1, "name": "", "price": 1.10000000000000000001, "on": true, "data": {"a": [1, null]}, '
        '"raw": "\\\\x00ff"}\n\n{"id": 2, "name": null}\n'
    ),
    "yaml": (
        '- {id: 1, name: "", price: 1.10000000000000000001, on: true, data: {a: [1, null]}, raw: \\x00ff}\n'
        "- id: 2\n  name:\n"
    ),
}


@pytest.mark.parametrize("ending", EVERYWHERE)
def test_a_row_is_the_same_in_every_format(read: Read, ending: str) -> None:
    first, second = read(ending, EVERYWHERE[ending])
    # A cell's text has all digits, and the column takes it.
    assert Decimal(first.row.pop("price")) == Decimal("1.10000000000000000001")
    assert first.row == {
        "id": 1,
        "name": "",
        "on": True,
        "data": {"a": [1, None]},
        "raw": b"\x00\xff",
    }
    assert {name: value for name, value in second.row.items() if value is not None} == {"id": 2}
    assert "name" in second.row


@pytest.mark.parametrize(("ending", "same"), [("NDJSON", "jsonl"), ("yml", "yaml"), ("JSON", "json")])
def test_a_format_has_more_than_one_ending(read: Read, ending: str, same: str) -> None:
    assert [row for _, row in read(ending, EVERYWHERE[same])] == [
        row for _, row in read(same, EVERYWHERE[same])
    ]


@pytest.mark.parametrize(
    ("ending", "text", "lines"),
    [
        ("csv", 'id,name\n1,"a\nb"\n\n2,c\n', [2, 5]),
        ("json", '\n[ {"id": 1,\n"name": "a"}\n,\n\n{"id": 2}, {"id": 3}\n]\n', [2, 6, 6]),
        ("jsonl", '\n{"id": 1}\n\n{"id": 2}', [2, 4]),
        ("yaml", "# first\n- id: 1\n  name: |\n    a\n    b\n-\n  id: 2\n- {id: 3}\n", [2, 7, 8]),
    ],
)
def test_each_row_has_the_line_where_it_begins(read: Read, ending: str, text: str, lines: list[int]) -> None:
    assert [line for line, _ in read(ending, text)] == lines


@pytest.mark.parametrize(
    ("ending", "text"),
    [("csv", "id\n"), ("json", "[]"), ("json", " [\n] "), ("jsonl", "\n"), ("yaml", "# -\n")],
)
def test_a_file_may_hold_no_row(read: Read, ending: str, text: str) -> None:
    assert read(ending, text) == []


def test_a_mark_before_the_text_is_none_of_it(read: Read) -> None:
    assert [row for _, row in read("json", '\xef\xbb\xbf[{"id": 1}]')] == [{"id": 1}]


# YAML


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        ("0123", "name", "0123"),
        ("1.10", "name", "1.10"),
        ("true", "name", "true"),
        ("yes", "name", "yes"),
        ("2024-01-31", "name", "2024-01-31"),
        ("12:30", "at", "12:30"),
        ("yes", "on", "yes"),
        ("0123", "id", 123),
        ("0o17", "id", 15),
        ("0x1f", "id", 31),
        ("~", "name", None),
        ("'~'", "name", "~"),
        ("[yes, 12:30, 1.5, null, .inf]", "data", ["yes", "12:30", 1.5, None, float("inf")]),
    ],
)
def test_yaml_scalars_are_those_of_1_2_and_stay_text_in_a_text_column(
    read: Read, text: str, column: str, value: Any
) -> None:
    ((_, row),) = read("yaml", f"- {column}: {text}\n")
    assert row == {column: value}
    assert type(row[column]) is type(value)


def test_control_pyyaml_itself_makes_other_values_of_them() -> None:
    assert yaml.safe_load("[0123, 12:30, yes]") == [83, 750, True]


@pytest.mark.parametrize("double", ["[*a{0}, *a{0}]", "{{x: *a{0}, y: *a{0}}}", "{{<<: [*a{0}, *a{0}]}}"])
def test_aliases_that_double_themselves_are_refused_before_they_are_followed(read: Read, double: str) -> None:
    def lines(many: int) -> str:
        doubled = [f"  - &a{n} {double.format(n - 1)}\n" for n in range(1, many)]
        return "- id: 1\n- id: 2\n  data:\n  - &a0 {v: 1}\n" + "".join(doubled)

    with pytest.raises(ValidationError, match="line 2: this row has more than 1,000,000 keys"):
        read("yaml", lines(200))
    control = read("yaml", lines(12))[1].row["data"]
    assert len(control) == 12


def test_a_row_of_yaml_may_take_over_anothers_fields(read: Read) -> None:
    rows = read("yaml", "- &first {id: 1, name: a}\n- <<: *first\n  id: 2\n")
    assert [row for _, row in rows] == [{"id": 1, "name": "a"}, {"name": "a", "id": 2}]


# What cannot be read

WRONG = [
    ("json", "", "line 1, column 1: the file holds a JSON list of objects"),
    ("json", '\n{"id": 1}', "line 2, column 1: the file holds a JSON list of objects"),
    ("json", '[{"id": 1},\n 2]', "line 2: this is no object"),
    ("json", '[{"id": 1},\n]', "line 2, column 1: is not JSON: a comma stands behind the last element"),
    (
        "json",
        '[{"id": 1}\n {}]',
        "line 2, column 2: is not JSON: a comma, or the end of the list",
    ),
    ("json", '[{"id": 1}', "line 1, column 11: is not JSON: a comma, or the end of the list, is missing"),
    ("json", '[{"id":\n 1', "line 2, column 3: is not JSON: Expecting ',' delimiter"),
    ("json", '[{"id": 1}]\n\nx', "line 3, column 1: something stands behind the list"),
    ("json", '[\n{"id": 1, "id": 2}]', "line 2: is not JSON: the key 'id' stands twice"),
    ("json", '[\n{"data": [NaN]}]', "line 2: is not JSON: JSON has no NaN"),
    ("json", "[" * 100_000, "line 1: is not JSON: maximum recursion depth"),
    ("json", '[\n\n{"nmae": 1}]', "line 3: things has no column 'nmae'; did you mean 'name'?"),
    ("json", '[{"raw": "abc"}]', r"line 1: things.raw: takes bytes, written as \x"),
    ("json", '[{"id": 1}]\xff', "line 1: this is not UTF-8"),
    ("jsonl", '{"id": 1}\n{"id": 1, "id": 2}\n', "line 2: is not JSON: the key 'id' stands twice"),
    ("jsonl", '{"id": 1}\n[1]\n', "line 2: a line holds one JSON object"),
    ("csv", "id,nmae\n", "line 1: things has no column 'nmae'; did you mean 'name'?"),
    ("csv", "id,data\n1,{\n", "line 2: things.data: is not JSON"),
    ("yaml", "id: 1", "line 1: the file holds a list of mappings"),
    ("yaml", "- id: 1\n- 2", "line 2: this is no mapping"),
    ("yaml", "- id: 1\n  id: 2", "line 2: 'id' stands twice in one row"),
    ("yaml", "- id: 1\n  nmae: 2", "line 1: things has no column 'nmae'; did you mean 'name'?"),
    ("yaml", "- id: 1\n- {a", "this is no YAML that can be read"),
    ("yaml", "- id: 1\n---\n- id: 2\n", "line 2: this is no YAML that can be read"),
    ("yaml", "- id: 1\n- data: &a [*a]", "line 2: this row has more than 1,000,000 keys and values"),
    ("yaml", "- &a\n  data: {b: {<<: *a}}", "line 1: this row has more than 1,000,000 keys and values"),
    ("yaml", "- ? [a]\n  : 2", "line 1: a key is the name of a column"),
    ("yaml", "- id: 1\n  data: !!int x", "line 2: data is not of the type that its tag says"),
    ("yaml", "- data: !!timestamp x", "line 1: data is not of the type that its tag says"),
    ("yaml", "- data: !!python/object/apply:os.getcwd []", "line 1: this is no YAML that can be read"),
    ("yaml", "- data: " + "[" * 3000, "this YAML is nested too deeply"),
]


@pytest.mark.parametrize(("ending", "text", "told"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_read_is_told_with_file_and_line(
    read: Read, tmp_path: Path, ending: str, text: str, told: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        read(ending, text)
    assert str(caught.value).startswith(str(tmp_path / f"things.{ending}"))
    assert told in str(caught.value)


def test_an_unknown_column_has_its_own_class(read: Read) -> None:
    with pytest.raises(UndefinedColumnError) as caught:
        read("yaml", "- nmae: 2")
    assert (caught.value.table, caught.value.column) == ("things", "nmae")


def test_no_word_of_a_broken_yaml_file_is_shown(read: Read) -> None:
    with pytest.raises(ValidationError) as caught:
        read("yaml", "- name: *sesame\n")
    assert "sesame" not in str(caught.value)
    assert "line 1" in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"none\.json: No such file"):
        list(rows_of_file(TABLE, tmp_path / "none.json"))


# Any document

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.fixed_dictionaries({"id": st.integers(), "name": st.none() | st.text(), "data": VALUES}))


@given(ROWS, st.sampled_from([None, 2]))
def test_any_json_list_comes_back_with_its_lines(rows: list[dict[str, Any]], indent: int | None) -> None:
    text = json.dumps(rows, indent=indent)
    found = list(json_list_rows(TABLE, text.splitlines(keepends=True), "things.json"))
    assert [row for _, row in found] == rows
    starts = [number for number, line in enumerate(text.splitlines(), 1) if line == "  {"]
    assert [line for line, _ in found] == (starts if indent is not None else [1] * len(rows))


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")))


@given(st.lists(st.fixed_dictionaries({"id": st.integers(), "name": st.none() | PRINTABLE})))
def test_any_quoted_yaml_comes_back(rows: list[dict[str, Any]]) -> None:
    text = "\n".join("- " + json.dumps(row, ensure_ascii=False) for row in rows)
    assert [row for _, row in yaml_rows(TABLE, [text], "things.yaml")] == rows
