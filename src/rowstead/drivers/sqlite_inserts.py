"""An INSERT of one row as one of several, which SQLite carries out in half the time."""

from __future__ import annotations

import re
from functools import lru_cache

ROWS_AT_ONCE = 50
"""Rows in one INSERT of many: costs half of one for each; of twice as many rows, a twentieth less."""
MOST_PARAMETERS = 999
"""Parameters that every build of SQLite takes."""

_INSERT_OF_VALUES = re.compile(r"(INSERT INTO [^()?']+ \([^()?']+\) VALUES )(\(\?(?:, \?)*\))\Z")


@lru_cache(maxsize=256)
def of_several_rows(text: str) -> tuple[str, int] | None:
    """An INSERT of one row as one of as many rows as are worth it; None for any other text."""
    found = _INSERT_OF_VALUES.match(text)
    if found is None:
        return None
    at_once = min(ROWS_AT_ONCE, MOST_PARAMETERS // found[2].count("?"))
    return (found[1] + ", ".join([found[2]] * at_once), at_once) if at_once > 1 else None
