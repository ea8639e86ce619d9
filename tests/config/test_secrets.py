"""A planted password is in nothing that a configuration shows: reprs, dumps, pickles, errors, output."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rowstead
from faults.secrets_shown import Shown, watched
from rowstead.cli import main
from rowstead.config import Config, ConfigSchema, DatabaseConfigSchema, config
from rowstead.errors import ValidationError

from .conftest import Write

WORD = "planted7c1e"
SOURCE = str(Path(rowstead.__file__).parent)


def frames(shown: Shown, where: str, error: BaseException) -> None:
    """The values in Rowstead's own frames, which reporters of errors show."""
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.startswith(SOURCE):
            shown.add(
                f"{where}: frame {traceback.tb_frame.f_code.co_name}", repr(traceback.tb_frame.f_locals)
            )
        traceback = traceback.tb_next


SOUND: dict[str, dict[str, Any]] = {
    "password": {"driver": "asyncpg", "user": "ann", "password": WORD},
    "DSN": {"dsn": f"postgresql+asyncpg://ann:{WORD}@h/d"},
    "DSN, special": {"dsn": f"postgresql+asyncpg://ann:{WORD}%40{WORD}%2F{WORD}%3A@h/d"},
    "DSN's parameter": {"dsn": f"postgresql+asyncpg://h/d?user=ann&password={WORD}"},
    "key's password": {"dsn": "postgresql+psycopg://h/d", "params": {"sslpassword": WORD}},
    "ODBC": {"dsn": f"mssql+aioodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{WORD}"},
    "engine's arguments": {"create_engine_kwargs": {"connect_args": {"password": WORD}}},
    "arguments": {"kwargs": {"connect_args": {"passwd": WORD, "ssl": {"api_key": WORD}}}},
}


@pytest.mark.parametrize("case", SOUND)
def test_repository_p01_what_is_sound_shows_no_password(case: str, folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps({"database": SOUND[case], "smtp": {"token": WORD}}))
    shown = Shown()
    with watched(shown):
        found = config("a.json")
        database = found.schema.database
        built, own = database.build_dsn(), None if case == "ODBC" else database.core_url()
        things = [found, found.schema, database, database.dsn, database.password, built, own]
        things += [
            copy.deepcopy(database),
            database.model_copy(),
            database.model_copy(update={"debug": True}),
        ]
        for thing in things:
            shown.add("repr", repr(thing))
        for thing in (found, database):
            shown.add("str", str(thing))
            shown.add("format", f"{thing}")
            shown.pickled("pickle", thing)
        for schema in (found.schema, database):
            shown.add("dump", repr(schema.model_dump()))
            shown.add("dump as JSON", schema.model_dump_json())
        shown.add("described", repr(database.describe()))
    assert shown.leaks(WORD) == []
    assert len(shown.texts) > 15
    # It is there all the same for whoever connects.
    reached = f"{built.encode()!r} {database.create_engine_kwargs} {database.kwargs}"
    assert WORD in reached
    assert getattr(found.schema, "smtp").token == WORD  # noqa: B009


BROKEN: dict[str, str] = {
    "a.yaml: alias": f"database:\n  password: *{WORD}",
    "a.yaml: tag": f"database:\n  password: !{WORD}",
    "a.yaml: at sign": f"database:\n  password: @{WORD}",
    "a.yaml: colon": f"database:\n  password: x{WORD}: y: z",
    "a.yaml: quote": f"database:\n  password: '{WORD}",
    "a.yaml: brace": f"database:\n  password: {{{WORD}",
    "a.yaml: list": f"database:\n  password: [{WORD}]",
    "a.yaml: mapping": f"database:\n  password: {{{WORD}: 1}}",
    "a.yaml: everything a list": f"- {WORD}",
    "a.yaml: a word": WORD,
    "a.yaml: database a text": f"database: postgresql+asyncpg://u:{WORD}@h/d",
    "a.yaml: not encoded": f"database:\n  dsn: postgresql+asyncpg://u:{WORD}@x/{WORD}@h/d",
    "a.yaml: bad port": f"database:\n  dsn: postgresql+asyncpg://u:{WORD}",
    "a.yaml: bad percent": f"database:\n  dsn: postgresql+asyncpg://u:{WORD}%ff@h/d",
    "a.yaml: no scheme": f"database:\n  dsn: u:{WORD}@h/d",
    "a.yaml: bad scheme": f"database:\n  dsn: '{WORD}:{WORD}://h/d'",
    "a.yaml: bad query": f"database:\n  dsn: postgresql+asyncpg://u:x?{WORD}@h/d",
    "a.yaml: sqlite": f"database:\n  dsn: sqlite+aiosqlite://u:{WORD}@h/d",
    "a.yaml: brackets": f"database:\n  dsn: postgresql+asyncpg://u:{WORD}@[h/d",
    "a.yaml: other driver": f"database:\n  dsn: postgresql+asyncpg://u:{WORD}@h/d\n  driver: aiosqlite",
    "a.yaml: wrong place": f"database:\n  driver: asyncpg\n  port: {WORD}",
    "a.yaml: wrong place, host": f"database:\n  driver: asyncpg\n  host: '{WORD}@{WORD}'",
    "a.yaml: wrong place, debug": f"database:\n  debug: {WORD}",
    "a.yaml: wrong place, time": f"database:\n  connect_timeout: {WORD}",
    "a.yaml: mistyped": f"database:\n  pasword: {WORD}",
    "a.yaml: no dialect": f"database:\n  password: {WORD}",
    "a.yaml: default": f"database:\n  password: ${{GONE-{WORD}}}",
    "a.yaml: open": f"database:\n  password: ${{GONE:-{WORD}",
    "a.yaml: unset beside it": f"database:\n  password: {WORD}${{GONE}}",
    "a.yaml: list in params": f"database:\n  driver: asyncpg\n  params: [{WORD}]",
    "a.yaml: several hosts": f"database:\n  dsn: mysql+asyncmy://u:{WORD}@a,b/d",
    "a.toml: no quotes": f"[database]\npassword = {WORD}",
    "a.toml: open": f'[database]\npassword = "{WORD}',
    "a.toml: escape": f'[database]\npassword = "\\q{WORD}"',
    "a.toml: twice": f'[database]\npassword = "{WORD}"\npassword = "{WORD}"',
    "a.toml: list": f'database = ["{WORD}"]',
    "a.json: no quotes": f'{{"database": {{"password": {WORD}}}}}',
    "a.json: twice": f'{{"database": {{"password": "{WORD}", "password": "{WORD}"}}}}',
    "a.json: list": f'{{"database": {{"password": ["{WORD}"]}}}}',
    "a.ini: format": f"[database]\npassword={WORD}",
}


