"""The tables that the tests of services share, and how they are made on a database.

`TABLES` of each place: `METADATA` everywhere, `SCHEMAS` beside it where there are schemas. `documents`
holds a value of every kind, `members` has a key of two columns, `readings` none.
"""

from __future__ import annotations

import datetime
import enum
import uuid
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from rowstead import DB

METADATA = sa.MetaData()


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def new_token() -> uuid.UUID:
    """A default that is computed for each row."""
    return uuid.uuid4()


# As long as a key may be on every database: MariaDB has none of TEXT.
NAME = sa.String(100)

my_table = sa.Table(
    "my_table",
    METADATA,
    sa.Column("id", NAME, primary_key=True),
    sa.Column("value", sa.INTEGER),
)
"""The guide's."""

projects = sa.Table(
    "projects",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", NAME, nullable=False),
)

tasks = sa.Table(
    "tasks",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", NAME, unique=True, nullable=False),
    sa.Column("value", sa.Integer),
    sa.Column("active", sa.Boolean, nullable=False, default=True),
    sa.Column("user_id", sa.Integer),
    sa.Column("hash", NAME),
    sa.Column("expires", sa.Float),
    sa.Column("project", sa.Integer, sa.ForeignKey("projects.id", name="fk_tasks_project")),
    sa.CheckConstraint("value >= 0", name="ck_tasks_value"),
)
"""A key that the database counts, and a constraint of every sort."""

members = sa.Table(
    "members",
    METADATA,
    sa.Column("project", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("person", NAME, primary_key=True),
    sa.Column("role", NAME),
)

readings = sa.Table(
    "readings",
    METADATA,
    sa.Column("place", NAME, nullable=False),
    sa.Column("amount", sa.Integer),
)

documents = sa.Table(
    "documents",
    METADATA,
    sa.Column("id", sa.Uuid, primary_key=True, default=new_token),
    sa.Column("data", sa.JSON),
    sa.Column("settings", sa.JSON().with_variant(JSONB(), "postgresql")),
    sa.Column("price", sa.Numeric(12, 2)),
    sa.Column("day", sa.Date),
    sa.Column("made", sa.DateTime),
    sa.Column("colour", sa.Enum(Colour, native_enum=False, length=10)),
    sa.Column("raw", sa.LargeBinary),
    sa.Column("state", NAME, server_default="new"),
    sa.Column("version", sa.Integer, nullable=False, default=1, onupdate=lambda: 2),
)

SCHEMAS = sa.MetaData()
tasks_of_archive = sa.Table(
    "tasks",
    SCHEMAS,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("reason", NAME),
    schema="archive",
)
"""Only where there are schemas: a second table of one name."""

DOCUMENT: dict[str, Any] = {
    "data": {"a": [1, 2, {"b": None}]},
    "settings": {"on": True},
    "price": Decimal("12.50"),
    "day": datetime.date(2026, 2, 3),
    "made": datetime.datetime(2026, 2, 3, 4, 5, 6),
    "colour": Colour.BLUE,
    "raw": b"\x00\xff",
}
"""A row of `documents`, without what its defaults give."""

_DIALECTS = {"sqlite": "sqlite://", "postgresql": "postgresql+psycopg://", "mariadb": "mariadb+pymysql://"}


def ddl(metadata: sa.MetaData, dialect: str) -> list[str]:
    """The statements that make the tables, in order."""
    texts: list[str] = []

    def keep(statement: Any, *_parameters: Any, **_options: Any) -> None:
        texts.append(str(statement.compile(dialect=engine.dialect)))

    engine = sa.create_mock_engine(_DIALECTS[dialect], keep)
    metadata.create_all(engine, checkfirst=False)
    return texts


async def create(db: DB, *metadatas: sa.MetaData) -> None:
    """Make the tables of these on a database that has none of them; `METADATA` where none is given."""
    for metadata in metadatas or (METADATA,):
        for schema in sorted({table.schema for table in metadata.tables.values() if table.schema}):
            await db.execute(f"CREATE SCHEMA {schema}")
        for text in ddl(metadata, db.session.dialect.name):
            await db.execute(text)
