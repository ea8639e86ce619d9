"""Files: their formats, what they extend, variables in them, and what is said of a wrong one."""

from __future__ import annotations

import builtins
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from rowstead.config import config
from rowstead.errors import ValidationError

from .conftest import Write

YAML = """\
name: my-app
database:
  driver: asyncpg
  password: 0123
  port: 6000
  debug: true
  params: {application_name: yes}
extra:
  list: [1, {deep: 1.50}]
"""
TOML = """\
name = "my-app"
[database]
driver = "asyncpg"
password = "0123"
port = 6000
debug = true
params = { application_name = "yes" }
[extra]
list = [1, { deep = 1.50 }]
"""
JSON = """\
{"name": "my-app",
 "database": {"driver": "asyncpg", "password": "0123", "port": 6000, "debug": true,
              "params": {"application_name": "yes"}},
 "extra": {"list": [1, {"deep": 1.50}]}}
"""
FORMATS = {"app.yaml": YAML, "app.yml": YAML, "app.toml": TOML, "app.json": JSON, "APP.JSON": JSON}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same(write: Write, name: str) -> None:
    found = config(write(FORMATS[name], name)).schema
    database = found.database
    assert (found.name, database.driver, database.port, database.debug) == ("my-app", "asyncpg", 6000, True)
    assert database.password is not None
    assert database.password.get_secret_value() == "0123"
    assert database.params == {"application_name": "yes"}
    extra: Any = found
    assert extra.extra.list[0] == 1
    assert extra.extra.list[1].deep == 1.5


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("123", "123"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("0x1F", "0x1F"),
        ("1.50", "1.50"),
        ("1e5", "1e5"),
        ("yes", "yes"),
        ("true", "true"),
        ("2026-01-02", "2026-01-02"),
        ("'null'", "null"),
        ('"a: b #c"', "a: b #c"),
    ],
)
def test_repository_p14_a_text_is_what_is_written_whatever_yaml_takes_it_for(
    write: Write, written: str, meant: str
) -> None:
    path = write(f"database:\n  driver: asyncpg\n  password: {written}\n  user: {written}\n  db: {written}")
    database = config(path).schema.database
    assert database.password is not None
    assert (database.password.get_secret_value(), database.user, database.db) == (meant, meant, meant)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"database": {"driver": "asyncpg", "password": %s}}'),
        ("a.toml", '[database]\ndriver = "asyncpg"\npassword = %s'),
    ],
)
@pytest.mark.parametrize(("written", "meant"), [("123", "123"), ("1.50", "1.50"), ("true", "true")])
def test_repository_p14_numbers_are_taken_for_texts_in_the_other_formats_too(
    write: Write, name: str, text: str, written: str, meant: str
) -> None:
    password = config(write(text % written, name)).schema.database.password
    assert password is not None
    assert password.get_secret_value() == meant


@pytest.mark.parametrize("text", ["", "database:", "database: null", "database: {}", "# nothing", "name:\n"])
def test_repository_p14_a_key_without_a_value_says_nothing(write: Write, text: str) -> None:
    found = config(write(text)).schema
    assert "".join(found.database.build_dsn()) == "sqlite+aiosqlite:///rowstead.db"
    assert found.name == "rowstead"


