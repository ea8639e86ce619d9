"""Which module may know which: read from the source, held against one table.

Arrows go down only. Imports for typing and imports inside functions count. To add a module, give it
a place in LAYERS with the reason; until then this test fails. `rowstead.sync.x` is the twin of
`rowstead.x` and stands where that stands.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = "rowstead"
SOURCE = Path(__file__).parent.parent / "src" / ROOT


@dataclass(frozen=True, slots=True)
class Layer:
    """One height. `only` narrows what may be imported; `siblings` says whether equals may meet."""

    name: str
    reason: str
    modules: tuple[str, ...]
    siblings: bool = True
    only: tuple[str, ...] | None = None


# From top to bottom. "" is the package itself; a package's name covers what is in it, unless a module
# in it has a place of its own.
LAYERS = (
    Layer("program", "what the shell starts; nobody imports it", ("__main__",)),
    Layer("cli", "commands over every face", ("cli",)),
    Layer(
        "names",
        "the guides' import paths: names, no logic",
        ("", "asyncpg", "psycopg", "sqlalchemy", "sql"),
    ),
    Layer(
        "faces",
        "each translates its notation to the core's; a face that needs another's help needs a core function",
        ("rows", "kit", "repository", "service"),
        siblings=False,
    ),
    Layer("tools", "one settings object, one code generator, for faces and CLI", ("config", "codegen")),
    Layer(
        "handles",
        "what a face holds: connecting, retrying, making ready, migrating",
        ("database", "migrations", "model_objects", "model_refresh", "model_session", "setup"),
    ),
    Layer(
        "sessions",
        "run steps on a connection; what a block of them means; gets that are answered together",
        ("batching", "session", "standing", "transaction"),
    ),
    Layer(
        "drivers",
        "bare: text and values in, records out; a driver knows no table and no statement",
        ("drivers",),
        only=("drivers", "dialects", "errors", "plan", "values", "waiting"),
    ),
    Layer("plans", "many statements, without I/O", ("plans",)),
    Layer("statements", "whole statements, put together from the language, as cached texts", ("statements",)),
    Layer("language", "filters, sorts and aggregates: read to shapes, made expressions", ("language",)),
    Layer("files", "records of files, each with its line: text in, values out", ("files",)),
    Layer("rules", "what a value must be, and a row; in words and in Python, never in SQL", ("rules",)),
    Layer(
        "values",
        "how each value travels, and back; what it must fit into",
        ("values", "tables.column_types", "tables.column_defaults"),
    ),
    Layer("tables", "what a table is, what a caller may see of it, its rows as dicts", ("tables",)),
    Layer("dialects", "facts of each database", ("dialects",)),
    Layer("bottom", "know each other at most", ("errors", "plan", "waiting", "sentinels", "raw")),
)  # fmt: skip

BACKENDS = frozenset(
    "sqlite aiosqlite postgres postgresql asyncpg psycopg psycopg2 mysql mariadb asyncmy aiomysql".split()
)
NAME_HOLDERS = frozenset("dialect backend driver codec dialect_name backend_name driver_name".split())
# The name modules ask an ImportError which library is missing.
MAY_COMPARE_NAMES = ("dialects", "drivers", "asyncpg", "psycopg")


@dataclass(frozen=True, slots=True)
class Import:
    """One arrow: who, whom, where, and whether it happens when the module is loaded."""

    importer: str
    imported: str
    line: int
    at_load: bool


def violations(folder: Path, root: str = ROOT) -> list[str]:
    """All that is wrong with the arrows of the package in `folder`, a line for each."""
    modules = {module_name(file, folder, root): file for file in sorted(folder.rglob("*.py"))}
    trees = {name: ast.parse(file.read_text(), str(file)) for name, file in modules.items()}
    arrows = [arrow for name, tree in trees.items() for arrow in imports(name, modules, tree, root)]
    found = [f"{name} has no place in LAYERS" for name in modules if place(name, root) is None]
    found += [problem for arrow in arrows if (problem := wrong(arrow, root))]
    found += [f"import cycle: {' -> '.join(cycle)}" for cycle in cycles(arrows)]
    for name, tree in trees.items():
        if unit(name, root).split(".")[0] not in MAY_COMPARE_NAMES:
            found += [f"{name}:{line} asks for a backend's name: {text}" for line, text in name_tests(tree)]
    return found


def module_name(file: Path, folder: Path, root: str) -> str:
    parts = list(file.relative_to(folder).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join([root, *parts])


def unit(module: str, root: str) -> str:
    """The module without the root, a twin by the name of what it twins."""
    return module.removeprefix(root).removeprefix(".sync").removeprefix(".")


def place(module: str, root: str) -> tuple[int, str] | None:
    """The module's height (0 is the top) and the name in LAYERS that gave it."""
    places = {name: height for height, layer in enumerate(LAYERS) for name in layer.modules}
    name = unit(module, root)
    while True:
        if name in places:
            return places[name], name
        if "." not in name:
            return None
        name = name.rpartition(".")[0]


