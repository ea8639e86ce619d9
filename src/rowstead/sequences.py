"""Counters from 1 on, kept by the database under a name. Written as plans.

Where the database has sequences, numbers once taken are gone, whatever becomes of the transaction.
Elsewhere a counter is a row of `_rowstead_sequences`, and its numbers belong to the transaction that
took them. Gaps are allowed; a number is never given twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rowstead.compiled import Compiler
from rowstead.dialects import Sequences
from rowstead.dicts import dict_rows
from rowstead.errors import ConflictError, DuplicateError, ValidationError
from rowstead.plan import Atomic, Call, Plan, Record
from rowstead.schema import Column, Kind, Table
from rowstead.sentinels import Inc
from rowstead.shapes import VALUE
from rowstead.statements import Target

LARGEST = 2**63 - 1
PREFIX = "_rowstead_seq_"
LONGEST_NAME = 63
"""Bytes of a name that PostgreSQL keeps; two longer ones could become one."""
TRIES = 100

COUNTERS = Table(
    "_rowstead_sequences",
    {"name": Column("name", Kind.STR, str), "value": Column("value", Kind.INT, int, size=64)},
    ("name",),
    dict_rows,
)
"""Where counters are kept by a database that has none of its own: the last number given."""

_TAKE = ("insert", COUNTERS, (("name", VALUE), ("value", Inc)), Target("upsert", ("name",)), ("value",))
_FOUND = ("insert", COUNTERS, (("name", VALUE), ("value", VALUE)), Target("ignore", ("name",)), ())
_BEHIND = ("and", ("eq", "name", VALUE), ("lt", "value", VALUE))
_LAST = ("get", COUNTERS, ("value",), ("eq", "name", VALUE))
_PASS_BY = ("update", COUNTERS, (("value", VALUE),), _BEHIND, ())


def check_count(count: Any) -> int:
    """How many numbers are wanted, or a ValidationError."""
    if type(count) is not int or not 1 <= count <= LARGEST:
        raise ValidationError(f"a sequence gives 1 or more numbers at a time, not {count!r}")
    return count


def take(compiler: Compiler, name: str, count: int) -> Plan[Sequence[int]]:
    """The next `count` numbers of a counter that `found` has made, ascending."""
    own = compiler.dialect.sequences
    if own is not None:
        # Not `writes`: no transaction holds the counter, so that nothing is to be undone.
        records: Sequence[Record] = yield Call(own.take, [_quoted(name), count], list)
        return [record[0] for record in records]
    compiled = compiler.get(_TAKE)
    rows: list[dict[str, int]] = yield compiled.call([name, count, count], compiled.read_all)
    last = rows[0]["value"]
    if type(last) is not int or last > LARGEST:
        raise ValidationError(f"the sequence {name!r} has no {count} numbers left")
    return range(last - count + 1, last + 1)


def take_block(compiler: Compiler, name: str, count: int) -> Plan[int]:
    """The first of `count` numbers of which none is missing; the counter is made where it is not there."""
    yield from found(compiler, [name])
    for _ in range(TRIES):
        numbers = yield from take(compiler, name, check_count(count))
        if numbers[-1] - numbers[0] == count - 1:
            return numbers[0]
    raise ConflictError(f"others take numbers of {name!r} all the time: ask for fewer than {count} at once")


def pass_by(compiler: Compiler, name: str, number: int) -> Plan[None]:
    """Never give `number`, which was chosen by hand, nor one before it."""
    if number < 1:
        return
    own = compiler.dialect.sequences
    if own is not None:
        text = own.pass_by.format(_spelled(compiler, name))
        is_far: bool = yield Call(text, [_quoted(name), number], _any_true)
        if is_far:
            yield from _jump(compiler, own, name, number)
        return
    moved: int = yield compiler.get(_PASS_BY).call([number, name, number], None)
    if not moved:
        yield compiler.get(_FOUND).call([name, number], None)


class _Jumped(Exception):
    """Ends the savepoint in which a counter was locked."""


def _jump(compiler: Compiler, own: Sequences, name: str, number: int) -> Plan[None]:
    """Go far ahead at once, while nobody takes numbers.

    Raises PrivilegeError where the role does not own the counter, ConflictError or StatementTimeout where
    transactions that took numbers of it do not end.
    """

    def locked() -> Plan[None]:
        yield Call(own.lock.format(_spelled(compiler, name)), writes=True)
        yield Call(own.jump, [_quoted(name), number], list)
        raise _Jumped

    try:
        yield Atomic(locked())
    except _Jumped:
        # Rolling back gives the lock back, which else the whole transaction would keep. The jump stays.
        pass


def _any_true(records: Sequence[Record]) -> bool:
    return bool(records) and bool(records[0][0])


def last_given(compiler: Compiler, name: str) -> Plan[int]:
    """The last number that a counter gave; 0 where it has given none."""
    own = compiler.dialect.sequences
    if own is not None:
        records: Sequence[Record] = yield Call(own.last, [_quoted(name)], list)
        return records[0][0]
    compiled = compiler.get(_LAST)
    row: dict[str, int] | None = yield compiled.call([name], compiled.read_one)
    return 0 if row is None else row["value"]


def found(compiler: Compiler, names: Sequence[str]) -> Plan[None]:
    """Make the counters that are not there."""
    own = compiler.dialect.sequences
    if own is None:
        return
    for name in names:
        if compiler.facts.get(("sequence", name)):
            continue
        if (yield _exists(own, name)):
            compiler.facts[("sequence", name)] = True
            continue
        create = sa.schema.CreateSequence(sa.Sequence(physical_name(name)), if_not_exists=True)
        text = str(create.compile(dialect=compiler.dialect.sqlalchemy(compiler.paramstyle)))
        try:
            yield Call(text, writes=True)
        except DuplicateError:
            pass  # another connection made it in this very moment


def _exists(own: Sequences, name: str) -> Call[Any]:
    return Call(own.exists, [_quoted(name)], lambda records: records[0][0])


def physical_name(name: str) -> str:
    """What the database calls the counter; a long name is told by its hash."""
    plain = PREFIX + name
    if len(plain.encode()) <= LONGEST_NAME:
        return plain
    return PREFIX + hashlib.sha256(name.encode()).hexdigest()[:32]


def _spelled(compiler: Compiler, name: str) -> str:
    """The counter as a name in SQL; kept, since making a dialect takes longer than asking the database."""
    spelled = compiler.facts.get(("sequence name", name))
    if spelled is None:
        dialect: Any = compiler.dialect.sqlalchemy(compiler.paramstyle)
        spelled = dialect.identifier_preparer.quote_identifier(physical_name(name))
        compiler.facts["sequence name", name] = spelled
    return spelled


def _quoted(name: str) -> str:
    """The counter as a value that becomes a name in the database."""
    return '"' + physical_name(name).replace('"', '""') + '"'
