"""A MariaDB made ready: the steps of its administrator.

The server itself passes over what is there (`IF NOT EXISTS`), also for two who come at the same time. A
password comes as the server keeps it.
"""

from __future__ import annotations

from rowstead.errors import ValidationError
from rowstead.plan import Plan
from rowstead.setup.needs import Needs, ServerSteps, allowed, asked, done
from rowstead.setup.passwords import native_hash

_THERE = "SELECT count(*) FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s"


def quoted(name: str) -> str:
    """A name as it stands in SQL; `%` doubled, as in every text for the driver."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("%", "%%") + "'"


def _as_pattern(name: str) -> str:
    """A database's name in a GRANT, where `_` and `%` stand for other characters."""
    return name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")


def _outside(needs: Needs) -> Plan[None]:
    yield from allowed("make the database and the user", needs.role, _made(needs))


def _made(needs: Needs) -> Plan[None]:
    database = quoted(needs.database)
    # A text compares as on the other databases, where `a` is neither `A` nor `a `.
    collation = "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
    yield done(f"CREATE DATABASE IF NOT EXISTS {database} {collation}")
    user = f"{_text(needs.role)}@'%%'"
    if needs.password:
        known = f"IDENTIFIED BY PASSWORD '{native_hash(needs.password)}'"
        yield done(f"CREATE USER IF NOT EXISTS {user} {known}")
    elif not (yield asked(_THERE, f"'{needs.role}'@'%'")):
        # Unlike PostgreSQL it lets anybody in, from any host, as a user without one.
        raise ValidationError(
            f"password: the user {needs.role!r} is not there, and a new one of MariaDB needs a password"
        )
    yield done(f"GRANT ALL PRIVILEGES ON {quoted(_as_pattern(needs.database))}.* TO {user}")


def _inside(_needs: Needs) -> Plan[None]:
    yield from ()


STEPS = ServerSteps(_outside, _inside, longest_name=64)
