"""From any models to any others and back: what is generated leads there, and leaves no difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rowstead.migrations.comparing import Found, compare, decide, migration_file
from rowstead.migrations.formats.goose import Reader

TYPES = {
    "int": sa.Integer(),
    "big": sa.BigInteger(),
    "text": sa.Text(),
    "short": sa.String(10),
    "long": sa.String(40),
    "number": sa.Numeric(10, 2),
    "flag": sa.Boolean(),
    "time": sa.DateTime(),
}
DEFAULTS = {"int": "7", "big": "7", "short": "it's", "long": "x", "text": "x", "number": "1.5"}
TABLES = ("ants", "bees", "Cats")
COLUMNS = ("a", "b", "order", "Wide")


@dataclass(frozen=True)
class Col:
    kind: str
    nullable: bool
    default: bool
    index: str | None
    refers: str | None


columns = st.builds(
    Col,
    kind=st.sampled_from(sorted(TYPES)),
    nullable=st.booleans(),
    default=st.booleans(),
    index=st.sampled_from([None, None, "index", "unique"]),
    refers=st.sampled_from([None, None, None, *TABLES]),
)
models = st.dictionaries(
    st.sampled_from(TABLES),
    st.dictionaries(st.sampled_from(COLUMNS), columns, max_size=4),
    min_size=1,
)


def metadata_of(drawn: dict[str, dict[str, Col]]) -> sa.MetaData:
    metadata = sa.MetaData()
    for name, parts in sorted(drawn.items()):
        made = [sa.Column("id", sa.Integer, primary_key=True)]
        for column, said in sorted(parts.items()):
            refers = said.refers if said.refers in drawn and said.refers < name else None
            key = [sa.ForeignKey(f"{refers}.id", ondelete="CASCADE")] if refers else []
            kind = "int" if refers else said.kind
            made.append(
                sa.Column(
                    column,
                    TYPES[kind],
                    *key,
                    nullable=said.nullable,
                    # An index on a text without length is refused by some databases; none is needed here.
                    index=said.index == "index",
                    unique=said.index == "unique" or None,
                    server_default=DEFAULTS.get(kind) if said.default and not refers else None,
                )
            )
        sa.Table(name, metadata, *made)
    return metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    if request.param == "sqlite":
        made = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    else:
        url = request.getfixturevalue("postgres_url")
        made = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    yield made
    made.dispose()


def carried_out(engine: sa.Engine, text: str, found: Found, down: bool) -> None:
    """The statements of a file in one transaction, as a tool without foreign keys on a file does it."""
    reader = Reader("1_x.sql", found.facts.syntax, {})
    for number, line in enumerate(text.split("\n"), 1):
        reader.read(number, line)
    reader.end()
    with engine.begin() as connection:
        for statement in (reader.down or []) if down else reader.up:
            connection.exec_driver_sql(statement.text.replace("%", "%%"))


def differences(engine: sa.Engine, metadata: sa.MetaData) -> Found:
    with engine.connect() as connection:
        return compare(connection, [metadata])


@settings(
    max_examples=15,
    deadline=None,
    # To make an example smaller takes minutes here.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(before=models, after=models)
def test_from_any_models_to_any_others_and_back(
    engine: sa.Engine, before: dict[str, dict[str, Col]], after: dict[str, dict[str, Col]]
) -> None:
    old, new = metadata_of(before), metadata_of(after)
    with engine.begin() as connection:
        everything = sa.MetaData()
        everything.reflect(connection)
        everything.drop_all(connection)
        old.create_all(connection)
    assert differences(engine, old).changes == ()
    found = differences(engine, new)
    undecided = decide(found).possible_renames
    decision = decide(found, drops=sorted({f"{p.table}.{p.old}" for p in undecided}))
    assert decision.possible_renames == ()
    assert decision.waiting == ()
    text = migration_file(decision, found)
    carried_out(engine, text, found, down=False)
    assert [c.text for c in differences(engine, new).changes] == [], text
    carried_out(engine, text, found, down=True)
    assert [c.text for c in differences(engine, old).changes] == [], text
