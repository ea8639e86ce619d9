"""Passwords as a server keeps them, computed here: a statement that sets one never has it in clear.

Else it would stand in the server's log, in its list of running statements and in everything that traces.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import stringprep
import unicodedata

SCRAM_ITERATIONS = 4096
SCRAM_SALT_BYTES = 16
"""PostgreSQL's own choices."""


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """The password as PostgreSQL stores it for SCRAM-SHA-256; it takes that text as it is.

    `salt` is made at random where it is None. https://www.rfc-editor.org/rfc/rfc5803
    """
    salt = secrets.token_bytes(SCRAM_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password).encode(), salt, SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    server_key = _mac(salted, b"Server Key")
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def native_hash(password: str) -> str:
    """The password as MariaDB's `mysql_native_password` stores it."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def prepared(password: str) -> str:
    """The password by SASLprep (RFC 4013); one that the rules refuse stays as it is.

    So do PostgreSQL and its clients, which must come to the same bytes.
    """
    if password.isascii():
        return password
    mapped = (" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    normal = unicodedata.normalize("NFKC", "".join(mapped))
    refused = not normal or any(prohibits(c) for prohibits in _PROHIBITED for c in normal)
    return password if refused or not _reads_one_way(normal) else normal


_PROHIBITED = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def _reads_one_way(text: str) -> bool:
    """Whether text from right to left is that as a whole (RFC 3454, section 6)."""
    from_right = [stringprep.in_table_d1(c) for c in text]
    if not any(from_right):
        return True
    return from_right[0] and from_right[-1] and not any(map(stringprep.in_table_d2, text))


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
