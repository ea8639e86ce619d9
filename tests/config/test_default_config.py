"""`rowstead default-config`: the settings in force, without passwords, in a form that can be read back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from rowstead.cli import main
from rowstead.config import config

from .conftest import Write


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["default-config", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_without_a_file_it_prints_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys)
    assert "# read from: no file" in out
    assert "# database:  'sqlite+aiosqlite:///rowstead.db'" in out
    found: Any = yaml.safe_load(out)
    assert found["name"] == "rowstead"
    assert found["database"]["connect_timeout"] == 10.0
    assert json.loads(printed(capsys, "-o", "json")) == found


def test_it_prints_what_is_in_force_and_that_can_be_read_back(
    capsys: pytest.CaptureFixture[str], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("name: base", "base.yaml")
    text = "extends: base.yaml\ndatabase: {dsn: 'postgresql+asyncpg://ann@h/d'}\nextra: {since: 2026-01-02}"
    path = write(text, "app.yaml")
    monkeypatch.setenv("ROWSTEAD_DATABASE__USER", "bob")
    out = printed(capsys, "-c", str(path))
    assert f"# read from: '{path}', '{path.parent / 'base.yaml'}'" in out
    assert "# database:  'postgresql+asyncpg://bob@h/d'" in out
    assert yaml.safe_load(out)["name"] == "base"
    monkeypatch.delenv("ROWSTEAD_DATABASE__USER")
    for form in ("yaml", "json"):
        again = config(write(printed(capsys, "-c", str(path), "-o", form), f"again.{form}"))
        assert again.schema.database.url == config(path).schema.database.url
    monkeypatch.setenv("ROWSTEAD_CONFIG", str(path))
    assert "name: base" in printed(capsys)


def test_a_wrong_file_exits_2_with_one_line(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    write("database:\n  prt: 1", "app.yaml")
    assert main(["default-config", "-c", "app.yaml"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == (
        "",
        ["error: app.yaml, line 2: database.prt: there is no such key; did you mean 'port'?"],
    )
    assert main(["default-config", "--config", "ap.yaml", "-o", "json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "VALIDATION"
    assert "did you mean 'app.yaml'" in err


def test_repository_p01_it_prints_no_password(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    write(
        """\
database:
  dsn: postgresql+asyncpg://ann:planted@h/d?sslpassword=planted
  password: planted
  params: {sslpassword: planted}
  create_engine_kwargs: {connect_args: {password: planted}}
smtp: {password: planted, host: mail, url: 'smtp://ann:planted@mail/'}
tokens: [planted]
"""
    )
    for form in ("yaml", "json"):
        out = printed(capsys, "-o", form)
        assert "planted" not in out
        assert out.count("***") > 5
        assert "mail" in out
