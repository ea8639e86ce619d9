"""What migrations of operations need of those who keep the schema and know its defaults.

Protocols only; a face brings what fulfils them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from rowstead.plan import Plan
from rowstead.tables.schema import Column, Table


class SchemaStore(Protocol):
    """Where the description of the tables is kept, in the same database as they."""

    def load(self) -> Plan[Mapping[str, Table]]:
        """The tables as they are. Asked under the migrations' lock, and again in each transaction."""
        ...

    def save(self, tables: Mapping[str, Table]) -> Plan[None]:
        """Keep what a migration made of them; called in its transaction, at the end."""
        ...


Fill: TypeAlias = Callable[[Table, Column, int], Plan[Sequence[Any]]]
"""So many values of a column's default, as an insert of so many rows would take them."""
