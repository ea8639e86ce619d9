"""The OpenRPC description of what is served, made from signatures and docstrings.

https://spec.open-rpc.org, version 1.3
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rowstead.service.http.annotations import schema
from rowstead.service.http.json_text import write
from rowstead.service.http.methods import Method
from rowstead.service.http.signatures import Parameter
from rowstead.service.http.wire_errors import ERRORS

OPENRPC = "1.3.2"
DEFAULT_TITLE = "Rowstead"


def description(methods: Iterable[Method], title: str = DEFAULT_TITLE, version: str = "1") -> dict[str, Any]:
    """The document, as JSON has it."""
    return {
        "openrpc": OPENRPC,
        "info": {"title": title, "version": version},
        "methods": [_method(each) for each in methods],
        "components": {"errors": {code: _error(code) for code in ERRORS}},
    }


def _method(method: Method) -> dict[str, Any]:
    summary, _, more = method.documentation.partition("\n")
    told = {"summary": summary, "description": more.strip()}
    return {
        "name": method.name,
        **{word: text for word, text in told.items() if text},
        "paramStructure": "either",
        "params": [_parameter(each) for each in method.signature.parameters],
        "result": {"name": "result", "schema": schema(method.signature.returned)},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    spelled = dict(schema(parameter.accepted))
    if not parameter.required and _is_json(parameter.default):
        spelled["default"] = parameter.default
    return {"name": parameter.name, "required": parameter.required, "schema": spelled}


def _is_json(value: Any) -> bool:
    """Whether a default can be told as it is."""
    try:
        write(value)
    except ValueError:
        return False
    return True


def _error(code: str) -> Mapping[str, Any]:
    kind = ERRORS[code]
    return {"code": kind.number, "message": kind.sentence, "data": {"code": code}}
