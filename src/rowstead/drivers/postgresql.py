"""What both PostgreSQL drivers know of the server: its error codes, its tags, its addresses.

Knows SQLSTATEs and the server's wording, and no driver: a driver reads the fields off its own
exception and asks `server_error`. Nothing here may put a password into a message.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from rowstead.drivers.addresses import authority_and_query
from rowstead.errors import (
    CheckError,
    ConflictError,
    DataError,
    DisconnectedError,
    DuplicateError,
    ForeignKeyError,
    IntegrityError,
    NotNullError,
    OperationalError,
    OutcomeUnknown,
    PrivilegeError,
    ReadOnlyError,
    RestrictError,
    RowsteadError,
    StatementError,
    StatementTimeout,
    StorageError,
    TransactionFailed,
    UndefinedColumnError,
    UndefinedTableError,
    UnreachableError,
    UsageError,
    ValidationError,
)

DEFAULT_PORT = 5432
LONGEST_GRACE = 5.0
SHORTEST_GRACE = 0.1

# One round trip that undoes what a session can leave behind and keeps the driver's own prepared
# statements, which DISCARD ALL would drop.
RESET = (
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; UNLISTEN *; "
    "SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"
)
ROLLBACK_AND_RESET = "ROLLBACK; " + RESET
# Statements that a user prepared by SQL; those that a driver prepared are not `from_sql`.
FORGET_PREPARED = (
    "; DO $do$ DECLARE s record; BEGIN FOR s IN SELECT name FROM pg_prepared_statements WHERE from_sql "
    "LOOP EXECUTE 'DEALLOCATE ' || quote_ident(s.name); END LOOP; END $do$"
)


def reset_text(in_transaction: bool, prepared: bool, check: str = "") -> str:
    """What brings a session back; `prepared`: its user may have used SQL's own PREPARE.

    `check` is a statement that fails when the server itself is not what it was.
    """
    text = ROLLBACK_AND_RESET if in_transaction else RESET
    if prepared:
        text += FORGET_PREPARED
    return f"{text}; {check}" if check else text


def milliseconds(seconds: float) -> str:
    """As the server takes a time limit."""
    return str(math.ceil(seconds * 1000))


def client_limit(statement_timeout: float | None) -> float | None:
    """Seconds after which a client gives up a server that did not keep its own statement_timeout."""
    if statement_timeout is None:
        return None
    return statement_timeout + min(max(statement_timeout / 20, SHORTEST_GRACE), LONGEST_GRACE)


def silent() -> StatementTimeout:
    """For a server that did not even say that the statement took too long."""
    error = StatementTimeout("the server did not answer within statement_timeout; does it still run?")
    error.answered = False
    return error


# ── poolers ──────────────────────────────────────────────────────────────────────────────────

DIRECT = "SELECT 1"
"""The tag that answers `pooler_question` where no pooler stands between."""
NOT_IN_TRANSACTION = frozenset({"25001", "2D000"})
"""By these the server refuses a statement inside a transaction, before anything of it was kept."""

# What outlives a transaction and would be the next client's, whoever that is.
_OUTLIVES = (
    (
        re.compile(r"SET\s+(?!(LOCAL|TRANSACTION|CONSTRAINTS)\b)|RESET\b", re.IGNORECASE),
        "use SET LOCAL inside `async with db.transaction():`",
    ),
    (re.compile(r"(UN)?LISTEN\b|LOAD\b|DISCARD\b", re.IGNORECASE), "connect to the server itself for that"),
    (
        re.compile(r"PREPARE\s+(?!TRANSACTION\b)|DEALLOCATE\b", re.IGNORECASE),
        "send the statement with its values instead",
    ),
    (
        re.compile(
            r"CREATE\s+((GLOBAL|LOCAL)\s+)?TEMP(ORARY)?\s(?!.*\bON\s+COMMIT\s+DROP\b)",
            re.IGNORECASE | re.DOTALL,
        ),
        "create it ON COMMIT DROP inside `async with db.transaction():`",
    ),
)
_SESSION_LOCK = re.compile(r"\bpg_(try_)?advisory_lock(_shared)?\s*\(", re.IGNORECASE)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_BEFORE = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|;)*", re.DOTALL)


def pooler_question(pid: int) -> str:
    """Asks, for one round trip of the simple protocol, whether this client speaks to a server session.

    `pid` is the process id that came with the connection's key. A server answers with the tag DIRECT;
    a pooler makes keys of its own, so through one no row comes back.
    """
    return f"SELECT WHERE pg_backend_pid() = {pid}"


def refuses_setting(error: Exception) -> bool:
    """Whether a connection was refused for a setting that it was to begin with, as poolers do."""
    return "startup parameter" in str(error)


def local_limit(statement_timeout: float | None) -> str:
    """What follows a BEGIN so that its transaction has this limit; nothing without one."""
    if statement_timeout is None:
        return ""
    return f"; SET LOCAL statement_timeout = {milliseconds(statement_timeout)}"


def require_local(text: str) -> None:
    """Raise UsageError for a user's statement whose effect on the session would reach other clients."""
    start = _BEFORE.match(text)
    rest = text[start.end() :] if start else text
    found = next((advice for pattern, advice in _OUTLIVES if pattern.match(rest)), None)
    if found is None and _SESSION_LOCK.search(text) and _SESSION_LOCK.search(_LITERAL.sub("''", text)):
        found = "use pg_advisory_xact_lock inside `async with db.transaction():`"
    if found is not None:
        word = " ".join(rest.split()[:3])[:40]
        raise UsageError(
            f"the connection goes through a pooler, which gives each transaction another server session: "
            f"what `{word} …` leaves behind would be another client's; {found}"
        )


