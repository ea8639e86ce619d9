"""Builders make the documented dicts, key by key, and check nothing."""

from __future__ import annotations

from typing import Any

import pytest

from rowstead.kit import builders as b

PLAIN = {"nullable": False, "primary_key": False, "generated": False}


@pytest.mark.parametrize(
    ("builder", "storage"),
    [
        (b.int, "int64"),
        (b.integer, "int64"),
        (b.text, "text"),
        (b.bool_, "bool"),
        (b.boolean, "bool"),
        (b.float_, "float64"),
        (b.float64, "float64"),
        (b.json_col, "json"),
        (b.bytes_col, "bytes"),
        (b.timestamp, "timestamp_nanos"),
        (b.date, "date"),
        (b.datetime, "date_time"),
        (b.date64, "date64"),
        (b.time64, "time64"),
        (b.interval_col, "interval"),
        (b.decimal128, "decimal128"),
        (b.uuid, "uuid"),
        (b.json_native, "json_native"),
        (b.array_col, "array"),
    ],
)
def test_a_column_helper_names_its_type(builder: Any, storage: str) -> None:
    made = builder("c", 3)
    expected = {"id": 3, "name": "c", "storage_type": storage, "application_type": storage, **PLAIN}
    assert list(made.items()) == list(expected.items())


def test_what_is_given_stands_in_the_documented_order() -> None:
    made = b.text(
        "c",
        1,
        check_expr="c != ''",
        regex="^a",
        max_length=9,
        min_length=1,
        max=2,
        min=1,
        enum_values=["a"],
        default="uuid",
        nullable=True,
    )
    assert list(made) == [
        *("id", "name", "storage_type", "application_type", "nullable", "primary_key", "generated"),
        *("default", "enum_values", "min", "max", "min_length", "max_length", "regex", "check_expr"),
    ]


def test_an_embedding_says_its_dimensions() -> None:
    assert b.embedding("e", 1, 3)["embedding_dim"] == 3


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="encrypted"):
        b.int("c", 1, encrypted=True)  # pyright: ignore[reportCallIssue]


def test_a_table_has_all_eight_keys() -> None:
    assert b.table("t", 1, iter([b.int("id", 1)]), "id") == {
        "id": 1,
        "name": "t",
        "columns": [b.int("id", 1)],
        "primary_key": ["id"],
        "indexes": [],
        "foreign_keys": [],
        "unique_constraints": [],
        "check_constraints": [],
    }
    assert b.table("t", 1, [], ("a", "b"))["primary_key"] == ["a", "b"]


def test_dataclasses_stand_where_dicts_do() -> None:
    made = b.table(
        "t",
        1,
        [b.Column(1, "id", "int64")],
        "id",
        indexes=[b.Index("i", "id")],
        foreign_keys=[b.ForeignKey("f", "id", "t", "id")],
        unique_constraints=[b.UniqueConstraint("u", ["id"])],
    )
    assert made["columns"] == [b.int("id", 1)]
    assert made["indexes"] == [b.index("i", "id")]
    assert made["foreign_keys"] == [b.fk("f", "id", "t", "id")]
    assert made["unique_constraints"] == [b.unique("u", "id")]
    assert b.Table(1, "t", [b.Column(1, "id", "int64")], "id").to_dict() == b.table(
        "t", 1, [b.int("id", 1)], "id"
    )


def test_another_object_in_a_table_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="expected Column or dict, got str"):
        b.table("t", 1, ["id"], "id")  # pyright: ignore[reportArgumentType]


def test_constraints() -> None:
    assert b.index("i", "a") == {"name": "i", "columns": ["a"], "unique": False, "kind": "bitmap"}
    assert b.index("i", ("a", "b"), unique=True, kind="brin")["kind"] == "learned_range"
    assert b.unique("u", "a") == {"name": "u", "columns": ["a"]}
    assert b.check("c", "a > 0") == {"name": "c", "expr": "a > 0"}
    plain = {"name": "f", "columns": ["a"], "references_table": "t", "references_columns": ["id"]}
    assert b.fk("f", "a", "t", "id") == {**plain, "on_delete": "restrict"}
    cascading = b.fk("f", "a", "t", "id", "cascade", on_update="cascade")
    assert cascading == {**plain, "on_delete": "cascade", "on_update": "cascade"}


def test_queries() -> None:
    assert b.agg("count", "n") == {"func": "count", "alias": "n"}
    assert b.agg("sum", "s", "a") == {"func": "sum", "alias": "s", "column": "a"}
    assert b.count_distinct("n", "a") == {"func": "count", "alias": "n", "column": "a", "distinct": True}
    assert b.col("a.b") == {"column": "a.b"}
    assert b.on_eq("o.id", "c.id") == {"eq": [{"column": "o.id"}, {"column": "c.id"}]}
