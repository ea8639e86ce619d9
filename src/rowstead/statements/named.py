"""A user's own text with `:name` parameters: where its values go, and what comes back.

As in every text of a user's that is sent, what stands in literals, quoted names and comments is text. No
type is known of its columns, which come back as the driver gives them; a value travels as in a column of
SQLAlchemy's usual type for it, so that it is found where such a column holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rowstead import raw
from rowstead.errors import ValidationError, did_you_mean
from rowstead.plan import Call
from rowstead.statements.spelled import WRITING, Own, RawRecords, Result, Target, check_word
from rowstead.statements.untyped import encoder_by_value


class NamedText:
    """One text, spelled for a driver. Raises UsageError for what opens or ends a transaction."""

    varies = False
    """Its text never depends on its values."""

    def __init__(self, sql: str, target: Target) -> None:
        numbered, self._names = raw.numbered(sql, target.paramstyle)
        check_word(raw.first_word(sql))
        self._text = raw.prepare(numbered, target.paramstyle)
        self._encode = encoder_by_value(target.codec)
        self.gives_rows = self._text.word not in WRITING or "returning" in sql.lower()
        """Whether it may be a query, or a write that returns."""

    def call(self, params: Mapping[str, Any], _own: Own = None) -> Call[Any]:
        """One execution, with these values. Raises ValidationError where they do not fit."""
        for name in params:
            if name not in self._names:
                raise no_parameter(name, self._names)
        for name in self._names:
            if name not in params:
                raise ValidationError(f"the statement's parameter {name!r} has no value")
        values = [self._encode(params[name]) for name in self._names]
        if self._text.order is not None:
            values = [values[place] for place in self._text.order]
        return Call(self._text.text, values, writes=not self._text.reads, raw=True)

    def result(self, given: RawRecords) -> Result:
        """What it gave."""
        rows = [dict(zip(given.columns, record, strict=True)) for record in given.records]
        return Result(rows, len(rows) if given.count < 0 else given.count)


@lru_cache(maxsize=256)
def named_text(sql: str, target: Target) -> NamedText:
    return NamedText(sql, target)


def no_parameter(name: Any, known: Any) -> ValidationError:
    """The error for a value that no parameter takes."""
    return ValidationError(f"the statement has no parameter {name!r}; {did_you_mean(str(name), known)}")