# ── tags ─────────────────────────────────────────────────────────────────────────────────────

_COUNTED = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "COPY"})


def rows_in(tag: str | None) -> int:
    """How many rows a command's tag tells of, of a query too; -1 where of none."""
    last = tag.split()[-1] if tag else ""
    return int(last) if last.isdigit() else -1


def affected(tag: str | None) -> int:
    """The affected count in a command's tag (`INSERT 0 3`); -1 where it is not a write.

    None is what an empty or comment-only text gives.
    """
    if tag is None:
        return -1
    words = tag.split()
    if len(words) < 2 or words[0] not in _COUNTED:
        return -1
    return int(words[-1])


_REDEFINES = ("ALTER", "CREATE", "DROP")


def redefines(tag: str | None) -> bool:
    """Whether the command may have changed what names and types mean."""
    return tag is not None and tag.startswith(_REDEFINES)


def may_be_several(text: str) -> bool:
    """Whether `text` could hold no statement, or more than one.

    Such texts go by the extended protocol, where the server itself refuses a second statement; the
    simple protocol, which is one round trip without preparing, would run them all.
    """
    bare = text.strip().rstrip("; \t\r\n")
    return not bare or bare[0] in "-/" or ";" in bare


def one_statement() -> ValidationError:
    return ValidationError("one statement per call: send each statement by a call of its own")


def wrong_count(expected: int, given: int) -> ValidationError:
    return ValidationError(f"the statement has {expected} parameter(s), but {given} value(s) were given")


# ── addresses ────────────────────────────────────────────────────────────────────────────────


def plain_dsn(url: str) -> str:
    """The URL as libpq and asyncpg take it: `postgresql+psycopg://…` without the driver's name.

    Raises ValidationError where user and password cannot be told from the rest: a driver would take
    a piece of the password for the host, and say so.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    authority = _AUTHORITY.match(rest)
    if rest.count("@") != (authority[0] if authority else "").count("@") or rest.count("@") > 1:
        raise unreadable()
    return f"postgresql://{rest}" if "postgres" in scheme.lower() else url


_AUTHORITY = re.compile(r"[^/?#]*")


def password_of(dsn: str) -> Callable[[], str] | None:
    """What gives the URL's password, as asyncpg reads it; None where it has none."""
    authority, query = authority_and_query(dsn)
    password = unquote(authority.rpartition("@")[0].partition(":")[2])
    password = password or (query.get("password") or [""])[-1]
    return (lambda: password) if password else None


def address(dsn: str) -> str:
    """`host:port` (several with commas) of a DSN, for messages; never its user or password."""
    authority, query = authority_and_query(dsn)
    hosts = unquote(authority.rpartition("@")[2]) or ",".join(query.get("host", ()))
    port = (query.get("port") or [str(DEFAULT_PORT)])[0]
    if not hosts:
        return f"localhost:{port}"
    return ", ".join(host if _has_port(host) else f"{host}:{port}" for host in hosts.split(","))


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2] or host.startswith("/")


def unreadable() -> ValidationError:
    """For a URL that cannot be read. Raise it `from None`: a driver quotes the URL in its own error."""
    return ValidationError(
        "the database's URL cannot be read: it should be postgresql://user:password@host:port/database, "
        "with special characters in user and password percent-encoded (@ is %40, / is %2F)"
    )


