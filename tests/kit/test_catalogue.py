"""A schema dict becomes tables, and tables the same schema dict; every mistake says where it is."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from rowstead import ValidationError
from rowstead.kit import builders as b
from rowstead.kit.catalogue import differences, tables_of, to_dict, to_json
from rowstead.tables.schema import Check, Default, ForeignKey, Index, Kind, Rules, Unique

Change = Callable[[dict[str, Any]], Any]


def shop() -> dict[str, Any]:
    """Two tables with one of everything."""
    return {
        "tables": [
            b.table(
                "users",
                1,
                [
                    b.int("id", 1, primary_key=True, default={"sequence": "users_id"}),
                    b.text("email", 2, min_length=3, max_length=80, regex="@"),
                    b.text("role", 3, enum_values=["admin", "user"], default={"static": "user"}),
                    b.column("age", 4, "int8", nullable=True, min=0, max=120.5, check_expr="age != 13"),
                    b.datetime("made", 5, default="now", generated=True),
                    b.uuid("token", 6, default="uuid"),
                    b.embedding("face", 7, 3, nullable=True),
                    b.text("code", 8, default={"custom_name": "code"}),
                ],
                "id",
                indexes=[b.index("by_role", ["role", "age"]), b.index("one_token", "token", unique=True)],
                unique_constraints=[b.unique("uq_email", "email")],
                check_constraints=[b.check("grown", "age >= 18 OR role = 'user'")],
            ),
            b.table(
                "posts",
                2,
                [
                    b.int("user_id", 1, primary_key=True),
                    b.int("nr", 2, primary_key=True),
                    b.text("email", 3, nullable=True),
                ],
                ["user_id", "nr"],
                foreign_keys=[
                    b.fk("fk_user", "user_id", "users", "id", "cascade"),
                    b.fk("fk_email", "email", "users", "email", "set_null", on_update="cascade"),
                ],
            ),
        ]
    }


def test_everything_of_a_schema_is_in_its_tables() -> None:
    users, posts = tables_of(shop()).values()
    assert (users.name, users.number, users.key, users.all[:2]) == ("users", 1, ("id",), ("id", "email"))
    assert posts.key == ("user_id", "nr")
    age = users.columns["age"]
    assert (age.kind, age.size, age.storage, age.nullable, age.number) == (Kind.INT, 8, "int8", True, 4)
    assert age.rules == Rules(min=0, max=120.5)
    assert users.columns["email"].rules == Rules(min_length=3, max_length=80, pattern="@")
    assert users.columns["face"].rules == Rules(min_length=3, max_length=3)
    assert [c.default for c in users.columns.values()] == [
        Default("sequence", "users_id"),
        None,
        Default("static", "user"),
        None,
        Default("now"),
        Default("uuid"),
        None,
        Default("custom", "code"),
    ]
    assert users.columns["made"].generated
    assert users.uniques == (Unique("uq_email", ("email",)),)
    assert users.indexes == (
        Index("by_role", ("role", "age")),
        Index("one_token", ("token",), unique=True),
    )
    assert [(c.name, c.column) for c in users.checks] == [("age_check", "age"), ("grown", None)]
    assert posts.foreign_keys == (
        ForeignKey("fk_user", ("user_id",), "users", ("id",), "cascade"),
        ForeignKey("fk_email", ("email",), "users", ("email",), "set_null", "cascade"),
    )
    assert [u.name for u in users.unique_keys()] == ["users_pkey", "uq_email", "one_token"]


def test_a_schema_may_be_json_or_made_of_dataclasses() -> None:
    assert to_dict(tables_of(json.dumps(shop()))) == to_dict(tables_of(shop()))
    table = b.Table(1, "t", [b.Column(1, "id", "int64")], "id")
    assert tables_of({"tables": [table]})["t"].key == ("id",)


def test_tables_become_the_schema_again() -> None:
    schema = shop()
    assert to_dict(tables_of(schema)) == schema
    assert to_dict(tables_of(to_json(tables_of(schema)))) == schema


def test_a_constant_default_of_bytes_has_a_form_in_json() -> None:
    schema = {
        "tables": [b.table("t", 1, [b.int("id", 1), b.bytes_col("raw", 2, default={"static": b"ab"})], "id")]
    }
    assert json.loads(to_json(tables_of(schema)))["tables"][0]["columns"][1]["default"] == {
        "static": [97, 98]
    }


def test_kit_d02_a_composite_primary_key_is_a_key() -> None:
    assert tables_of(shop())["posts"].key == ("user_id", "nr")


def test_kit_d18_a_foreign_key_may_refer_to_any_unique_key() -> None:
    schema = shop()
    fks = schema["tables"][1]["foreign_keys"]
    schema["tables"][1]["columns"].append(b.uuid("token", 9, nullable=True))
    fks.append(b.fk("fk_token", "token", "users", "token"))
    assert tables_of(schema)["posts"].foreign_keys[2].references == ("token",)


def test_kit_d19_a_timestamp_may_default_to_now() -> None:
    column = b.timestamp("at", 2, default="now")
    made = tables_of({"tables": [b.table("t", 1, [b.int("id", 1), column], "id")]})
    assert made["t"].columns["at"].default == Default("now")


def users(schema: dict[str, Any]) -> dict[str, Any]:
    return schema["tables"][0]


def email(schema: dict[str, Any]) -> dict[str, Any]:
    return schema["tables"][0]["columns"][1]


def posts(schema: dict[str, Any]) -> dict[str, Any]:
    return schema["tables"][1]


MISTAKES: dict[str, tuple[Change, str]] = {
    "no tables": (lambda s: s.pop("tables"), "'tables' is missing"),
    "unknown key": (lambda s: s.update(table=[]), "did you mean 'tables'"),
    "tables no list": (lambda s: s.update(tables={}), "a list is expected, not dict"),
    "table no dict": (lambda s: s["tables"].append("users"), "a dict is expected, not str"),
    "table name twice": (lambda s: posts(s).update(name="Users"), "table 'Users' is there twice"),
    "table id twice": (lambda s: posts(s).update(id=1), "the table id 1 is there twice"),
    "empty table name": (lambda s: users(s).update(name=""), "not empty"),
    "name with a dot": (lambda s: users(s).update(name="a.b"), "has a dot"),
    "long name": (lambda s: email(s).update(name="é" * 32), "over 63 bytes"),
    "reserved name": (lambda s: users(s).update(name="__kit_x"), "begin with '__kit_'"),
    "own name": (lambda s: users(s).update(name="_rowstead_schema"), "begin with '_rowstead'"),
    "negative id": (lambda s: users(s).update(id=-1), "from 0 to 65534"),
    "id too large": (lambda s: email(s).update(id=65_535), "from 0 to 65534"),
    "id no number": (lambda s: email(s).update(id=True), "from 0 to 65534"),
    "column id twice": (lambda s: email(s).update(id=1), "the column id 1 is there twice"),
    "column twice": (lambda s: email(s).update(name="ID"), "column 'ID' is there twice"),
    "no columns": (lambda s: users(s).update(columns=[]), "at least one column"),
    "unknown column key": (lambda s: email(s).update(encrypted=True), "there is no 'encrypted'"),
    "missing storage": (lambda s: email(s).pop("storage_type"), "'storage_type' is missing"),
    "unknown storage": (lambda s: email(s).update(storage_type="txt"), "did you mean 'text'"),
    "flag": (lambda s: email(s).update(nullable=1), "nullable is true or false"),
    "key column": (lambda s: users(s).update(primary_key="ident"), "there is no column 'ident'"),
    "empty key": (lambda s: users(s).update(primary_key=[]), "at least one column"),
    "key column twice": (lambda s: users(s).update(primary_key=["id", "id"]), "there twice"),
    "nullable key": (lambda s: users(s).update(primary_key=["id", "age"]), "column 'age' is nullable"),
    "flag without key": (lambda s: email(s).update(primary_key=True), "has primary_key=True"),
    "key of json": (
        lambda s: (
            posts(s)["columns"].append(b.json_col("j", 9)),
            posts(s).update(primary_key=["user_id", "nr", "j"]),
        ),
        "which is no key",
    ),
    "unknown default": (lambda s: email(s).update(default=5), "a default is"),
    "default kind": (lambda s: email(s).update(default={"sequense": "x"}), "a default is"),
    "static of another type": (lambda s: email(s).update(default={"static": 5}), "takes a str, not int"),
    "static breaks its rule": (lambda s: email(s).update(default={"static": "@"}), "length of at least 3"),
    "now on a number": (lambda s: users(s)["columns"][0].update(default="now"), "'now' makes no int64"),
    "uuid on a number": (lambda s: users(s)["columns"][0].update(default="uuid"), "'uuid' makes no int64"),
    "sequence on text": (lambda s: email(s).update(default={"sequence": "x"}), "'sequence' makes no text"),
    "min no number": (lambda s: email(s).update(min="a"), "min is a number"),
    "min over max": (lambda s: email(s).update(min=2, max=1), "min 2 is greater than max 1"),
    "length negative": (lambda s: email(s).update(min_length=-1), "not negative"),
    "lengths": (lambda s: email(s).update(min_length=90), "min_length 90 is greater than max_length 80"),
    "regex": (lambda s: email(s).update(regex="("), "cannot be used"),
    "look-ahead": (lambda s: email(s).update(regex="(?=a)"), "look-ahead is not supported"),
    "enum": (lambda s: email(s).update(enum_values="ab"), "a list is expected, not str"),
    "no dimensions": (lambda s: users(s)["columns"][6].pop("embedding_dim"), "embedding_dim"),
    "check": (lambda s: email(s).update(check_expr="email >"), "is missing"),
    "check names no column": (lambda s: email(s).update(check_expr="mail = 'a'"), "did you mean 'email'"),
    "check name twice": (
        lambda s: users(s)["check_constraints"].append(b.check("age_check", "age > 0")),
        "constraint 'age_check' is there twice",
    ),
    "index column": (lambda s: users(s)["indexes"].append(b.index("i", "rol")), "did you mean 'role'"),
    "index kind": (lambda s: users(s)["indexes"].append(b.index("i", "role", kind="odd")), "no kind 'odd'"),
    "index name twice": (lambda s: users(s)["indexes"].append(b.index("uq_email", "role")), "twice"),
    "unique column": (lambda s: users(s)["unique_constraints"].append(b.unique("u", "x")), "no column 'x'"),
    "unique without columns": (
        lambda s: users(s)["unique_constraints"].append(b.unique("u", [])),
        "at least one",
    ),
    "fk column": (lambda s: posts(s)["foreign_keys"][0].update(columns=["x"]), "no column 'x'"),
    "fk table": (lambda s: posts(s)["foreign_keys"][0].update(references_table="user"), "mean 'users'"),
    "fk reference": (lambda s: posts(s)["foreign_keys"][0].update(references_columns=["x"]), "no column 'x'"),
    "fk not unique": (
        lambda s: posts(s)["foreign_keys"][0].update(references_columns=["age"]),
        "is no primary key and not unique",
    ),
    "fk number": (
        lambda s: posts(s)["foreign_keys"][0].update(references_columns=["id", "email"]),
        "1 columns cannot refer to 2",
    ),
    "fk type": (
        lambda s: posts(s)["foreign_keys"][0].update(references_columns=["email"]),
        "is int64 and users.email is text",
    ),
    "fk action": (lambda s: posts(s)["foreign_keys"][0].update(on_delete="set null"), "mean 'set_null'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_a_validation_error_that_says_where(name: str) -> None:
    change, expected = MISTAKES[name]
    schema = copy.deepcopy(shop())
    change(schema)
    with pytest.raises(ValidationError, match="schema") as raised:
        tables_of(schema)
    assert expected in str(raised.value)


@pytest.mark.parametrize("schema", [None, [], 5, "{", "[]", b"\xff"])
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(ValidationError, match="schema"):
        tables_of(schema)


def test_names_that_would_meet_in_the_database_are_refused() -> None:
    one = b.table("a", 1, [b.int("id", 1)], "id", indexes=[b.index("b_x", "id")])
    other = b.table("a_b", 2, [b.int("id", 1)], "id", indexes=[b.index("x", "id")])
    with pytest.raises(ValidationError, match="'a_b_x' is there twice"):
        tables_of({"tables": [one, other]})


def test_the_same_name_in_two_tables_is_fine() -> None:
    parts: Any = {"indexes": [b.index("by", "id")], "unique_constraints": [b.unique("uq", "id")]}
    tables = [b.table(name, nr, [b.int("id", 1)], "id", **parts) for nr, name in enumerate(("a", "b"))]
    assert list(tables_of({"tables": tables})) == ["a", "b"]


def test_differences_are_said_in_words() -> None:
    old, new = shop(), shop()
    assert differences(tables_of(old), tables_of(new)) == []
    email(new).update(storage_type="json", default={"static": {}})
    for key in ("min_length", "max_length", "regex"):
        del email(new)[key]
    users(new)["unique_constraints"] = []
    posts(new)["foreign_keys"].pop()
    users(new)["indexes"].append(b.index("by_age", "age"))
    new["tables"].append(b.table("tags", 3, [b.int("id", 1)], "id"))
    assert differences(tables_of(old), tables_of(new)) == [
        "table 'posts': foreign key 'fk_email' is gone",
        "table 'tags' is new",
        "table 'users': column 'email': default was None and is {'static': {}}",
        "table 'users': column 'email': max_length was 80 and is None",
        "table 'users': column 'email': min_length was 3 and is None",
        "table 'users': column 'email': regex was '@' and is None",
        "table 'users': column 'email': storage_type was 'text' and is 'json'",
        "table 'users': index 'by_age' is new",
        "table 'users': unique constraint 'uq_email' is gone",
    ]


def test_the_check_of_a_column_keeps_its_text() -> None:
    (check, _) = tables_of(shop())["users"].checks
    assert isinstance(check, Check)
    assert check.expression == "age != 13"
