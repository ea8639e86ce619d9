"""Groups by a column that has no order: they come, ordered by the other columns."""

from __future__ import annotations

from typing import Any

import pytest

from kit.conftest import Make
from rowstead.kit import ValidationError, agg, json_col, table
from rowstead.kit import int as int_


def test_rows_are_grouped_by_json(make: Make) -> None:
    columns = [int_("id", 1, primary_key=True), json_col("j", 2, nullable=True), int_("n", 3)]
    db = make({"tables": [table("t", 1, columns, "id")]})
    tags: list[Any] = [{"a": 1, "b": 2}, {"b": 2, "a": 1}, None, [1], None]
    with db.begin() as txn:
        txn.insert_many("t", [{"id": n, "j": tag, "n": -n // 3} for n, tag in enumerate(tags)])
        groups = txn.aggregate("t", [agg("count", "c")], group_by="j")
        assert sorted((str(row["j"]), row["c"]) for row in groups) == [
            ("None", 2),
            ("[1]", 1),
            ("{'a': 1, 'b': 2}", 2),
        ]
        both = txn.aggregate("t", [agg("count", "c")], group_by=["j", "n"])
        assert [row["n"] for row in both] == sorted(row["n"] for row in both)
        assert len(both) == 5
        with pytest.raises(ValidationError, match="cannot be ordered by 'j'"):
            txn.aggregate("t", [agg("count", "c")], group_by="j", order="j")
