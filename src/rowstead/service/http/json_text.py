"""JSON as it comes from strangers, and as it goes back. Knows no RPC.

Reading is strict where Python's own is lenient: NaN and Infinity, numbers that are not finite, a name twice
in one object, half a surrogate pair and bytes that are not UTF-8 are refused; so is what is nested too deep.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from pydantic_core import to_json


class NotJson(ValueError):
    """The text is no JSON that is taken here; the message says why and repeats nothing of it."""


class TooDeep(ValueError):
    """The text is JSON, nested deeper than allowed."""


def read(text: bytes, depth: int) -> Any:
    """The value of a JSON text whose lists and objects are nested at most `depth` deep.

    Raises NotJson or TooDeep.
    """
    try:
        value = _DECODER.decode(text.decode())
    except RecursionError:
        raise TooDeep from None
    except UnicodeDecodeError:
        raise NotJson("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except NotJson:
        raise
    except ValueError:
        # Python refuses to read whole numbers of thousands of digits.
        raise NotJson("a number has too many digits") from None
    if deeper_than(value, depth):
        raise TooDeep
    if b"\\u" in text and not _has_utf8(value):
        raise NotJson("a text holds half a surrogate pair")
    return value


def write(value: Any) -> bytes:
    """A value as JSON: moments as ISO 8601, lengths of time too, Decimal and UUID as text, bytes as base64
    (the alphabet that is safe in URLs), sets as lists, models and dataclasses as objects, NaN as "NaN".

    Raises ValueError for what has no such form.
    """
    return to_json(value, bytes_mode="base64", timedelta_mode="iso8601", inf_nan_mode="strings")


def deeper_than(value: Any, depth: int) -> bool:
    """Whether lists and objects are nested deeper than this. Without recursion: a stranger nested them."""
    level = _containers([value])
    for _ in range(depth):
        if not level:
            return False
        level = _containers(part for whole in level for part in _parts(whole))
    return level != []


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def _parts(whole: Any) -> Iterable[Any]:
    return whole.values() if isinstance(whole, dict) else whole  # pyright: ignore[reportUnknownVariableType]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Two readers may take different ones of the two: what one allows, the other runs.
        raise NotJson("an object has the same name twice")
    return found


def _no_constant(_text: str) -> NoReturn:
    raise NotJson("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotJson("a number is too large")
    return number


def _has_utf8(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
