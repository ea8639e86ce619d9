"""The record of the states format, `db_info`: one row says which state the database is at.

It answers for that table's shape and statements, and for what its number means beside our ledger's rows.
The table is kept in step with the ledger so that another tool that knows only it can go on, and what that
has applied is adopted. Its states only rise: a number below ours was set by hand, and a person decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Column, MetaData, Table, Text, cast, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import CreateTable

from rowstead.errors import MigrationError, UsageError
from rowstead.migrations.ledger import LEDGER, Calls, Entry
from rowstead.plan import Call, Plan

TABLE = "db_info"
KEY = "state"
NONE = -1
"""The state of a database to which none was applied."""


class StatesLedger:
    """The statements on `db_info`, a table of keys and values without a primary key."""

    def __init__(self, calls: Calls, schema: str | None) -> None:
        self._calls = calls
        self._table = Table(
            TABLE,
            MetaData(schema=schema),
            Column("key", Text),
            Column("value", JSON().with_variant(JSONB(), "postgresql")),
        )

    def create(self) -> Call[Any]:
        """Make the table, which is not there."""
        return self._calls.define(CreateTable(self._table, if_not_exists=True))

    def state(self) -> Plan[int | None]:
        """The number of the state; None: there is no row. Raises MigrationError: the row holds no number."""
        c = self._table.c
        # As text: drivers differ in what they make of JSON.
        rows = yield self._calls.read(select(cast(c.value, Text)).where(c.key == KEY))
        return max((_number(value) for (value,) in rows), default=None)

    def fill(self, state: int) -> Plan[None]:
        """Give a table without the row its row."""
        yield self._calls.write(insert(self._table).values(key=KEY, value=self._json(state)))

    def add(self, ids: Iterable[str]) -> Plan[None]:
        """Note states as applied: the last one is what the database is at."""
        for id in ids:
            change = update(self._table).where(self._table.c.key == KEY).values(value=self._json(int(id)))
            yield self._calls.write(change)

    def remove(self, id: str) -> Plan[None]:
        """States are never undone. Raises UsageError."""
        raise UsageError(f"state {id} has no way back: states go forth only; undo it by a new state")

    def _json(self, state: int) -> Any:
        # By way of text, which every driver sends as it is. Elsewhere a text is JSON as it stands.
        return cast(cast(literal(str(state)), Text), Text().with_variant(JSONB(), "postgresql"))


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Our ledger's entries with what another tool has applied since."""

    entries: Mapping[str, Entry]
    state: int
    adopted: Sequence[str]
    """What another tool has applied, and our ledger does not know as such."""


def reconcile(entries: Mapping[str, Entry], state: int | None, known: Sequence[str]) -> Reconciled:
    """What holds where our ledger has these entries, `db_info` says `state` (None: nothing) and the file
    has the states `known`.

    Pure. A state that we were applying when we were interrupted is known to us only, unless another tool has
    come past it. Raises MigrationError: `db_info` says less than was applied.
    """
    ours = highest(entries)
    if state is None:
        state = ours
    if state < ours:
        raise MigrationError(_set_back(entries, state, ours))
    between = [id for id in known if ours < int(id) < state]
    adopted = [*between, str(state)] if ours < state else []
    return Reconciled({**entries, **{id: Entry(id, None, None) for id in adopted}}, state, adopted)


def highest(entries: Mapping[str, Entry]) -> int:
    """The last state that is applied as a whole."""
    whole = (id for id, entry in entries.items() if entry.progress is None)
    # A person may have written other rows.
    return max((int(id) for id in whole if id.isdecimal()), default=NONE)


def _number(value: Any) -> int:
    try:
        number = json.loads(value)
    except (TypeError, ValueError):
        number = None
    if not isinstance(number, int) or isinstance(number, bool):
        raise MigrationError(
            f"the table {TABLE} says that the state is {value!r}, which is no whole number; nothing was "
            f"applied. Give its row with the key {KEY!r} the last applied state's id ({NONE}: none)"
        )
    return number


def _set_back(entries: Mapping[str, Entry], state: int, ours: int) -> str:
    above = [id for id in entries if id.isdecimal() and int(id) > state]
    ids = ", ".join(f"'{id}'" for id in above)
    return (
        f"the table {TABLE} says that the database is at state {state}, but by {LEDGER} these are applied, "
        f"too: {', '.join(above)}. Nothing was applied. If they are in the database, give {TABLE} its number "
        f"back: value {ours} in the row with the key {KEY!r}. If they are not and are to be applied again:\n"
        f"  DELETE FROM {LEDGER} WHERE source = 'states' AND filename IN ({ids});"
    )
