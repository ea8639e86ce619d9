"""JSON on asyncpg's connections: any value that Pydantic knows goes in, plain Python objects come out.

Knows the binary forms of json and jsonb, and nothing of statements.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json


def encode_json(value: Any) -> bytes:
    """The JSON of any value that Pydantic knows."""
    return to_json(value, by_alias=False)


def _encode_jsonb(value: Any) -> bytes:
    return b"\x01" + to_json(value, by_alias=False)


def _decode_json(data: bytes) -> Any:
    return json.loads(data.decode())


def _decode_jsonb(data: bytes) -> Any:
    return json.loads(data[1:].decode())


async def install_json(raw: Any) -> None:
    """JSON travels as Python objects, in the binary format, so that COPY takes it too."""
    codecs: tuple[tuple[str, Callable[[Any], bytes], Callable[[bytes], Any]], ...] = (
        ("json", encode_json, _decode_json),
        ("jsonb", _encode_jsonb, _decode_jsonb),
    )
    for name, encoder, decoder in codecs:
        await raw.set_type_codec(name, schema="pg_catalog", encoder=encoder, decoder=decoder, format="binary")