@pytest.mark.parametrize("case", BROKEN)
def test_repository_p01_what_is_wrong_shows_no_password(
    write: Write, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    name = case.partition(":")[0]
    write(BROKEN[case], name)
    shown = Shown()
    with watched(shown):
        with pytest.raises(ValidationError) as caught:
            "".join(config(name).schema.database.build_dsn())
        for output in ("yaml", "json"):
            code = main(["default-config", "-c", name, "-o", output])
            # What is only wrong for SQLAlchemy's driver is a sound configuration.
            assert code == 2
    shown.error(case, caught.value)
    frames(shown, case, caught.value)
    printed = capsys.readouterr()
    shown.add("stdout", printed.out)
    shown.add("stderr", printed.err)
    assert shown.leaks(WORD) == []
    assert printed.err != ""


@pytest.mark.parametrize(
    "make",
    [
        lambda: config(database={"password": WORD, "prt": 1}),
        lambda: config(database={"password": [WORD]}),
        lambda: config(database=WORD),
        lambda: DatabaseConfigSchema(password=WORD, prt=1),  # pyright: ignore[reportCallIssue, reportArgumentType]
        lambda: DatabaseConfigSchema(dsn=WORD),  # pyright: ignore[reportArgumentType]
        lambda: ConfigSchema(database={"password": WORD, "prt": 1}),  # pyright: ignore[reportArgumentType]
        lambda: DatabaseConfigSchema().model_copy(update={"password": WORD}),
        lambda: setattr(DatabaseConfigSchema(), "password", WORD),
        lambda: setattr(DatabaseConfigSchema(), "port", WORD),
        lambda: setattr(DatabaseConfigSchema(), "pasword", WORD),
    ],
)
def test_repository_p01_wrong_arguments_show_no_password(make: Callable[[], Config]) -> None:
    shown = Shown()
    with watched(shown), pytest.raises(ValidationError) as caught:
        make()
    shown.error("error", caught.value)
    frames(shown, "error", caught.value)
    assert shown.leaks(WORD) == []


def test_repository_p01_wrong_variables_show_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ROWSTEAD_DATABASE": f'{{"password": "{WORD}"',
        "ROWSTEAD_DATABASE__PORT": WORD,
        "ROWSTEAD_DATABASE__PASWORD": WORD,
        "ROWSTEAD_DATABASE__PARAMS": f'["{WORD}"]',
        "ROWSTEAD_DATABASE__PASSWORD__X": WORD,
        "ROWSTEAD_CONFIG": f"gone-{WORD[:3]}.yaml",
    }.items():
        shown = Shown()
        with monkeypatch.context() as patch, watched(shown), pytest.raises(ValidationError) as caught:
            patch.setenv(name, value)
            config()
        shown.error(name, caught.value)
        frames(shown, name, caught.value)
        assert shown.leaks(WORD) == []
        assert name in str(caught.value)


def test_a_configuration_is_not_pickled() -> None:
    import pickle

    database = DatabaseConfigSchema()
    for thing in (
        Config(ConfigSchema()),
        ConfigSchema(),
        database,
        DatabaseConfigSchema(dsn="sqlite://").dsn,
    ):
        with pytest.raises(TypeError, match="call config"):
            pickle.dumps(thing)


def test_what_pydantic_itself_would_say_is_found() -> None:
    """The control: Pydantic's own model shows what ours does not."""
    import pydantic

    class Plain(pydantic.BaseModel):
        port: int
        password: str = ""

    shown = Shown()
    with pytest.raises(pydantic.ValidationError) as caught:
        Plain(port=WORD)  # pyright: ignore[reportArgumentType]
    shown.error("error", caught.value)
    shown.add("repr", Plain(port=1, password=WORD))
    assert len(shown.leaks(WORD)) > 2
