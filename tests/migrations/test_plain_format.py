"""What the plain format takes from a folder: which files, which text, which markers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rowstead.errors import ValidationError
from rowstead.migrations.formats.plain import load
from rowstead.migrations.split import POSTGRESQL_SYNTAX


def loaded(path: Path):
    return load(path, POSTGRESQL_SYNTAX)


def test_only_direct_children_that_end_in_sql_count_in_order_of_name(tmp_path: Path) -> None:
    for name in ("0010.sql", "0002.sql", "9.SQL", "readme.md", ".hidden.sql", "x.sql.bak"):
        (tmp_path / name).write_text("SELECT 1;")
    (tmp_path / "sub.sql").mkdir()
    (tmp_path / "sub.sql" / "0001.sql").write_text("SELECT 1;")
    assert [migration.id for migration in loaded(tmp_path)] == [".hidden.sql", "0002.sql", "0010.sql"]


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"not found: .*nowhere"):
        load(str(tmp_path / "nowhere"), POSTGRESQL_SYNTAX)


def test_the_checksum_is_that_of_the_text_whatever_its_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    text = "SELECT 'ä';\nSELECT 2;\n"
    (tmp_path / "1.sql").write_bytes(text.encode())
    (tmp_path / "2.sql").write_bytes(text.replace("\n", "\r\n").encode())
    (tmp_path / "3.sql").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "4.sql").write_bytes(text.encode() + b"\n")
    expected = hashlib.sha256(text.encode()).hexdigest()
    found = [migration.checksum for migration in loaded(tmp_path)]
    assert found[:3] == [expected] * 3
    assert found[3] != expected


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "0001_latin.sql").write_bytes("SELECT 'ä';".encode("latin-1"))
    with pytest.raises(ValidationError, match=r"0001_latin\.sql is not UTF-8 \(byte 0xe4 at offset 8\)"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "-- rowstead:no-transaction\nVACUUM;",
        "\n\n--rowstead:no-transaction  \r\nVACUUM;",
        "-- migrations/0004_concurrent_index.sql\n-- rowstead:no-transaction\nVACUUM;",
        "/* why */\n-- so\n\n-- rowstead:no-transaction\nVACUUM;",
    ],
)
def test_the_marker_is_seen_among_the_leading_comments(tmp_path: Path, text: str) -> None:
    (tmp_path / "1.sql").write_bytes(text.encode())
    assert loaded(tmp_path)[0].transactional is False


@pytest.mark.parametrize(
    "text", ["VACUUM;\n-- rowstead:no-transaction", "SELECT '\n-- rowstead:no-transaction\n';"]
)
def test_the_marker_means_nothing_behind_the_first_statement(tmp_path: Path, text: str) -> None:
    (tmp_path / "1.sql").write_text(text)
    assert loaded(tmp_path)[0].transactional is True


def test_a_misspelt_marker_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("-- rowstead:no_transaction\nVACUUM;")
    with pytest.raises(ValidationError, match="did you mean 'no-transaction'"):
        loaded(tmp_path)
