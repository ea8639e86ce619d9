"""The application's file: what may stand in it, and what services get of it."""

from __future__ import annotations

import datetime as dt
import logging
import sys
from pathlib import Path

import pytest

from rowstead.service import SERVICE_CLASS_REGISTRY, App
from service.app_files import REGISTRY, Store, app_of, folder, given, names

__all__ = ["folder"]  # a fixture that works by being here


FORMS = {
    "one below settings, as the guide prints it": (
        "settings:\n  services:\n    cls: Store\n    settings:\n      port: 1\n"
    ),
    "one at the top, as the guide prints it": "services:\n  cls: Store\n  settings:\n    port: 1\n",
    "several by name": "services:\n  store:\n    cls: Store\n    settings: {port: 1}\n",
    "a list": "services:\n  - cls: Store\n    settings: {port: 1}\n",
    "a list below settings": "settings:\n  services:\n    - {cls: Store, settings: {port: 1}}\n",
}


@pytest.mark.parametrize("form", FORMS)
async def test_service_d03_services_are_one_mapping_several_by_name_or_a_list(form: str) -> None:
    async with app_of(FORMS[form]) as app:
        assert list(app.services) == ["store"]
        assert vars(app.services["store"])["given"]["port"] == 1


async def test_service_d03_the_guides_service_without_settings_is_accepted() -> None:
    assert await names(app_of("services:\n  cls: MyService\n")) == [("MyService", "MyService")]


GUIDE = {
    "DatabaseService": """
settings:
  services:
    cls: DatabaseService
    settings:
      host: localhost
      port: 5432
      database: my_db
      user: app_user
      password: 123
      root_user: postgres
      root_password: postgres
      init_db: True
      init_tables: True
      pool_size: 4
      extensions:
        - ltree
""",
    "DatabaseMigrationService": """
settings:
  services:
    cls: DatabaseMigrationService
    enabled: True
    settings:
      migrations_file: ./etc/migrations.json
      migrate_on_start: True
""",
    "FixtureService": """
services:
  cls: FixtureService
  settings:
    root_dir: ./fixtures
""",
}


@pytest.mark.parametrize("name", GUIDE)
async def test_service_d03_the_guides_files_are_accepted_as_printed(name: str) -> None:
    app = app_of(GUIDE[name], registry=SERVICE_CLASS_REGISTRY)
    missing = await app.check()
    # Alone each of the others misses the database service; of their settings nothing is wrong.
    assert all("needs a DatabaseService" in finding.problem for finding in missing)
    assert len(missing) <= (name != "DatabaseService")


async def test_names_come_from_the_file_else_from_the_class() -> None:
    text = """
services:
  - cls: Store
  - {cls: Store, name: second}
  - cls: Open
"""
    assert await names(app_of(text)) == [("store", "Store"), ("second", "Store"), ("Open", "Open")]
    text = "services:\n  first: {cls: Store}\n  second: {cls: Open, name: other}\n"
    assert await names(app_of(text)) == [("first", "Store"), ("other", "Open")]


FORMATS = {
    "app.yml": "services:\n  - cls: Open\n    settings: {a: 1, b: [1, {c: null}], d: {e: text}}\n",
    "app.toml": """
[[services]]
cls = "Open"
[services.settings]
a = 1
b = [1, {c = ""}]
d = {e = "text"}
""",
    "APP.JSON": """
{"services": [{"cls": "Open", "settings": {"a": 1, "b": [1, {"c": null}], "d": {"e": "text"}}}]}
""",
}


@pytest.mark.parametrize("name", FORMATS)
async def test_every_format_says_the_same_and_arrays_and_objects_stay(name: str) -> None:
    found = await given(FORMATS[name], name)
    found["b"][1]["c"] = found["b"][1]["c"] or None
    assert found == {"a": 1, "b": [1, {"c": None}], "d": {"e": "text"}}


async def test_values_are_what_yaml_says_and_texts_are_not_evaluated() -> None:
    text = """
services:
  cls: Open
  settings: {a: 1, b: 1.5, c: true, d: "1", e: "True", f: "[1]", g: 2026-01-02, h: , i: 'None', j: "1e5"}
"""
    assert await given(text) == {
        "a": 1,
        "b": 1.5,
        "c": True,
        "d": "1",
        "e": "True",
        "f": "[1]",
        "g": dt.date(2026, 1, 2),
        "h": None,
        "i": "None",
        "j": "1e5",
    }


@pytest.mark.parametrize("written", ["123", "0123", "1_000", "yes", "12:30:45", "2026-01-02", "true", "0x1F"])
async def test_a_setting_that_is_a_text_is_what_is_written(written: str) -> None:
    settings = f"{{user: {written}, password: {written}, anything: {written}}}"
    found = await given(f"services:\n  cls: Store\n  settings: {settings}\n")
    assert (found["user"], found["password"]) == (written, written)
    # The control: where the class does not ask for a text, it is what YAML makes of it.
    assert found["anything"] != written


async def test_a_plain_number_or_truth_may_be_a_text_as_variables_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "6000")
    monkeypatch.setenv("READY", "Yes")
    text = """
services:
  cls: Store
  settings: {port: "${PORT}", ratio: "${RATIO:-0.5}", ready: "${READY}", host: "${PORT}", anything: "${PORT}"}
"""
    found = await given(text)
    assert [found[name] for name in ("port", "ratio", "ready", "host", "anything")] == [
        *(6000, 0.5, True),
        *("6000", "6000"),
    ]


