"""One record of facts per database. Core code asks a fact, never a database's name."""

from __future__ import annotations

from collections.abc import Mapping

from rowstead.dialects.mariadb import MARIADB as MARIADB
from rowstead.dialects.postgresql import POSTGRESQL as POSTGRESQL
from rowstead.dialects.record import ISOLATION_LEVELS as ISOLATION_LEVELS
from rowstead.dialects.record import Dialect as Dialect
from rowstead.dialects.record import Sequences as Sequences
from rowstead.dialects.record import isolation_level as isolation_level
from rowstead.dialects.sqlite import SQLITE as SQLITE

DIALECTS: Mapping[str, Dialect] = {d.name: d for d in (POSTGRESQL, SQLITE, MARIADB)}