def unreachable(dsn: str, error: BaseException | None, timeout: float | None) -> UnreachableError:
    """The one error for a connection that could not be made."""
    where = address(dsn)
    state = getattr(error, "sqlstate", None)
    if isinstance(error, TimeoutError) or type(error).__name__ == "ConnectionTimeout":
        limit = f" within {timeout:g} s" if timeout is not None else ""
        return UnreachableError(f"cannot reach {where}{limit}: is the server running, and the address right?")
    lines = str(error).strip().splitlines() if error is not None else []
    reason, answered, said = (lines[0] if lines else "no answer").partition("FATAL:")
    if answered or isinstance(state, str):
        # The server is there: it says itself what is wrong with user, password or database.
        said = (said or reason).strip()
        return UnreachableError(
            f"{where} refused the connection: {said}; check the URL's user, password and database"
        )
    return UnreachableError(f"cannot reach {where}: {reason}; is the server running, and the address right?")


# ── error codes ──────────────────────────────────────────────────────────────────────────────

_STATES: Mapping[str, type[RowsteadError]] = {
    "0A000": StatementError,
    "21000": StatementError,
    "23001": RestrictError,
    "23502": NotNullError,
    "23503": ForeignKeyError,
    "23505": DuplicateError,
    "23514": CheckError,
    "23P01": CheckError,
    "25006": ReadOnlyError,
    "25P02": TransactionFailed,
    "25P03": DisconnectedError,
    "40001": ConflictError,
    "40002": IntegrityError,
    "40003": OutcomeUnknown,
    "40P01": ConflictError,
    "42501": PrivilegeError,
    "42703": UndefinedColumnError,
    # The value's type does not fit the column, which the other driver finds out by itself.
    "42804": DataError,
    "42P01": UndefinedTableError,
    "44000": CheckError,
    "53100": StorageError,
    "53300": UnreachableError,
    "55P03": StatementTimeout,
    "57014": StatementTimeout,
    "57P01": DisconnectedError,
    "57P02": DisconnectedError,
    "57P03": DisconnectedError,
    "57P05": DisconnectedError,
    "58030": StorageError,
    "XX001": StorageError,
    "XX002": StorageError,
}
_CLASSES: Mapping[str, type[RowsteadError]] = {
    "08": DisconnectedError,
    "22": DataError,
    "23": IntegrityError,
    "28": PrivilegeError,
    "40": ConflictError,
    "53": OperationalError,
    "57": OperationalError,
    "58": OperationalError,
    "XX": OperationalError,
}
_HINTS: Mapping[str, str] = {
    "25P02": "an earlier statement of this transaction failed, so it can only be rolled back; "
    "catch such errors in a nested transaction()",
    "55P03": "another transaction holds what this one needs: end that one, or raise the time-out",
    "42P01": "create it, or check its name and schema",
    "53300": "the server has no connection left; lower max_size, or raise its max_connections",
}
STALE = "cached plan must not change result type"

_KEY_COLUMN = re.compile(r'\("?([^()",]+)"?\)=\(')
_COLUMN = re.compile(r'column "?(?:[^" ]+\.)?([^" ]+)"?')
_RELATION = re.compile(r'"([^"]+)"')


def server_error(
    state: str,
    message: str,
    *,
    detail: str | None = None,
    hint: str | None = None,
    table: str | None = None,
    column: str | None = None,
    constraint: str | None = None,
) -> RowsteadError:
    """An error that the server sent, as ours. `message` is its primary one: it holds no other row."""
    kind = _STATES.get(state) or _CLASSES.get(state[:2]) or StatementError
    if state == "23503" and _still_referenced(message, detail):
        kind = RestrictError
    elif state == "0A000" and STALE in message:
        return ConflictError("a column's type changed since this statement was prepared; run it again")
    elif state == "26000" and ("__asyncpg_" in message or "_pg3_" in message):
        # What this connection had prepared is gone (DEALLOCATE ALL); it is prepared anew.
        return ConflictError("the session's prepared statements were dropped; run it again")
    elif state == "42601" and "multiple commands" in message:
        return one_statement()
    elif state == "57014" and "user request" in message:
        kind = OperationalError
    elif state == "08P01" and "bind message supplies" in message:
        kind = ValidationError
    elif state == "42703" and column is None:
        column = _first(_COLUMN, message)
    elif state == "42P01" and table is None:
        table = _first(_RELATION, message)
    if column is None and state in ("23505", "23503") and detail is not None:
        column = _first(_KEY_COLUMN, detail)
    text = "; ".join(part for part in (message, hint, _HINTS.get(state)) if part)
    return kind(text, table=table, column=column, constraint=constraint)


def _still_referenced(message: str, detail: str | None) -> bool:
    return message.startswith("update or delete on table") or "is still referenced" in (detail or "")


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found.group(1) if found else None
