"""What `rowstead.kit` offers: every name of the guide, loaded when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rowstead.kit
from rowstead.errors import RowsteadError

GUIDE = (
    "Database ConflictError DuplicateError ForeignKeyError IntegrityError MigrationError RestrictError "
    "StorageError ValidationError agg bool_ boolean bytes_col check date datetime encode_pk "
    "encode_row_guard_key encode_unique_key fk float64 float_ index int integer json_col on_eq table text "
    "timestamp unique"
).split()


def test_the_guides_names_are_there() -> None:
    assert set(GUIDE) <= set(rowstead.kit.__all__)


def test_all_is_sorted_and_every_name_in_it_can_be_had() -> None:
    names = list(rowstead.kit.__all__)
    assert names == sorted(set(names))
    assert [name for name in names if getattr(rowstead.kit, name, None) is None] == []


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Databse"):
        getattr(rowstead.kit, "Databse")  # noqa: B009


def test_the_errors_base_is_the_cores() -> None:
    assert rowstead.kit.KitError is RowsteadError


def test_a_schema_can_be_written_without_loading_the_handle() -> None:
    script = "import sys, rowstead.kit as k; k.table; print('rowstead.sync.kit.database' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
