"""Typed errors become status codes. A route raises, or lets the repository raise; it maps nothing itself."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from rowstead import (
    ConflictError,
    IntegrityError,
    NotFound,
    OperationalError,
    RowsteadError,
    TimeoutExceeded,
    ValidationError,
)

STATUS: dict[type[RowsteadError], int] = {
    NotFound: 404,
    ValidationError: 422,  # also NotNullError and CheckError, which are of both kinds
    IntegrityError: 409,  # DuplicateError, ForeignKeyError, RestrictError
    ConflictError: 409,  # somebody else was first: read again, and try again
    TimeoutExceeded: 504,
    OperationalError: 503,
    RowsteadError: 500,
}
"""The first that an error is an instance of counts."""

log = logging.getLogger(__name__)


def add_handlers(application: FastAPI) -> None:
    """Answer every error of ours with its status, its stable code and, where it helps, its message."""
    application.add_exception_handler(RowsteadError, answer)


async def answer(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RowsteadError)
    status = next(status for kind, status in STATUS.items() if isinstance(error, kind))
    if status >= 500:
        # What went wrong inside is for the log. No message of ours holds a password.
        log.error("%s: %s", error.code, error, exc_info=error)
        return JSONResponse({"code": error.code, "message": "the database cannot be used"}, status)
    told = {"code": error.code, "message": str(error), "column": error.column}
    return JSONResponse({name: value for name, value in told.items() if value is not None}, status)
