"""What of a configuration may be shown: everything but what is a secret by its type or by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn, SupportsIndex, cast

from pydantic import BaseModel, SecretStr

from rowstead.drivers.addresses import Secret, safe_url, without_passwords

MASK = "***"

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|pwd$|secret|token|credential|api_?key|private_?key|odbc_connect", re.IGNORECASE
)
_ODBC = re.compile(r"(odbc_connect=)[^&]*", re.IGNORECASE)


def shown_url(url: str) -> str:
    """The URL with *** in the place of its passwords, also of those in an ODBC connection string."""
    return _ODBC.sub(rf"\1{MASK}", safe_url(url))


class SecretURL(Secret):
    """A URL in full, whose repr and pickle do not give its passwords away."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(shown_url(str(self)))


class DSN(SecretStr):
    """A DSN as it was written; shown with *** in the place of its passwords."""

    def __str__(self) -> str:
        return shown_url(self.get_secret_value())

    def __repr__(self) -> str:
        return f"DSN({str(self)!r})"

    def __copy__(self) -> DSN:
        return self

    def __deepcopy__(self, _memo: object) -> DSN:
        return self

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        refuse_pickling()


def refuse_pickling() -> NoReturn:
    """What is not encrypted does not leave the process."""
    raise TypeError(
        "a configuration holds passwords, and is not pickled; "
        "give the other process the file's path and let it call config(path)"
    )


def is_secret_name(name: str) -> bool:
    """Whether what is called so is not shown."""
    return _SECRET_NAME.search(name) is not None


def masked(value: Any, name: str = "") -> Any:
    """The value in dicts, lists and scalars, as it may be shown."""
    if isinstance(value, DSN):
        return str(value)
    if isinstance(value, SecretStr) or (is_secret_name(name) and value not in (None, "")):
        return MASK
    if isinstance(value, BaseModel):
        return {key: masked(item, key) for key, item in value}
    if isinstance(value, Mapping):
        return {str(key): masked(item, str(key)) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [masked(item, name) for item in cast("list[Any]", value)]
    if isinstance(value, str):
        return without_passwords(value)
    return value
