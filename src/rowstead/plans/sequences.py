"""Counters from 1 on, kept by the database under a name. Written as plans.

Where the database has sequences, numbers once taken are gone, whatever becomes of the transaction.
Elsewhere a counter is a row of `_rowstead_sequences`, and its numbers belong to the transaction that
took them. Gaps are allowed; a number is never given twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from rowstead.dialects import Sequences
from rowstead.errors import DataError, DuplicateError, RowsteadError, ValidationError
from rowstead.language.shapes import VALUE
from rowstead.plan import Atomic, Call, Plan, Record
from rowstead.sentinels import Inc
from rowstead.statements.compiled import Compiler
from rowstead.statements.inserts import Target
from rowstead.tables.constraints import MAX_NAME
from rowstead.tables.dicts import dict_rows
from rowstead.tables.schema import Column, Kind, Table

LARGEST = 2**63 - 1
PREFIX = "_rowstead_seq_"
TRIES = 10
AT_ONCE = 10_000
"""As many numbers are taken one by one, since then nobody has to wait; more of them under a lock."""

R = TypeVar("R")

COUNTERS = Table(
    "_rowstead_sequences",
    {"name": Column("name", Kind.STR, str), "value": Column("value", Kind.INT, int, size=64)},
    ("name",),
    dict_rows,
)
"""Where counters are kept by a database that has none of its own: the last number given."""

_ENOUGH_LEFT = ("and", ("eq", "name", VALUE), ("lte", "value", VALUE))
_TAKE = ("update", COUNTERS, (("value", Inc),), _ENOUGH_LEFT, ("value",))
_NEW = (("name", VALUE), ("value", VALUE))
_TAKE_FIRST = ("insert", COUNTERS, _NEW, Target("ignore", ("name",)), ("value",))
_FOUND = ("insert", COUNTERS, _NEW, Target("ignore", ("name",)), ())
_BEHIND = ("and", ("eq", "name", VALUE), ("lt", "value", VALUE))
_LAST = ("get", COUNTERS, ("value",), ("eq", "name", VALUE))
_PASS_BY = ("update", COUNTERS, (("value", VALUE),), _BEHIND, ())


def check_count(count: Any) -> int:
    """How many numbers are wanted, or a ValidationError."""
    if type(count) is not int or not 1 <= count <= LARGEST:
        raise ValidationError(f"a sequence gives 1 or more numbers at a time, not {count!r}")
    return count


def check_name(name: Any) -> str:
    """What a counter is called, or a ValidationError."""
    if not isinstance(name, str):
        raise ValidationError(f"a sequence's name is a text, not {name!r}")
    if "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
        raise ValidationError(f"a sequence's name has no NUL and no half surrogate pair: {name!r}")
    return name


def take(compiler: Compiler, name: str, count: int) -> Plan[Sequence[int]]:
    """The next `count` numbers of a counter that `found` has made, ascending.

    ValidationError where it has not so many left; then it gives none of them.
    """
    own = compiler.dialect.sequences
    try:
        if own is None:
            return (yield from _take_of_row(compiler, name, count))
        # Not `writes`: no transaction holds the counter, so that nothing is to be undone.
        records: Sequence[Record] = yield Call(own.take, [_quoted(name), count], list)
    except DataError as error:
        # Others took the last ones between the look and the taking.
        raise _exhausted(name, count) from error
    if len(records) < count:
        raise _exhausted(name, count)
    return [record[0] for record in records]


def _take_of_row(compiler: Compiler, name: str, count: int) -> Plan[Sequence[int]]:
    compiled = compiler.get(_TAKE)
    rows: list[dict[str, int]]
    try:
        rows = yield compiled.call([count, name, LARGEST - count], compiled.read_all)
        if not rows:
            compiled = compiler.get(_TAKE_FIRST)
            rows = yield compiled.call([name, count], compiled.read_all)
    except RowsteadError as error:
        _hide_table(error)
        raise
    if not rows:
        raise _exhausted(name, count)
    last = rows[0]["value"]
    return range(last - count + 1, last + 1)


def _hide_table(error: RowsteadError) -> None:
    """Take from the error the name of our own table, which its caller has never heard of."""
    if error.table == COUNTERS.name:
        error.table = None


def _exhausted(name: str, count: int) -> ValidationError:
    return ValidationError(
        f"the sequence {name!r} has no {count} numbers left: it ends at {LARGEST}; use another one, and give "
        "no numbers near its end by hand"
    )


def take_block(compiler: Compiler, name: str, count: int) -> Plan[int]:
    """The first of `count` numbers of which none is missing, of a counter that `found` has made.

    Of more than `AT_ONCE` numbers: raises as `_jump` does.
    """
    own = compiler.dialect.sequences
    if own is None or count == 1:
        return (yield from take(compiler, name, count))[0]
    if count <= AT_ONCE:
        for _ in range(TRIES):
            ends: Record = yield from _ends(own, name, count)
            if ends[0] is None:
                raise _exhausted(name, count)
            if ends[1] - ends[0] == count - 1:
                return ends[0]
    last: Sequence[Record] = yield from _locked(
        compiler, own, name, Call(own.skip, [_quoted(name), count], list)
    )
    if not last:
        raise _exhausted(name, count)
    return last[0][0] - count + 1


def _ends(own: Sequences, name: str, count: int) -> Plan[Record]:
    try:
        records: Sequence[Record] = yield Call(own.take_ends, [_quoted(name), count], list)
    except DataError as error:
        raise _exhausted(name, count) from error
    return records[0]


def pass_by(compiler: Compiler, name: str, number: int) -> Plan[None]:
    """Never give `number`, which was chosen by hand, nor one before it."""
    if (yield from _pass_by_near(compiler, name, number)):
        yield from _pass_by_far(compiler, name, number)


def passing_by(compiler: Compiler, numbers: Mapping[str, int], work: Call[R] | Plan[R]) -> Plan[R]:
    """Do what writes numbers chosen by hand (the greatest, by counter), which are not given then.

    A counter goes far ahead only when the numbers are written: a row that is refused must not use up all
    the numbers of a counter that no rollback brings back.
    """
    far: dict[str, int] = {}
    for name, number in numbers.items():
        if (yield from _pass_by_near(compiler, name, number)):
            far[name] = number
    if not far:
        return (yield work) if isinstance(work, Call) else (yield from work)
    plan = _work_and_pass_by(compiler, far, work)
    # Where a counter is a row, that statement fails only if the whole transaction does.
    return (yield from plan) if compiler.dialect.sequences is None else (yield Atomic(plan))


def _work_and_pass_by(compiler: Compiler, far: Mapping[str, int], work: Call[R] | Plan[R]) -> Plan[R]:
    result: R = (yield work) if isinstance(work, Call) else (yield from work)
    for name, number in far.items():
        yield from _pass_by_far(compiler, name, number)
    return result


def _pass_by_near(compiler: Compiler, name: str, number: int) -> Plan[bool]:
    """Go on behind a number that is near; whether it still is to be done, since it is not."""
    own = compiler.dialect.sequences
    if number < 1 or own is None:
        return number >= 1
    text = own.pass_by.format(_spelled(compiler, name))
    return (yield Call(text, [_quoted(name), number], _any_true))


def _pass_by_far(compiler: Compiler, name: str, number: int) -> Plan[None]:
    own = compiler.dialect.sequences
    if own is not None:
        yield from _jump(compiler, own, name, number)
        return
    try:
        moved: int = yield compiler.get(_PASS_BY).call([number, name, number], None)
        if not moved:
            yield compiler.get(_FOUND).call([name, number], None)
    except RowsteadError as error:
        _hide_table(error)
        raise


class _Unlocked(Exception):
    """Ends the savepoint in which a counter was locked, with what was found out meanwhile."""

    def __init__(self, result: Any) -> None:
        self.result = result


def _jump(compiler: Compiler, own: Sequences, name: str, number: int) -> Plan[None]:
    """Go far ahead at once, while nobody takes numbers.

    Raises PrivilegeError where the role does not own the counter, ConflictError or StatementTimeout where
    transactions that took numbers of it do not end.
    """
    yield from _locked(compiler, own, name, Call(own.jump, [_quoted(name), number], list))


def _locked(compiler: Compiler, own: Sequences, name: str, call: Call[R]) -> Plan[R]:
    """Move a counter while nobody takes numbers of it."""

    def locked() -> Plan[None]:
        yield Call(own.lock.format(_spelled(compiler, name)), writes=True)
        raise _Unlocked((yield call))

    def within() -> Plan[R]:
        try:
            yield Atomic(locked())
        except _Unlocked as done:
            # Rolling back gives the lock back, which else the whole transaction would keep. What was moved
            # stays; it outlives a crash only where the transaction around it commits.
            return done.result
        raise AssertionError("unreachable")

    return (yield Atomic(within()))


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
    """Make the counters that are not there.

    Whoever makes one in a transaction keeps all others waiting who want the same, until it ends.
    """
    own = compiler.dialect.sequences
    if own is None:
        return
    for name in names:
        if (yield _exists(own, name)):
            continue
        create = sa.schema.CreateSequence(sa.Sequence(counter_name(name)), if_not_exists=True)
        text = str(create.compile(dialect=compiler.dialect.sqlalchemy(compiler.paramstyle)))
        try:
            yield Atomic(_one(Call(text, writes=True)))
        except DuplicateError:
            pass  # another connection made it in this very moment


def is_known(compiler: Compiler, name: str) -> bool:
    """Whether the counter needs not be looked for: there is one, whatever becomes of a transaction."""
    return compiler.dialect.sequences is None or ("sequence", name) in compiler.facts


def found_apart(compiler: Compiler, name: str) -> Plan[None]:
    """Make the counter where it is not there, and know it from now on. Never in a transaction."""
    yield from found(compiler, [name])
    compiler.facts["sequence", name] = True


def _one(call: Call[R]) -> Plan[R]:
    return (yield call)


def _exists(own: Sequences, name: str) -> Call[Any]:
    return Call(own.exists, [_quoted(name)], lambda records: records[0][0])


def counter_name(name: str) -> str:
    """What the database calls the counter; a long name is told by its hash."""
    plain = PREFIX + name
    if len(plain.encode()) <= MAX_NAME:
        return plain
    return PREFIX + hashlib.sha256(name.encode()).hexdigest()[:32]


def _spelled(compiler: Compiler, name: str) -> str:
    """The counter as a name in SQL; kept, since making a dialect takes longer than asking the database."""
    spelled = compiler.facts.get(("sequence name", name))
    if spelled is None:
        dialect: Any = compiler.dialect.sqlalchemy(compiler.paramstyle)
        spelled = dialect.identifier_preparer.quote_identifier(counter_name(name))
        compiler.facts["sequence name", name] = spelled
    return spelled


def _quoted(name: str) -> str:
    """The counter as a value that becomes a name in the database."""
    return '"' + counter_name(name).replace('"', '""') + '"'
