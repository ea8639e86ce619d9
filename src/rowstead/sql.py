"""Statements without a database: `sql.compose("get", User, id=1, placeholder=…)`."""

from rowstead.rows.calls import Query
from rowstead.rows.compose import compose

__all__ = ["Query", "compose"]