def imports(module: str, modules: Mapping[str, Path], tree: ast.Module, root: str) -> Iterator[Import]:
    """The arrows from `module` to others of the package, with those for typing and in functions."""
    is_package = modules[module].name == "__init__.py"
    for node, at_load in statements(tree, True):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, module, is_package)
            # `from rowstead import errors` means the module, where there is one.
            targets = [full if (full := f"{base}.{a.name}") in modules else base for a in node.names]
        else:
            continue
        for target in dict.fromkeys(targets):
            if target == root or target.startswith(f"{root}."):
                yield Import(module, target, node.lineno, at_load)


def statements(node: ast.AST, at_load: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every node, and whether it runs when the module is loaded."""
    for child in ast.iter_child_nodes(node):
        yield child, at_load
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for part, runs in ((child.body, False), (child.orelse, at_load)):
                for statement in part:
                    yield statement, runs
                    yield from statements(statement, runs)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from statements(child, at_load and not is_function)


def absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """The module that a `from` names, dots resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    up = node.level - is_package
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def wrong(arrow: Import, root: str) -> str | None:
    """What is wrong with one arrow, or None."""
    upper, lower = place(arrow.importer, root), place(arrow.imported, root)
    if upper is None or lower is None:
        return None  # reported as a module without a place
    layer = LAYERS[upper[0]]
    text = f"{arrow.importer}:{arrow.line} imports {arrow.imported}"
    if lower[0] < upper[0]:
        return f"{text}: an arrow up, from {layer.name} to {LAYERS[lower[0]].name}"
    if lower[0] == upper[0] and lower[1] != upper[1] and not layer.siblings:
        return f"{text}: siblings in {layer.name} never import each other"
    if layer.only is not None and lower[1] not in layer.only:
        return f"{text}: {layer.name} may know only {', '.join(layer.only)}"
    return None


def cycles(arrows: list[Import]) -> Iterator[tuple[str, ...]]:
    """One path round for each knot of modules that load each other."""
    graph: dict[str, list[str]] = {}
    for arrow in arrows:
        if arrow.at_load and arrow.imported != arrow.importer:
            graph.setdefault(arrow.importer, []).append(arrow.imported)
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if module in path:
            yield (*path[path.index(module) :], module)
        elif module not in done:
            for target in graph.get(module, ()):
                yield from walk(target, (*path, module))
            done.add(module)

    for module in sorted(graph):
        yield from walk(module, ())


def name_tests(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where a backend's name is compared, matched or looked for, however it is spelled."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            strings = [text for side in sides for text in constants(side)]
            holds_name = any(is_name_holder(side) for side in sides)
            if any(text in BACKENDS for text in strings) or (holds_name and strings):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.match_case) and any(text in BACKENDS for text in cases(node.pattern)):
            yield node.pattern.lineno, f"case {ast.unparse(node.pattern)}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = [text for argument in node.args for text in constants(argument)]
            if node.func.attr in ("startswith", "endswith") and any(text in BACKENDS for text in asked):
                yield node.lineno, ast.unparse(node)


def constants(node: ast.expr) -> list[str]:
    """The strings that an expression is, or lists."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return [text for element in node.elts for text in constants(element)]
    return []


def cases(pattern: ast.pattern) -> list[str]:
    """The strings that a `case` names."""
    values = [node.value for node in ast.walk(pattern) if isinstance(node, ast.MatchValue)]
    return [text for value in values for text in constants(value)]


def is_name_holder(node: ast.expr) -> bool:
    """`dialect`, `x.dialect`, `dialect.name`, `self.driver.codec` and the like."""
    if isinstance(node, ast.Attribute):
        return node.attr in NAME_HOLDERS or (node.attr == "name" and is_name_holder(node.value))
    return isinstance(node, ast.Name) and node.id in NAME_HOLDERS


def test_rowsteads_arrows_go_down_only() -> None:
    assert violations(SOURCE) == []


def test_every_name_in_the_table_stands_in_one_layer_only() -> None:
    names = [name for layer in LAYERS for name in layer.modules]
    assert sorted(set(names)) == sorted(names)


# Controls: each kind of mistake, made on purpose in a small package, is reported.


def package(folder: Path, files: dict[str, str]) -> Path:
    """A package with these modules: `{"rows/db": text}` is rows/db.py."""
    for name, text in files.items():
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def test_a_sound_package_has_no_violation(tmp_path: Path) -> None:
    sound = package(
        tmp_path,
        {
            "errors": "",
            "dialects": "from rowstead.errors import X\nname == 'sqlite'",
            "drivers/sqlite": "from rowstead.dialects import D\nbackend == 'sqlite'",
            "drivers/__init__": "",
            "database": "from rowstead import drivers\ndef f():\n    import rowstead.session",
            "session": "if TYPE_CHECKING:\n    from .drivers.sqlite import A",
            "rows/db": "from ..database import Database\nname == 'users'",
            "sync/rows/db": "from rowstead.sync.database import Database\nfrom rowstead.rows import x",
            "sync/database": "from rowstead.errors import X",
        },
    )
    assert violations(sound) == []


@pytest.mark.parametrize(
    "text",
    [
        "from rowstead.database import Database",
        "import rowstead.database",
        "import rowstead.database as d",
        "from rowstead import database",
        "from .database import Database",
        "from . import database",
        "def f():\n    from rowstead.database import Database",
        "class A:\n    def f(self):\n        import rowstead.database",
        "if TYPE_CHECKING:\n    from rowstead.database import Database",
        "if typing.TYPE_CHECKING:\n    from rowstead.database import Database",
        "try:\n    from rowstead.database import Database\nexcept ImportError:\n    pass",
    ],
)
def test_an_arrow_up_is_reported_however_it_is_written(tmp_path: Path, text: str) -> None:
    (found,) = violations(package(tmp_path, {"raw": text, "database": ""}))
    assert found.startswith("rowstead.raw:")
    assert found.endswith("imports rowstead.database: an arrow up, from bottom to handles")


def test_an_import_between_faces_is_reported_in_either_world(tmp_path: Path) -> None:
    faces = package(tmp_path, {"rows/db": "import rowstead.kit.table", "kit/table": ""})
    package(tmp_path, {"sync/rows/x": "from rowstead.kit import y", "kit/__init__": ""})
    assert violations(faces) == [
        "rowstead.rows.db:1 imports rowstead.kit.table: siblings in faces never import each other",
        "rowstead.sync.rows.x:1 imports rowstead.kit: siblings in faces never import each other",
    ]


def test_a_twin_stands_where_its_original_stands(tmp_path: Path) -> None:
    twins = package(tmp_path, {"sync/session": "from rowstead.sync.database import D", "sync/database": ""})
    (found,) = violations(twins)
    assert "an arrow up, from sessions to handles" in found


def test_a_driver_that_knows_a_table_is_reported(tmp_path: Path) -> None:
    drivers = package(
        tmp_path, {"drivers/sqlite": "from rowstead.tables.schema import Table", "tables/schema": ""}
    )
    (found,) = violations(drivers)
    assert "drivers may know only drivers, dialects, errors" in found


def test_a_cycle_at_load_is_reported_once(tmp_path: Path) -> None:
    knot = package(
        tmp_path,
        {
            "rows/a": "from rowstead.rows.b import x",
            "rows/b": "import rowstead.rows.c",
            "rows/c": "from . import a",
        },
    )
    assert violations(knot) == [
        "import cycle: rowstead.rows.a -> rowstead.rows.b -> rowstead.rows.c -> rowstead.rows.a"
    ]


def test_what_is_imported_later_or_for_typing_makes_no_cycle(tmp_path: Path) -> None:
    loose = package(
        tmp_path,
        {
            "rows/a": "from rowstead.rows.b import x",
            "rows/b": "if TYPE_CHECKING:\n    import rowstead.rows.a\ndef f():\n    import rowstead.rows.a",
        },
    )
    assert violations(loose) == []


def test_a_module_without_a_place_is_reported(tmp_path: Path) -> None:
    strange = package(tmp_path, {"helpers": "", "sync/odd": "from rowstead.errors import X", "errors": ""})
    assert violations(strange) == [
        "rowstead.helpers has no place in LAYERS",
        "rowstead.sync.odd has no place in LAYERS",
    ]


@pytest.mark.parametrize(
    "text",
    [
        'dialect == "sqlite"',
        'if self.dialect.name != "oracle": pass',
        'x = 1 if "postgresql" == name else 2',
        'backend in ("sqlite", "mysql")',
        'driver.name not in {"asyncpg"}',
        'match name:\n    case "sqlite" | "mysql": pass',
        'url.startswith(("postgres", "postgresql"))',
        'def f():\n    return [d for d in all_ if d.codec == "other"]',
    ],
)
def test_core_code_that_asks_for_a_backends_name_is_reported(tmp_path: Path, text: str) -> None:
    (found,) = violations(package(tmp_path, {"statements/builders": text}))
    assert "asks for a backend's name" in found
