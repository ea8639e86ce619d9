"""Makes dicts of records: the readers of tables whose rows are plain dicts.

A reader's body is generated, once per statement, as a dict display in a list comprehension (as
`collections.namedtuple` generates its methods): one pass, and no Python at all for a value that needs
no decoder. For 10,000 joined rows that is the speed of `fetchall` and one flat dict each, where
`dict(zip(…))` costs 1.4 of it. Of a name nothing but its `repr` stands in the generated text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rowstead.errors import RowError
from rowstead.plan import Record
from rowstead.tables.schema import Decode

ReadAll = Callable[[Sequence[Record]], list[dict[str, Any]]]


class Side(NamedTuple):
    """One part of a joined row: its keys with the places of their values, and how a missing one is seen."""

    keys: Mapping[str, int]
    never_null: int | None = None
    """The place of a value that only a missing side has as None; None: the side is never missing."""


def dict_rows(names: Sequence[str], decoders: Sequence[Decode]) -> ReadAll:
    """A reader of records with these names into dicts; of two equal names the last gives the value."""
    display = _display({name: place for place, name in enumerate(names)}, decoders)
    return _reader(display, dict(enumerate(names)), decoders)


def nested_rows(sides: Mapping[str, Side], decoders: Sequence[Decode]) -> ReadAll:
    """A reader into `{side: dict | None}`; a missing side is None."""
    parts = [f"{_text(name)}: {_side(side, decoders)}" for name, side in sides.items()]
    names = {place: key for side in sides.values() for key, place in side.keys.items()}
    return _reader("{" + ", ".join(parts) + "}", names, decoders)


def _side(side: Side, decoders: Sequence[Decode]) -> str:
    display = _display(side.keys, decoders)
    return display if side.never_null is None else f"None if v{side.never_null} is None else {display}"


def _display(keys: Mapping[str, int], decoders: Sequence[Decode]) -> str:
    def value(place: int) -> str:
        return f"v{place}" if decoders[place] is None else f"d{place}(v{place})"

    return "{" + ", ".join(f"{_text(name)}: {value(place)}" for name, place in keys.items()) + "}"


def _text(name: str) -> str:
    # A subclass of str may say anything of itself.
    return str.__repr__(name)


def _reader(display: str, names: Mapping[int, str], decoders: Sequence[Decode]) -> ReadAll:
    if not decoders:
        return lambda records: [{} for _ in records]
    variables = "".join(f"v{place}, " for place in range(len(decoders)))
    given = {f"d{place}": decode for place, decode in enumerate(decoders) if decode is not None}
    source = f"lambda records: [{display} for {variables}in records]"
    make: ReadAll = eval(compile(source, "<rows as dicts>", "eval"), given)
    width = len(decoders)

    def read(records: Sequence[Record]) -> list[dict[str, Any]]:
        if records and len(records[0]) > width:
            # A page's records end in the count of all rows.
            records = [record[:width] for record in records]
        return make(records)

    return read if not given else _telling(read, names, decoders)


UNREADABLE = (ValueError, ArithmeticError, TypeError, LookupError, AttributeError, RecursionError)
"""What a decoder raises for a value that it has no reading of; a user's own type may be one."""


def _telling(read: ReadAll, names: Mapping[int, str], decoders: Sequence[Decode]) -> ReadAll:
    """The reader, with an error of ours where a stored value is not what its column holds."""

    def read_or_tell(records: Sequence[Record]) -> list[dict[str, Any]]:
        try:
            return read(records)
        except UNREADABLE as error:
            name = names.get(_unreadable(records, decoders))
            of_column = "its column" if name is None else f"column {name!r}"
            raise RowError(
                f"a stored value is not what {of_column} holds ({type(error).__name__} while reading it). "
                "If this statement wrote it, it is written.",
                column=name,
            ) from error

    return read_or_tell


def _unreadable(records: Sequence[Record], decoders: Sequence[Decode]) -> int:
    """The place of the first value that cannot be read; -1 where all can."""
    for record in records:
        for place, decode in enumerate(decoders):
            try:
                if decode is not None:
                    decode(record[place])
            except UNREADABLE:
                return place
    return -1
