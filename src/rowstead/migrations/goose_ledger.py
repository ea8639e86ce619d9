"""goose's own ledger, `goose_db_version`, kept in step so that goose can go on where Rowstead stopped.

It answers for that table's shape and statements, and for what its rows mean beside our ledger's. The
authority for what is half done is our ledger; for what is applied, whoever wrote last.

Like goose: the first row is version 0; a version that is undone loses its row; of several rows of one
version (older ones of goose noted an undoing as a row that is not applied) the last one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Table, delete, insert, select

from rowstead.migrations.ledger import Calls, Entry
from rowstead.plan import Call, Plan

TABLE = "goose_db_version"


class GooseLedger:
    """The statements on goose's table. `definition` is how goose makes it in this database."""

    def __init__(self, calls: Calls, definition: str, schema: str | None) -> None:
        self._calls = calls
        self._definition = definition
        self._table = Table(
            TABLE,
            MetaData(schema=schema),
            Column("id", Integer),
            Column("version_id", BigInteger),
            Column("is_applied", Boolean),
        )

    def create(self) -> Call[Any]:
        """Make the table, which is not there."""
        return Call(self._definition.format(table=self._calls.quoted(self._table)), writes=True, table=TABLE)

    def applied(self) -> Plan[list[str] | None]:
        """The versions that are applied, in the order in which they were; None: the table has no row."""
        c = self._table.c
        rows = yield self._calls.read(select(c.version_id, c.is_applied).order_by(c.id))
        found: dict[int, None] = {}
        for version, is_applied in rows:
            found.pop(version, None)
            if is_applied:
                found[version] = None
        return [str(version) for version in found if version] if rows else None

    def fill(self, ids: Sequence[str]) -> Plan[None]:
        """Give a table without a row its first one, and those of what is applied."""
        yield from self.add(["0", *ids])

    def add(self, ids: Iterable[str]) -> Plan[None]:
        """Note migrations as applied."""
        for id in ids:
            values = {"version_id": int(id), "is_applied": True}
            yield self._calls.write(insert(self._table).values(values))

    def remove(self, id: str) -> Plan[None]:
        """Note a migration as not applied any more."""
        yield self._calls.write(delete(self._table).where(self._table.c.version_id == int(id)))


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Our ledger's entries with what goose has changed since, and in which respects that differs."""

    entries: Mapping[str, Entry]
    order: Sequence[str]
    """What is applied, in the order in which it was; what is on its way back is among it."""
    adopted: Sequence[str]
    """What goose has applied."""
    gone: Sequence[str]
    """What goose has undone."""


def reconcile(entries: Mapping[str, Entry], applied: Sequence[str] | None) -> Reconciled:
    """What holds where our ledger has these entries and goose's these versions (None: no row at all).

    Pure. A migration that we were applying or undoing when we were interrupted is only known to us, as
    long as goose has not finished it.
    """
    ours = {id for id, entry in entries.items() if entry.progress is None or entry.undoing}
    if applied is None:
        return Reconciled(entries, [id for id in entries if id in ours], [], [])
    theirs = set(applied)
    adopted = [id for id in applied if id not in ours]
    gone = [id for id in entries if id in ours and id not in theirs]
    held = {id: entry for id, entry in entries.items() if id not in gone}
    held |= {id: Entry(id, None, None) for id in adopted}
    return Reconciled(held, list(applied), adopted, gone)
