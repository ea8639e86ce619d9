"""The kit's own record of migrations, kept in step with the ledger so that its readers find it.

It answers for the table `__kit_schema_migrations` alone; the authority is the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, delete, insert, select
from sqlalchemy.schema import CreateTable

from rowstead.migrations.formats.ops import Version
from rowstead.migrations.ledger import Calls, Entry
from rowstead.plan import Plan

RECORDS = "__kit_schema_migrations"


class Records:
    """The statements on the kit's record table."""

    def __init__(self, calls: Calls, product: str) -> None:
        self._calls = calls
        self._product = product
        self._table = Table(
            RECORDS,
            MetaData(),
            Column("version", BigInteger, primary_key=True, autoincrement=False),
            Column("name", Text, nullable=False),
            Column("checksum", Text, nullable=False),
            Column("applied_at", Text, nullable=False),
            Column("kit_version", Text, nullable=False),
            Column("status", Text, nullable=False),
        )

    def names(self, entries: Mapping[str, Entry]) -> Plan[dict[str, str]]:
        """The names that the applied versions had then, by the ledger's ids; asked only if there are any."""
        if not entries:
            return {}
        records = yield self._calls.read(select(self._table.c.version, self._table.c.name))
        return {str(version): name for version, name in records}

    def add(self, version: Version, moment: str) -> Plan[None]:
        """Note a version as applied, in the transaction that applies it."""
        yield self._calls.define(CreateTable(self._table, if_not_exists=True))
        # A version whose entry in the ledger was forgotten by hand is applied anew.
        yield self._calls.write(delete(self._table).where(self._table.c.version == version.number))
        values = {
            "version": version.number,
            "name": version.name,
            "checksum": version.checksum,
            "applied_at": moment,
            "kit_version": self._product,
            "status": "applied",
        }
        yield self._calls.write(insert(self._table).values(values))
