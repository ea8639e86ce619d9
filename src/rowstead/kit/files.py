"""The formats of the files that the kit's tables are carried to and from."""

from __future__ import annotations

from pathlib import Path

from rowstead.errors import ValidationError, did_you_mean
from rowstead.files.opening import Place

FORMATS = ("csv", "jsonl")
_BY_SUFFIX = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def format_of(place: Place, given: str | None) -> str:
    """The format that is given, or that the file's name tells."""
    if given is not None:
        if given not in FORMATS:
            raise ValidationError(f"there is no format {given!r}; {did_you_mean(given, FORMATS)}")
        return given
    known = _BY_SUFFIX.get(Path(place).suffix.lower()) if isinstance(place, (str, Path)) else None
    if known is None:
        raise ValidationError(
            "the format is not known: name the file .csv or .jsonl, or give its format, csv or jsonl"
        )
    return known
