"""Operations that bring SQL of their own: raw statements, views, triggers.

It answers for what such SQL may be and for the statements that are made of it. It must not know
tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rowstead.errors import ValidationError
from rowstead.migrations.facts import Facts
from rowstead.migrations.operations import RAW, Operation
from rowstead.migrations.split import Statement, split, transaction_word

_QUERIES = frozenset({"SELECT", "WITH", "VALUES"})


def statements_of(operation: Operation, facts: Facts, quoted: Callable[[str], str]) -> Sequence[Statement]:
    """What the operation runs. Raises ValidationError."""
    if operation.kind == RAW:
        return _raw(operation, facts)
    name = quoted(operation["name"])
    action, _, what = operation.kind.partition("_")
    drop = f"DROP VIEW IF EXISTS {name}" if what == "view" else _drop_trigger(operation, facts, name)
    text = "" if operation.sql is None else (_view if what == "view" else _trigger)(operation, facts, name)
    texts = {"create": [text], "replace": [drop, text], "drop": [drop]}[action]
    return [statement for text in texts for statement in split(text, facts.syntax)]


def _raw(operation: Operation, facts: Facts) -> Sequence[Statement]:
    statements = split(operation.sql or "", facts.syntax)
    if not statements:
        raise ValidationError(f"{operation}: there is no statement in it")
    for statement in statements:
        word = transaction_word(statement)
        if word is not None:
            raise ValidationError(
                f"{operation}: {word} is explicit transaction control; take it out: each migration is one "
                "transaction"
            )
        if facts.sets_session(statement) or facts.stands_alone(statement) is not None:
            raise ValidationError(
                f"{operation}: {statement.summary} cannot run in a transaction, as a migration is; "
                "run it by itself"
            )
    return statements


def _view(operation: Operation, facts: Facts, name: str) -> str:
    (body,) = _single(operation, facts)
    if body.words[0] not in _QUERIES:
        raise ValidationError(f"{operation}: its sql is the query alone (SELECT …), not {body.summary}")
    return f"CREATE VIEW {name} AS {body.text}"


def _trigger(operation: Operation, facts: Facts, name: str) -> str:
    (body,) = _single(operation, facts)
    if body.words[:2] != ("CREATE", "TRIGGER") or body.head[2].strip('"`[]') != operation["name"]:
        raise ValidationError(
            f"{operation}: its sql is the whole statement, CREATE TRIGGER {name} …, not {body.summary}"
        )
    return body.text


def _drop_trigger(operation: Operation, facts: Facts, name: str) -> str:
    if facts.drop_trigger is None:
        raise ValidationError(
            f"{operation}: here a trigger belongs to a table and calls a function; write CREATE FUNCTION and "
            "CREATE TRIGGER, or DROP TRIGGER … ON …, in raw_sql operations"
        )
    return facts.drop_trigger.format(name=name)


def _single(operation: Operation, facts: Facts) -> Sequence[Statement]:
    statements = split(operation.sql or "", facts.syntax)
    if len(statements) != 1:
        raise ValidationError(f"{operation}: its sql is one statement, not {len(statements)}")
    text = statements[0].text.rstrip().removesuffix(";")
    return [Statement(text, statements[0].line, statements[0].head)]
