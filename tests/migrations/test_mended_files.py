"""What of a file in goose's format may change after it was applied, or begun: its way back, and variables."""

from __future__ import annotations

import pytest

from rowstead.errors import MigrationError, ValidationError

from .conftest import Folder, Migrator
from .versioned import Versions


@pytest.fixture
def versions(db: Migrator, folder: Folder) -> Versions:
    return Versions(db, folder)


async def test_a_way_back_may_be_written_after_the_way_forth_was_gone(
    versions: Versions, folder: Folder
) -> None:
    up = "-- +goose Up\nCREATE TABLE late (id INTEGER);\n"
    folder["00001_late.sql"] = up
    await versions.up()
    with pytest.raises(MigrationError, match="there is no way back"):
        await versions.down()
    folder["00001_late.sql"] = f"{up}-- +goose Down\nDROP TABLE nowhere;\n"
    with pytest.raises(MigrationError, match="failed on its way back"):
        await versions.down()
    folder["00001_late.sql"] = f"{up}-- +goose Down\nDROP TABLE late;\n"
    assert await versions.down() == ["00001_late.sql"]
    assert await versions.up() == ["00001_late.sql"]


async def test_what_was_done_of_a_way_back_may_not_change(versions: Versions, folder: Folder) -> None:
    text = (
        "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE half (id INTEGER);\n"
        "-- +goose Down\nDELETE FROM half;\n{};\nDROP TABLE half;\n"
    )
    folder["00001_half.sql"] = text.format("DROP TABLE nowhere")
    await versions.up()
    with pytest.raises(MigrationError, match="1 of its 3 statements are done"):
        await versions.down()
    changed = text.format("SELECT 1").replace("DELETE FROM half", "DELETE FROM half WHERE id = 1")
    folder["00001_half.sql"] = changed
    with pytest.raises(MigrationError, match="changed since applied: 00001_half") as refusal:
        await versions.down()
    # The advice is of use: both ledgers forget it.
    for line in str(refusal.value).splitlines():
        if "DELETE FROM" in line:
            await versions.db.execute(line.strip().rstrip(";"))
    assert (await versions.status()).pending == ["00001_half.sql"]


async def test_a_variable_must_be_set_only_where_its_direction_is_due(
    versions: Versions, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder["00001_named.sql"] = (
        "-- +goose ENVSUB ON\n-- +goose Up\nCREATE TABLE ${NAMED} (id INTEGER);\n"
        "-- +goose Down\nDROP TABLE ${NAMED};\n"
    )
    folder["00002_more.sql"] = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n"
    with pytest.raises(ValidationError, match=r"00001_named\.sql line 3: the variable NAMED is not set"):
        await versions.up()
    monkeypatch.setenv("NAMED", "sales")
    await versions.up(to=1)
    monkeypatch.delenv("NAMED")
    assert (await versions.status()).is_consistent
    assert await versions.up() == ["00002_more.sql"]
    assert await versions.down() == ["00002_more.sql"]
    with pytest.raises(ValidationError, match=r"00001_named\.sql line 5: the variable NAMED is not set"):
        await versions.down()
