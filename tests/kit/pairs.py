"""Random pairs of schemas, the rows in the first, and the operations that lead to the second.

Every pair comes of a seed. Rows fit both schemas, so a migration that loses or refuses one is wrong.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from rowstead.kit import builders

Row = dict[str, Any]

TYPES = ("int64", "int16", "text", "bool", "float64", "date", "decimal128", "json")
ACTIONS = ("restrict", "cascade", "set_null")
WIDER = {
    "int16": "int64",
    "int64": "text",
    "int32": "int64",
    "date": "text",
    "bool": "text",
    "float64": "text",
}
"""Types whose every value becomes one of the other type, with how it does in `_changed`."""


@dataclass
class Pair:
    """Two schemas, and how one becomes the other."""

    old: dict[str, Any]
    new: dict[str, Any]
    rows: dict[str, list[Row]]
    expected: dict[str, list[Row]]
    migrations: list[dict[str, Any]] = field(default_factory=list)


class Maker:
    """Makes one pair of a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.ids = 0
        self.tables: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[Row]] = {}
        self.ops: list[dict[str, Any]] = []
        self.started = False

    def pair(self) -> Pair:
        for _ in range(self.random.randint(2, 4)):
            self._new_table(filled=True)
        self.ops.clear()
        self.started = True
        old, rows = copy.deepcopy(self._schema()), copy.deepcopy(self.rows)
        for _ in range(self.random.randint(2, 8)):
            self.random.choice(EDITS)(self)
        cut = self.random.randint(0, len(self.ops))
        parts = [part for part in (self.ops[:cut], self.ops[cut:]) if part]
        migrations = [{"version": n, "name": f"m{n}", "ops": part} for n, part in enumerate(parts, 1)]
        return Pair(old, self._schema(), rows, self.rows, migrations)

    # Making

    def _schema(self) -> dict[str, Any]:
        return {"tables": list(self.tables.values())}

    def _number(self) -> int:
        self.ids += 1
        return self.ids

    def _name(self, letter: str) -> str:
        # Names that must be quoted come too.
        end = self.random.choice(("", "", "", " x", "é", "-%"))
        return f"{letter}{self._number()}{end}"

    def _column(self, **options: Any) -> dict[str, Any]:
        storage = self.random.choice(TYPES)
        given = {"nullable": self.random.random() < 0.5, **options}
        if storage == "int64" and self.random.random() < 0.4:
            given["min"] = -1000
        if storage == "text" and self.random.random() < 0.4:
            given["max_length"] = 50
        return builders.column(self._name("c"), self._number(), storage, **given)

    def _key(self, storage: str) -> dict[str, Any]:
        return builders.column(self._name("k"), self._number(), storage, nullable=False)

    def _value(self, column: dict[str, Any], place: int) -> Any:
        """A value that no other row has, where the type allows that; or None."""
        if column["nullable"] and self.random.random() < 0.3:
            return None
        match column["storage_type"]:
            case "int64" | "int16":
                return place * 3 + 1
            case "text":
                return f"s{place}'\t%"
            case "bool":
                return place % 2 == 0
            case "float64":
                return place + 0.5
            case "date":
                return f"2024-01-{place % 28 + 1:02d}"
            case "decimal128":
                return f"{place}.25"
            case _:
                return {"n": place}

    def _new_table(self, filled: bool) -> str:
        name = self._name("t")
        key = [self._key("int64")]
        if self.random.random() < 0.4:
            key.append(self._key(self.random.choice(("int64", "text", "date"))))
        columns = [*key, *(self._column() for _ in range(self.random.randint(1, 4)))]
        self.random.shuffle(columns)
        names = [column["name"] for column in key]
        self.tables[name] = builders.table(name, self._number(), columns, names)
        self.rows[name] = []
        for place in range(1, self.random.randint(1, 6) if filled else 1):
            row = {c["name"]: self._value(c, place) for c in columns}
            # Of a key of two columns no one is unique by itself.
            self.rows[name].append(row | {names[0]: place // len(names)})
        for _ in range(self.random.randint(0, 4)):
            self.random.choice((_index, _unique, _check, _foreign_key, _foreign_key))(self, name)
        return name

    def some_table(self) -> str | None:
        return self.random.choice(list(self.tables)) if self.tables else None

    def some_column(self, table: str) -> dict[str, Any] | None:
        key = self.tables[table]["primary_key"]
        columns = [c for c in self.tables[table]["columns"] if c["name"] not in key]
        return self.random.choice(columns) if columns else None

    def keys_to(self, table: str, column: str | None = None) -> list[Any]:
        return [
            key
            for other in self.tables.values()
            for key in other["foreign_keys"]
            if key["references_table"] == table and (column is None or column in key["references_columns"])
        ]

    def done(self, kind: str, body: Any) -> None:
        self.ops.append({kind: body})


def _index(maker: Maker, name: str) -> None:
    column = maker.some_column(name)
    if column is None or column["storage_type"] == "json":
        return
    unique = maker.random.random() < 0.3 and _is_unique(maker, name, column)
    made = builders.index(maker._name("i"), [column["name"]], unique=unique)
    maker.tables[name]["indexes"].append(made)
    maker.done("add_index", {"table": name, "index": made["name"]})


def _is_unique(maker: Maker, name: str, *columns: dict[str, Any]) -> bool:
    values = [[row[column["name"]] for column in columns] for row in maker.rows[name]]
    known = [str(some) for some in values if None not in some]
    return len(known) == len(set(known))


def _unique(maker: Maker, name: str) -> None:
    """One on any columns: also on the key, or on columns that are unique already."""
    table = maker.tables[name]
    possible = [column for column in table["columns"] if column["storage_type"] != "json"]
    columns = maker.random.sample(possible, min(len(possible), maker.random.choice((1, 1, 2))))
    there = [part["columns"] for part in table["unique_constraints"]] + [table["primary_key"]]
    if maker.random.random() < 0.2:
        again = maker.random.choice(there)
        columns = [next(c for c in table["columns"] if c["name"] == part) for part in again]
    if not columns or not _is_unique(maker, name, *columns):
        return
    made = builders.unique(maker._name("u"), [column["name"] for column in columns])
    table["unique_constraints"].append(made)
    maker.done("add_unique", {"table": name, "constraint": made["name"]})


def _check(maker: Maker, name: str) -> None:
    column = maker.some_column(name)
    if column is None or column["storage_type"] not in ("int64", "int16", "float64"):
        return
    if not column["name"].replace("_", "").isalnum():
        return
    made = builders.check(maker._name("x"), f"{column['name']} > -5 OR {column['name']} = -7")
    maker.tables[name]["check_constraints"].append(made)
    maker.done("add_check", {"table": name, "constraint": made["name"]})


def _foreign_key(maker: Maker, name: str) -> None:
    """New columns with a foreign key to the primary key or a unique one of any table, with children in it."""
    other = maker.some_table() or name
    keys = _unique_keys(maker.tables[other])
    references = maker.random.choice([keys[0], keys[-1], keys[-1]])
    types = {column["name"]: column["storage_type"] for column in maker.tables[other]["columns"]}
    columns: list[str] = []
    for referred in references:
        column = builders.column(maker._name("f"), maker._number(), types[referred], nullable=True)
        maker.tables[name]["columns"].append(column)
        maker.done("add_column", {"table": name, "column": column["name"]})
        columns.append(column["name"])
    for place, row in enumerate(maker.rows[name]):
        # Rows of the first schema refer; a column that is added later holds nothing yet.
        parents = maker.rows[other][: place + 1] if other == name else maker.rows[other]
        keys = [[parent[referred] for referred in references] for parent in parents]
        known = [key for key in keys if None not in key]
        nothing = [None] * len(columns)
        values = nothing if maker.started else maker.random.choice([nothing, *known, *known])
        row.update(zip(columns, values, strict=True))
    action, update = maker.random.choice(ACTIONS), maker.random.choice(ACTIONS)
    made = builders.fk(maker._name("r"), columns, other, references, on_delete=action, on_update=update)
    maker.tables[name]["foreign_keys"].append(made)
    maker.done("add_foreign_key", {"table": name, "constraint": made["name"]})


def _unique_keys(table: dict[str, Any]) -> list[list[str]]:
    """The columns of each key that a foreign key can refer to."""
    uniques = [*table["unique_constraints"], *(index for index in table["indexes"] if index.get("unique"))]
    return [table["primary_key"], *(part["columns"] for part in uniques)]


def _add_table(maker: Maker) -> None:
    before = list(maker.ops)
    name = maker._new_table(filled=False)
    maker.ops[:] = [*before, {"create_table": {"name": name}}]


def _drop_table(maker: Maker) -> None:
    name = maker.some_table()
    if name is None or len(maker.tables) < 2:
        return
    for other in maker.tables.values():
        for key in [k for k in other["foreign_keys"] if k["references_table"] == name]:
            if other["name"] != name:
                other["foreign_keys"].remove(key)
                maker.done("drop_foreign_key", {"table": other["name"], "constraint": key["name"]})
    del maker.tables[name], maker.rows[name]
    maker.done("drop_table", {"name": name})


def _add_column(maker: Maker) -> None:
    name = maker.some_table()
    if name is None:
        return
    column = maker._column()
    if maker.random.random() < 0.5 or not column["nullable"]:
        column["default"] = {"static": maker._value({**column, "nullable": False}, 7)}
    maker.tables[name]["columns"].append(column)
    for row in maker.rows[name]:
        row[column["name"]] = column.get("default", {}).get("static")
    maker.done("add_column", {"table": name, "column": column["name"]})


def _drop_column(maker: Maker) -> None:
    name = maker.some_table()
    column = maker.some_column(name) if name else None
    if name is None or column is None or maker.keys_to(name, column["name"]):
        return
    table = maker.tables[name]
    table["columns"].remove(column)
    for parts in ("indexes", "unique_constraints", "foreign_keys"):
        table[parts] = [part for part in table[parts] if column["name"] not in part["columns"]]
    table["check_constraints"] = [
        c for c in table["check_constraints"] if column["name"] not in c["expr"].split()
    ]
    for row in maker.rows[name]:
        del row[column["name"]]
    maker.done("drop_column", {"table": name, "column": column["name"]})


def _rename_column(maker: Maker) -> None:
    name = maker.some_table()
    if name is None:
        return
    table = maker.tables[name]
    column = maker.random.choice(table["columns"])
    old, new = column["name"], f"n{maker._number()}"
    column["name"] = new
    swap: Callable[[list[str]], list[str]] = lambda names: [new if n == old else n for n in names]  # noqa: E731
    table["primary_key"] = swap(table["primary_key"])
    for parts in ("indexes", "unique_constraints", "foreign_keys"):
        for part in table[parts]:
            part["columns"] = swap(part["columns"])
    for check in table["check_constraints"]:
        check["expr"] = " ".join(swap(check["expr"].split()))
    for key in maker.keys_to(name):
        key["references_columns"] = swap(key["references_columns"])
    maker.rows[name] = [{new if c == old else c: v for c, v in row.items()} for row in maker.rows[name]]
    # Operations name things as the schema given has them in the end.
    maker.done("alter_column", {"table": name, "column": old})


def _widen(maker: Maker) -> None:
    name = maker.some_table()
    column = maker.some_column(name) if name else None
    if name is None or column is None or column["storage_type"] not in WIDER or "min" in column:
        return
    table = maker.tables[name]
    if any(column["name"] in key["columns"] for key in table["foreign_keys"]) or "default" in column:
        return
    if maker.keys_to(name, column["name"]):
        return
    if any(column["name"] in check["expr"].split() for check in table["check_constraints"]):
        return
    old = column["storage_type"]
    column["storage_type"] = column["application_type"] = WIDER[old]
    for row in maker.rows[name]:
        row[column["name"]] = _changed(row[column["name"]], old)
    maker.done("alter_column", {"table": name, "column": column["name"]})


def _changed(value: Any, old: str) -> Any:
    if value is None or old in ("int16", "int32"):
        return value
    return str(value).lower() if old == "bool" else str(value)


def _nullability(maker: Maker) -> None:
    name = maker.some_table()
    column = maker.some_column(name) if name else None
    if name is None or column is None:
        return
    if column["nullable"]:
        sets_null = any(
            column["name"] in key["columns"] and "set_null" in (key["on_delete"], key["on_update"])
            for key in maker.tables[name]["foreign_keys"]
        )
        if sets_null or any(row[column["name"]] is None for row in maker.rows[name]):
            return
    column["nullable"] = not column["nullable"]
    maker.done("alter_column", {"table": name, "column": column["name"]})


def _rules(maker: Maker) -> None:
    name = maker.some_table()
    column = maker.some_column(name) if name else None
    if name is None or column is None or column["storage_type"] not in ("int64", "float64", "text"):
        return
    if column["storage_type"] == "text":
        column["max_length"] = maker.random.choice((60, 70))
        column["regex"] = "."
    else:
        column["min"], column["max"] = -2000, maker.random.choice((10_000, 20_000))
    maker.done("alter_column", {"table": name, "column": column["name"]})


def _drop_part(maker: Maker) -> None:
    name = maker.some_table()
    if name is None:
        return
    kinds = {
        "indexes": ("drop_index", "index"),
        "unique_constraints": ("drop_unique", "constraint"),
        "foreign_keys": ("drop_foreign_key", "constraint"),
        "check_constraints": ("drop_check", "constraint"),
    }
    there = [(parts, part) for parts in kinds for part in maker.tables[name][parts]]
    if not there:
        return
    parts, part = maker.random.choice(there)
    referred = [set(key["references_columns"]) for key in maker.keys_to(name)]
    if parts in ("indexes", "unique_constraints") and set(part["columns"]) in referred:
        return
    maker.tables[name][parts].remove(part)
    kind, field_ = kinds[parts]
    maker.done(kind, {"table": name, field_: part["name"]})


def _add_part(maker: Maker) -> None:
    name = maker.some_table()
    if name is not None:
        maker.random.choice((_index, _unique, _check, _foreign_key))(maker, name)


EDITS: tuple[Callable[[Maker], None], ...] = (
    _add_table,
    _drop_table,
    _add_column,
    _add_column,
    _drop_column,
    _rename_column,
    _widen,
    _nullability,
    _rules,
    _drop_part,
    _add_part,
    _add_part,
)
