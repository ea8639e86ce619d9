"""A statement's plan, as the database tells it. Runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rowstead.dialects import Dialect
from rowstead.plan import Call, Record


def explain(dialect: Dialect, call: Call[Any]) -> Call[str]:
    """The statement that asks for another's plan, read as lines of text."""

    def read_plan(records: Sequence[Record]) -> str:
        return "\n".join(str(record[-1]) for record in records)

    return Call(f"{dialect.explain} {call.text}", call.params, read_plan, table=call.table)