def test_repository_p14_a_user_without_a_value_leaves_the_dsns(write: Write) -> None:
    path = write("database:\n  dsn: postgresql+asyncpg://ann:x@h/d\n  user:\n  password: ''\n  port: null\n")
    assert "".join(config(path).schema.database.build_dsn()) == "postgresql+asyncpg://ann:x@h/d"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "- database", r"a\.yaml, line 1: the file must hold keys and values.*not a list"),
        ("a.yaml", "\nword", r"a\.yaml, line 2: .*not a single value"),
        ("a.json", "[1]", r"a\.json: .*not a list"),
        ("a.yaml", "database: [x]", r"a\.yaml, line 1: database must hold keys and values"),
        ("a.yaml", "database: sqlite:///x", "write a URL as `dsn`"),
        ("a.yaml", "x: 1\ndatabase:\n  prt: 1", r"a\.yaml, line 3: database\.prt: .*did you mean 'port'"),
        ("a.toml", "[database]\n\nprt = 1", r"a\.toml, line 3: database\.prt"),
        ("a.json", '{"database":\n {"user": "u",\n "prt": 1}}', r"a\.json, line 3: database\.prt"),
        ("a.yaml", "database:\n  port: many", r"a\.yaml, line 2: database\.port: the port must be"),
        ("a.yaml", "database:\n  params:\n    x: [1]\n  debug: 7", r"a\.yaml, line 4: database\.debug"),
        ("a.yaml", "a: 1\nb: 2\na: 3", r"line 3: the key 'a' stands here and in line 1"),
        ("a.json", '{"a": 1, "a": 2}', "'a' stands twice"),
        ("a.yaml", "a: &x\n  b: *x", "line 1: an anchor holds itself"),
        ("a.yaml", "? [a]\n: 1", "a key must be a word"),
        ("a.yaml", "a: {", r"a\.yaml, line 1: this is no YAML.*quotes"),
        ("a.yaml", "a: 1\nb: !!python/object:os.system x", r"line 2: this is no YAML"),
        ("a.yaml", "a: 1\n---\nb: 2", "this is no YAML"),
        ("a.toml", "a = 1\nb = what", r"a\.toml, line 2: this is no TOML"),
        ("a.json", '{"a": 1,\n b}', r"a\.json, line 2: this is no JSON"),
        ("a.json", "[" * 100_000, r"a\.json: this is no JSON"),
        ("a.yaml", "a: " + "[" * 5_000, r"a\.yaml: this is no YAML"),
        ("a.toml", "a = " + "[" * 5_000, r"a\.toml: this is no TOML"),
        ("a.ini", "[database]", r"ends in one of \.yaml, \.yml, \.toml, \.json"),
        ("a.yaml", "databse:\n  driver: asyncpg", r"line 1: databse: .*did you mean 'database'"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_it_and_the_line(
    write: Write, name: str, text: str, said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        config(write(text, name))


def test_what_is_no_text_or_cannot_be_read_is_said(folder: Path) -> None:
    (folder / "a.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ValidationError, match=r"a\.yaml cannot be read: it is not encoded in UTF-8"):
        config("a.yaml")
    (folder / "b.yaml").write_bytes("\ufeffname: ü".encode())
    assert config("b.yaml").schema.name == "ü"


def test_yaml_without_its_library_says_what_to_install(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_yaml(name: str, *rest: Any, **named: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "yaml", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_yaml)
    with pytest.raises(ImportError, match=r"pip install 'rowstead\[config\]'"):
        config(write("name: x"))
    assert config(write('name = "x"', "a.toml")).schema.name == "x"


def test_yamls_own_ways_of_saying_things_twice_work(write: Write) -> None:
    path = write("base: &base {user: ann, db: base}\ndatabase:\n  <<: *base\n  driver: asyncpg\n  db: own\n")
    assert "".join(config(path).schema.database.build_dsn()) == "postgresql+asyncpg://ann@localhost:5432/own"


# Which file.


def test_the_first_file_that_is_there_is_read(write: Write) -> None:
    files = ["localconfig.yaml", "localconfig.toml", "config.yaml", "config.toml"]
    assert config().files == ()
    for name in reversed(files):
        write('name = "x"' if name.endswith("toml") else "name: x", name)
        found = config()
        assert [path.name for path in found.files] == [name]
        assert found.schema.name == "x"


def test_the_environment_names_a_file_and_an_argument_wins(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("name: found", "localconfig.yaml")
    write("name: named", "else/where.yaml")
    monkeypatch.setenv("ROWSTEAD_CONFIG", "else/where.yaml")
    assert config().schema.name == "named"
    assert config("localconfig.yaml").schema.name == "found"
    monkeypatch.setenv("ROWSTEAD_CONFIG", "")
    assert config().schema.name == "found"


def test_repository_p05_a_file_that_is_named_must_be_there(
    write: Write, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    write("name: another", "config.yaml")
    with pytest.raises(ValidationError, match=r"path given, confg\.yaml, is not there; did you mean 'config"):
        config("confg.yaml")
    with pytest.raises(ValidationError, match=r"is not there; its folder holds config\.yaml"):
        config("production.yaml")
    with pytest.raises(ValidationError, match="its folder cannot be read"):
        config("nowhere/config.yaml")
    with pytest.raises(ValidationError, match="is a folder"):
        config(folder)
    monkeypatch.setenv("ROWSTEAD_CONFIG", "gone.yaml")
    with pytest.raises(ValidationError, match=r"environment's ROWSTEAD_CONFIG, gone\.yaml, is not there"):
        config()
    (folder / "config.yaml").unlink()
    with pytest.raises(ValidationError, match="holds no configuration file"):
        config("config.yaml")


def test_reading_a_configuration_leaves_logging_alone(write: Write) -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers), logging.root.manager.disable
    config(write("logging:\n  level: DEBUG\n  log_config: {version: 1}\n"))
    assert (root.level, list(root.handlers), logging.root.manager.disable) == before


# What a file extends.


@pytest.mark.parametrize(
    "extends", ["extends: base.yaml", "extends: [base.yaml]", "config: {extends: [base.yaml]}"]
)
def test_a_file_wins_over_what_it_extends(write: Write, extends: str) -> None:
    write("name: base\ndatabase: {driver: asyncpg, user: ann, db: base}\nextra: {a: 1, b: 2}", "base.yaml")
    found: Any = config(write(f"{extends}\ndatabase: {{db: own}}\nextra: {{b: 3}}\n")).schema
    assert "".join(found.database.build_dsn()) == "postgresql+asyncpg://ann@localhost:5432/own"
    assert (found.name, found.extra.a, found.extra.b) == ("base", 1, 3)
    assert not hasattr(found, "extends")
    assert not hasattr(found, "config")


def test_of_several_files_the_later_wins_and_formats_mix(write: Write) -> None:
    write('name = "one"\n[extra]\na = 1\nb = 1\nc = 1', "one.toml")
    write('{"extra": {"b": 2, "c": 2}, "extends": "deep.yaml"}', "two.json")
    write("extra: {c: 4, d: 4}", "deep.yaml")
    found = config(write("extends: [one.toml, two.json]"))
    extra: Any = found.schema
    assert (extra.extra.a, extra.extra.b, extra.extra.c, extra.extra.d) == (1, 2, 2, 4)
    assert [path.name for path in found.files] == ["config.yaml", "two.json", "deep.yaml", "one.toml"]


def test_extended_files_are_looked_for_beside_the_file_and_in_its_dirs(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("extra: {a: 1}", "etc/shared/base.yaml")
    path = write("config: {extends: base.yaml, dirs: [shared, '${MORE:-more}']}", "etc/config.yaml")
    found: Any = config(path).schema
    assert found.extra.a == 1
    with pytest.raises(
        ValidationError,
        match=r"line 1: extends gone\.yaml, which is not there; looked for: .*etc/gone.*etc/shared/gone",
    ):
        config(write("config: {extends: gone.yaml, dirs: shared}", "etc/config.yaml"))


def test_a_circle_of_files_is_an_error_that_names_it(write: Write) -> None:
    write("extends: b.yaml", "a.yaml")
    write("extends: sub/c.yaml", "b.yaml")
    write("extends: ../a.yaml", "sub/c.yaml")
    with pytest.raises(
        ValidationError, match=r"itself: a\.yaml -> b\.yaml -> sub/c\.yaml -> sub/\.\./a\.yaml"
    ):
        config("a.yaml")
    # The same file twice is no circle.
    write("extends: leaf.yaml", "l.yaml")
    write("extends: leaf.yaml", "r.yaml")
    write("name: leaf", "leaf.yaml")
    assert config(write("extends: [l.yaml, r.yaml]")).schema.name == "leaf"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: {a: b}", "a file's name or a list"),
        ("extends: [1]", "a file's name or a list"),
        ("config: {extend: x, dirs: y}", "did you mean 'extends'"),
    ],
)
def test_a_wrong_extends_is_an_error(write: Write, text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=f"line 1: .*{said}"):
        config(write(text))


def test_a_config_section_without_extends_is_kept(write: Write) -> None:
    found: Any = config(write("config: {mine: 1}")).schema
    assert found.config.mine == 1


# Variables.


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${HERE}", "there"),
        ("a${HERE}b${HERE}", "athereb" + "there"),
        ("${GONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY}x", "x"),
        ("${GONE:-}x", "x"),
        ("${HERE:-default}", "there"),
        ("${GONE:-${HERE}}!", "there!"),
        ("${GONE:-${GONE2:-x}}", "x"),
        ("$${HERE}", "${HERE}"),
        ("$HERE", "$HERE"),
        ("$$HERE", "$$HERE"),
        ("pa$$w0rd", "pa$$w0rd"),
        ("${TRICKY}", "${HERE}: x # y"),
        ("${GONE:-a:-b}", "a:-b"),
    ],
)
@pytest.mark.parametrize("form", ["yaml", "toml", "json"])
def test_variables_are_filled_in(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, meant: str, form: str
) -> None:
    monkeypatch.setenv("HERE", "there")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("TRICKY", "${HERE}: x # y")
    files = {"yaml": f"name: '{text}'", "toml": f"name = '{text}'", "json": f'{{"name": "{text}"}}'}
    assert config(write(files[form], f"a.{form}")).schema.name == meant


def test_a_variable_of_the_guide_is_a_part_of_the_address(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_USER", "prod_user")
    monkeypatch.setenv("DB_PASSWORD", "p@ss/w:rd")
    monkeypatch.setenv("DB_PORT", "6000")
    path = write(
        """\
name: my-app
database:
  dsn: postgresql+asyncpg://defaultuser:defaultpass@localhost:5432/mydb
  user: ${DB_USER}      # Overrides user from DSN
  password: ${DB_PASSWORD}  # Overrides password from DSN
  port: ${DB_PORT}
  debug: ${DB_DEBUG:-false}
"""
    )
    assert "".join(config(path).schema.database.build_dsn()) == (
        "postgresql+asyncpg://prod_user:p%40ss%2Fw%3Ard@localhost:6000/mydb"
    )


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.yaml", "x: 1\ndatabase:\n  user: ${GONE}", 3),
        ("a.yaml", "x: |\n  one\n  two ${GONE}\n", 3),
        ("a.yaml", "x:\n  - a\n  - ${GONE}", 3),
        ("a.yaml", "x: {y: [1, 2,\n  '${GONE}']}", 2),
        ("a.toml", "x = 1\n[database]\nuser = '${GONE}'", 3),
        ("a.toml", "[a.b]\nc.d = '${GONE}'", 2),
        ("a.toml", "[[a]]\nc = '${GONE}'", 1),
        ("a.json", '{"x": 1,\n"database": {\n\n"user": "${GONE}"}}', 4),
        ("a.json", '{"x": [1, 2,\n{"y": ["${GONE}"]}]}', 2),
    ],
)
def test_a_variable_that_is_not_set_is_an_error_that_names_it_the_file_and_the_line(
    write: Write, name: str, text: str, line: int
) -> None:
    said = rf"{name}, line {line}: the environment variable GONE is not set.*\$\{{GONE:-default\}}"
    with pytest.raises(ValidationError, match=said):
        config(write(text, name))


def test_a_mistyped_variable_has_a_suggestion(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "x")
    with pytest.raises(ValidationError, match="DB_PASWORD is not set; did you mean 'DB_PASSWORD'"):
        config(write("a: ${DB_PASWORD}"))


@pytest.mark.parametrize("text", ["${}", "${A B}", "${1A}", "${A-b}", "${A:?b}", "${A", "${A:-${B}"])
def test_what_is_no_variable_is_an_error(write: Write, text: str) -> None:
    with pytest.raises(ValidationError, match=r"a\.yaml, line 2: a \$\{"):
        config(write(f"\na: '{text}'", "a.yaml"))


def test_a_variable_that_something_stronger_replaces_need_not_be_set(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("database:\n  driver: asyncpg\n  user: ${GONE}\n")
    monkeypatch.setenv("ROWSTEAD_DATABASE__USER", "ann")
    assert config(path).schema.database.user == "ann"
    assert config(path, database={"user": "bob"}).schema.database.user == "bob"
    monkeypatch.delenv("ROWSTEAD_DATABASE__USER")
    assert "GONE" not in os.environ
    with pytest.raises(ValidationError, match="GONE"):
        config(path)
