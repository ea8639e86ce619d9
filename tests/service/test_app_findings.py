"""What is said of an application's file that is wrong: each thing with its line, and no value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rowstead.errors import ValidationError
from rowstead.service import App
from service.app_files import REGISTRY, SECRET, Store, app_of, folder, wrong

__all__ = ["folder"]  # a fixture that works by being here

WRONG = {
    "a service that is nothing": ("services:\n  - 5\n", ["2: a service must hold keys and values, as `cls:"]),
    "services that are a text": (
        "services: Store\n",
        ["1: services must be one service, several by name, or a"],
    ),
    "no services": ("name: x\n", ["1: there are no services; write `services:`"]),
    "services mistyped": (
        "servces:\n  cls: Store\n",
        ["1: servces: nothing reads this; did you mean 'services'?", "1: there are no services"],
    ),
    "services twice": (
        "services: [{cls: Store}]\nsettings:\n  services: [{cls: Open}]\n",
        ["3: services stands here, and in app.yaml, line 1; keep one of them"],
    ),
    "settings that are a list": (
        "settings: [a]\nservices: {cls: Store}\n",
        ["1: settings must hold keys and values"],
    ),
    "no class": ("services:\n  a:\n    enabled: true\n", ["2: service a: cls is missing"]),
    "one service with a mistyped class": (
        "services:\n  class: Store\n  settings: {port: 1}\n",
        [
            "2: class: a service has no such key; did you mean 'cls'?",
            "1: cls is missing: the name of the service's class",
        ],
    ),
    "a name for a service": (
        "services:\n  store: Store\n",
        ["2: service store: a service must hold keys and values, as `cls: DatabaseService`"],
    ),
    "an unknown class": (
        "services:\n  - cls: Stroe\n",
        [
            "2: cls: no class of services is registered as 'Stroe' (name the module that registers it under "
            "`imports`, or write module:Class); did you mean 'Store'?"
        ],
    ),
    "a built-in class mistyped": (
        "services: {cls: DatabseService}\n",
        ["1: cls: no class of services is registered as 'DatabseService'"],
    ),
    "a class that is a number": ("services: {cls: 5}\n", ["1: cls: must be the name of a class"]),
    "a module that is not there": (
        "services: {cls: 'h3_nowhere:X'}\n",
        ["1: cls: the module h3_nowhere cannot be imported: ModuleNotFoundError: No module named"],
    ),
    "a class that is not there": (
        "services: {cls: 'rowstead.service.public:PublicInterfac'}\n",
        ["1: cls: the module rowstead.service.public has no 'PublicInterfac'"],
    ),
    "a class of nothing": (
        "services: {cls: 'collections:OrderedDict'}\n",
        ["1: cls: collections:OrderedDict: a class below rowstead.service.Service is wanted, not the"],
    ),
    "a function": ("services: {cls: 'os:getcwd'}\n", ["1: cls: os:getcwd: a class below"]),
    "no module at all": ("services: {cls: '../x:Y'}\n", ["1: cls: '../x' is not the name of a module"]),
    "an import that fails": (
        "imports: [h3_nowhere]\nservices: {cls: Store}\n",
        ["1: the module h3_nowhere cannot be imported: ModuleNotFoundError"],
    ),
    "an import that is no name": (
        "imports: [5, 'a b']\nservices: {cls: Store}\n",
        ["1: imports: must be a list of modules' names", "1: 'a b' is not the name of a module"],
    ),
    "an unknown key": (
        "services:\n  - cls: Store\n    setings: {a: 1}\n    class: x\n",
        [
            "3: setings: a service has no such key; did you mean 'settings'?",
            "4: class: a service has no such key; did you mean 'cls'?",
        ],
    ),
    "a flag that is none": (
        f"services:\n  - cls: Store\n    enabled: {SECRET}\n    required: 7\n",
        ["3: enabled: must be true or false", "4: service store: required: must be true or false"],
    ),
    "a name that is none": ("services:\n  - cls: Store\n    name: 5\n", ["3: name: must be a text"]),
    "a level that is none": (
        "services:\n  - cls: Store\n    loglevel: warn\n",
        ["3: service store: loglevel: is no level of a log; did you mean 'WARNING'?"],
    ),
    "two of one name": (
        "services:\n  - cls: Store\n  - cls: Store\n",
        ["3: service store: two services have this name, in line 2 and here; give one a `name`"],
    ),
    "settings that are a text": (
        f"services:\n  - cls: Store\n    settings: {SECRET}\n",
        ["3: service store: settings must hold keys and values"],
    ),
    "an unknown setting": (
        f"services:\n  - cls: Store\n    settings:\n      pasword: {SECRET}\n      prt: 5\n",
        [
            "4: service store: settings.pasword: Store has no such setting; did you mean 'password'?",
            "5: service store: settings.prt: Store has no such setting; did you mean 'port'?",
        ],
    ),
    "what the application gives": (
        "services:\n  - cls: Store\n    settings: {name: x}\n",
        ["3: service store: settings.name: is no setting; a service's `name` stands beside `settings`"],
    ),
    "a missing setting": (
        "services:\n  - cls: Strict\n",
        ["2: service Strict: settings.key is missing: Strict cannot do without"],
    ),
    "a class that cannot be made": (
        "services:\n  - cls: Closed\n",
        ["2: service Closed: Closed.__init__ does not take app and name: write `def __init__"],
    ),
    "wrong kinds": (
        f"services:\n  - cls: Store\n    settings:\n      port: {SECRET}\n      ratio: {SECRET}\n"
        f"      ready: 7\n      host: [{SECRET}]\n",
        [
            "4: service store: settings.port: must be a whole number",
            "5: service store: settings.ratio: must be a number",
            "6: service store: settings.ready: must be true or false",
            "7: service store: settings.host: must be a text",
        ],
    ),
    "variables that are not set": (
        "services:\n  - cls: Open\n    settings:\n      a: ${H3_NOT_SET}\n      b:\n        - x\n"
        "        - {c: '${H3_NOR_THIS'}\n",
        [
            "4: service Open: settings.a: the environment variable H3_NOT_SET is not set; set it, or write",
            "7: service Open: settings.b[1].c: a ${ has no }",
        ],
    ),
    "no YAML": ("services: [\n", ["2: this is no YAML that can be read"]),
    "a key twice": (
        "services: {cls: Store}\nservices: {cls: Open}\n",
        ["2: the key 'services' stands here and in line 1"],
    ),
    "a base that is not there": (
        "services: {cls: Store}\nextends: nowhere.yaml\n",
        ["2: extends nowhere.yaml, which is not there; looked for: nowhere.yaml"],
    ),
    "a list": ("- cls: Store\n", ["1: the file must hold keys and values, as `database:`, not a list"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_line(case: str) -> None:
    text, expected = WRONG[case]
    found = wrong(text)
    assert len(found) == len(expected)
    for line, begins in zip(found, expected, strict=True):
        assert line.startswith(f"app.yaml, line {begins}"), line


def test_all_that_is_wrong_is_said_at_once_in_other_formats_too() -> None:
    settings = {"services": [{"cls": "Stor"}, {"cls": "Store", "settings": {"port": SECRET, "prt": 1}}]}
    found = wrong(json.dumps(settings, indent=1), "app.json")
    assert [line.partition(": ")[0] for line in found] == [f"app.json, line {n}" for n in (4, 9, 10)]
    found = wrong(f'[[services]]\ncls = "Store"\n[services.settings]\nport = "{SECRET}"\n', "app.toml")
    assert found[0].startswith("app.toml, line")


def test_a_mapping_that_is_wrong_is_refused_without_a_line() -> None:
    with pytest.raises(ValidationError) as caught:
        App.from_dict(
            {"services": [{"cls": Store, "settings": {"prt": SECRET}}, {"cls": int}]}, registry=REGISTRY
        )
    assert str(caught.value).splitlines() == [
        "the settings given: service store: settings.prt: Store has no such setting; did you mean 'port'?",
        "the settings given: cls: a class below rowstead.service.Service is wanted, not the class int",
    ]


def test_a_file_that_is_not_there_or_of_no_format_is_refused() -> None:
    Path("app.yaml").write_text("services: {cls: Store}\n")
    with pytest.raises(ValidationError, match=r"ap\.yaml, is not there; did you mean 'app\.yaml'"):
        App.from_yaml("ap.yaml", registry=REGISTRY)
    Path("app.txt").write_text("services: {cls: Store}\n")
    with pytest.raises(ValidationError, match=r"app\.txt: an application's file ends in one of \.yaml"):
        App.from_yaml("app.txt", registry=REGISTRY)


def test_no_password_is_in_a_repr() -> None:
    app = app_of(f"services:\n  cls: Store\n  settings: {{password: {SECRET}}}\n")
    assert SECRET not in repr(app)
    assert SECRET not in repr(vars(app))


def test_an_import_whose_error_holds_a_password_does_not_tell_it(tmp_path: Path) -> None:
    url = f"postgresql://app:{SECRET}@db/app"
    (tmp_path / "h3_failing.py").write_text(f"raise RuntimeError('no server at {url}')\n")
    (line,) = wrong("imports: [h3_failing]\nservices: {cls: Store}\n")
    assert "RuntimeError: no server at postgresql://app:***@db/app" in line
