"""Comparing tables as models describe them with those that a database has, and writing what is between.

    found = compare(connection, [Base.metadata])          # reading.py, by Alembic's autogenerate
    decision = decide(found, ["users.name:full_name"])    # deciding.py: what is a rename, what is left
    text = migration_file(decision, found)                # file.py: goose's format, with the way back

It answers for differences of tables, columns, indexes and constraints. It must not know how the database
is reached, nor apply anything.
"""

try:
    import alembic as _alembic  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ModuleNotFoundError as error:
    raise ImportError(
        "comparing models with a database needs Alembic: pip install 'rowstead[migrate]'"
    ) from error

from rowstead.migrations.comparing.changes import Change
from rowstead.migrations.comparing.deciding import Decision, PossibleRename, decide
from rowstead.migrations.comparing.file import migration_file
from rowstead.migrations.comparing.reading import Found, compare, dialect_called

__all__ = [
    "Change",
    "Decision",
    "Found",
    "PossibleRename",
    "compare",
    "decide",
    "dialect_called",
    "migration_file",
]