async def test_a_setting_without_a_value_is_as_if_not_written() -> None:
    found = await given("services:\n  cls: Store\n  settings:\n    port:\n    host:\n    user:\n")
    assert (found["port"], found["host"], found["user"]) == (5432, "localhost", None)
    assert (await given("services:\n  cls: Store\n  settings:\n"))["port"] == 5432


async def test_variables_are_filled_in_and_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "${OTHER} # x: y")
    settings = "{a: 'x${NAME}', b: ['${NAME}'], c: {d: '${N:-${NAME}}'}, e: '$${N}'}"
    value = "${OTHER} # x: y"
    assert await given(f"services:\n  cls: Open\n  settings: {settings}\n") == {
        "a": f"x{value}",
        "b": [value],
        "c": {"d": value},
        "e": "${N}",
    }


@pytest.mark.parametrize(("said", "there"), [("no", False), ("'False'", False), ("${ON}", True), ("", True)])
async def test_enabled_is_said_in_any_words(monkeypatch: pytest.MonkeyPatch, said: str, there: bool) -> None:
    monkeypatch.setenv("ON", "on")
    app = app_of(f"services:\n  - cls: Store\n    enabled: {said}\n")
    assert len(await names(app)) == there


async def test_what_is_not_enabled_is_not_looked_at() -> None:
    text = """
services:
  - {cls: NoSuchClass, enabled: false, settings: {a: "${NOT_SET_ANYWHERE}"}}
  - {cls: Store}
"""
    assert await names(app_of(text)) == [("store", "Store")]


async def test_a_service_that_overrides_stands_in_the_place_of_the_other() -> None:
    text = """
services:
  - {cls: Store, name: a}
  - {cls: Store, name: b}
  - {cls: Open, name: a, override: true, settings: {x: 1}}
"""
    assert await names(app_of(text)) == [("a", "Open"), ("b", "Store")]


async def test_a_file_may_extend_another(tmp_path: Path) -> None:
    base = "services:\n  a: {cls: Store, settings: {port: 1, host: base}}\n  b: {cls: Open}\n"
    (tmp_path / "base.yaml").write_text(base)
    text = "extends: base.yaml\ndatabase: {dsn: 'nonsense'}\nservices:\n  a: {settings: {port: 2}}\n"
    async with app_of(text) as app:
        assert list(app.services) == ["a", "b"]
        found = vars(app.services["a"])["given"]
        assert (found["port"], found["host"]) == (2, "base")


async def test_modules_beside_the_file_are_imported_for_the_classes_that_they_register(
    tmp_path: Path,
) -> None:
    place = tmp_path / "etc"
    place.mkdir()
    (place / "h3_tasks.py").write_text(
        "from rowstead.service.service import Service\n"
        "from registries import registry\n"
        "@registry.register\nclass TaskService(Service): pass\n"
        "class Unregistered(Service): pass\n"
    )
    (tmp_path / "registries.py").write_text(
        "from rowstead.service.registry import ServiceRegistry\nregistry = ServiceRegistry()\n"
    )
    sys.path.insert(0, str(tmp_path))
    from registries import registry  # type: ignore[import-not-found]

    entries = "services:\n  - cls: TaskService\n  - cls: h3_tasks:Unregistered\n"
    path = place / "app.yaml"
    path.write_text(f"imports: [h3_tasks]\n{entries}")
    expected = [("TaskService", "TaskService"), ("Unregistered", "Unregistered")]
    assert await names(App.from_yaml(path, registry=registry)) == expected
    path.write_text(entries)
    assert await names(App.from_yaml(path, registry=registry, imports=["h3_tasks"])) == expected
    path.write_text(
        f"settings:\n  imports: h3_tasks\n  {entries.replace(chr(10), chr(10) + '  ').rstrip()}\n"
    )
    assert await names(App.from_yaml(path, registry=registry)) == expected


async def test_a_mapping_says_what_a_file_says_and_may_hold_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "there")
    thing = object()
    settings = {
        "settings": {
            "services": [
                {
                    "cls": Store,
                    "settings": {"host": "${HOST}", "user": 12, "anything": thing, "items": [thing]},
                },
                {"cls": "Open", "settings": {"pair": (1, 2), "ready": True}},
            ]
        }
    }
    async with App.from_dict(settings, registry=REGISTRY) as app:
        store, other = (vars(service)["given"] for service in app.services.values())
    assert (store["host"], store["user"], store["anything"], store["items"]) == (
        "there",
        "12",
        thing,
        [thing],
    )
    assert other == {"pair": [1, 2], "ready": True}


async def test_keys_of_others_at_the_top_are_left_to_them() -> None:
    text = """
name: my-app
main: {env: dev}
run:
database: {dsn: x}
x: &x {port: 1}
services:
  cls: Store
  settings: *x
"""
    assert (await given(text))["port"] == 1


def test_a_level_of_a_log_is_set_when_the_service_is_made() -> None:
    app_of("services: {cls: Store, name: h3_quiet, loglevel: error}\n")
    assert logging.getLogger("rowstead.services.h3_quiet").level == logging.NOTSET
