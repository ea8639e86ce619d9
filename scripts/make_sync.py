"""Generate the synchronous twins in `src/rowstead/sync` from the asynchronous sources.

    python scripts/make_sync.py            write what is out of date
    python scripts/make_sync.py --check    write nothing; exit 1 and show the difference

Works on tokens, so that a word in a name or a string is never mistaken for the keyword. To add a
twin add a line to TWINS; a statement that only the source needs ends its first line in
`# async only`. A source waits only through `rowstead.waiting`, which has a handwritten twin with
the same names; it must not import asyncio.
"""

from __future__ import annotations

import ast
import difflib
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("src/rowstead")


@dataclass(frozen=True)
class Twin:
    """One source and its target, both below src/rowstead.

    names: identifiers that differ in this file. shared: top-level definitions which the twin
    imports from the source instead of repeating (values that both worlds exchange).
    """

    source: str
    target: str
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    shared: Sequence[str] = ()


PSYCOPG = {"AsyncConnection": "Connection", "AsyncCursor": "Cursor", "AsyncRawCursor": "RawCursor"}

KIT = {"AsyncDatabase": "Database", "AsyncTransaction": "Transaction", "begun_transaction": "begin"}

TWINS = (
    Twin("drivers/base.py", "sync/drivers/base.py", shared=("RawResult",)),
    Twin("drivers/pool.py", "sync/drivers/pool.py"),
    Twin("drivers/pooled.py", "sync/drivers/pooled.py"),
    Twin("drivers/hosts.py", "sync/drivers/hosts.py"),
    Twin("drivers/replicas.py", "sync/drivers/replicas.py", shared=("ReplicaStatus",)),
    Twin("drivers/sqlite.py", "sync/drivers/sqlite.py", names={"ThreadConnection": "SQLiteConnection"}),
    Twin("drivers/psycopg.py", "sync/drivers/psycopg.py", names=PSYCOPG),
    Twin("drivers/psycopg_batches.py", "sync/drivers/psycopg_batches.py", names=PSYCOPG),
    Twin("drivers/mysql.py", "sync/drivers/mysql.py"),
    Twin("drivers/turns.py", "sync/drivers/turns.py"),
    Twin("drivers/psycopg_borrowed.py", "sync/drivers/psycopg_borrowed.py", names=PSYCOPG),
    Twin("psycopg.py", "sync/psycopg.py"),
    Twin("drivers/urls.py", "sync/drivers/urls.py", names={"ASYNC_DRIVERS": "SYNC_DRIVERS"}),
    Twin("session.py", "sync/session.py", shared=("Trace", "Tracer")),
    Twin("transaction.py", "sync/transaction.py"),
    Twin("standing.py", "sync/standing.py", shared=("Expected",)),
    Twin("database.py", "sync/database.py"),
    Twin("rows/blocks.py", "sync/rows/blocks.py"),
    Twin("rows/raw.py", "sync/rows/raw.py"),
    Twin("rows/db.py", "sync/rows/db.py"),
    Twin("kit/transaction.py", "sync/kit/transaction.py", names=KIT),
    Twin("kit/database.py", "sync/kit/database.py", names=KIT),
)

MODULES = {
    "rowstead.waiting": "rowstead.sync.waiting",
    "rowstead.drivers.sqlite_thread": "rowstead.drivers.sqlite_connection",
    "rowstead.drivers.mysql_asynchronous": "rowstead.drivers.mysql_synchronous",
}
"""Modules with a handwritten twin; the generated ones are added from TWINS."""

NAMES = {
    "AbstractAsyncContextManager": "AbstractContextManager",
    "AsyncContextManager": "ContextManager",
    "AsyncExitStack": "ExitStack",
    "AsyncIterable": "Iterable",
    "AsyncIterator": "Iterator",
    "AsyncSession": "SyncSession",
    "StopAsyncIteration": "StopIteration",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "aclose": "close",
    "aclosing": "closing",
    "aiter": "iter",
    "anext": "next",
    "arun": "run",
    "asend": "send",
    "asynccontextmanager": "contextmanager",
    "athrow": "throw",
}
ONLY_HERE = "# async only"
"""A statement (with its whole block) whose first line ends so is left out of the twin, and so is the
line of one parameter or argument."""
UNWRAPPED = ("Awaitable", "Coroutine", "CoroutineType")
"""Types of what is awaited; their last argument is the type of what is there without waiting."""

CODE_IN_TEXT = ((re.compile(r"\basync (with|for|def)\b"), r"\1"), (re.compile(r"\bawait "), ""))
WORDS_IN_PROSE = (
    (re.compile(r"\basynchronous"), "synchronous"),
    (re.compile(r"\bAsynchronous"), "Synchronous"),
    (re.compile(r"\ban synchronous"), "a synchronous"),
    (re.compile(r"\bAn synchronous"), "A synchronous"),
    (re.compile(r"\b(t|T)asks?\b"), lambda m: {"t": "t", "T": "T"}[m[1]] + "hread" + m[0][4:]),
)
"""In docstrings and comments, after CODE_IN_TEXT."""

SKIPPED = {tokenize.NL, tokenize.COMMENT}
TEXT = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}

Edit = tuple[int, int, str]


def modules(twins: Sequence[Twin]) -> dict[str, str]:
    """Every module that has a twin -> the twin."""
    return MODULES | {module_name(twin.source): module_name(twin.target) for twin in twins}


def module_name(path: str) -> str:
    return "rowstead." + path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def convert(source: str, twin: Twin, twinned: Mapping[str, str]) -> str:
    """The text of the twin, not yet formatted."""
    source = _drop_shared(_drop_marked(source), twin)
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))

    def span(token: tokenize.TokenInfo) -> tuple[int, int]:
        (row, column), (end_row, end_column) = token.start, token.end
        return starts[row - 1] + column, starts[end_row - 1] + end_column

    edits = [
        *_keyword_edits(tokens, span),
        *_name_edits(tokens, span, NAMES | dict(twin.names)),
        *_module_edits(tokens, span, twinned),
        *_type_edits(tokens, span, source),
        *_text_edits(tokens, span, source, twinned, NAMES | dict(twin.names)),
    ]
    text = source
    for start, end, new in sorted(set(edits), reverse=True):
        text = text[:start] + new + text[end:]
    text = _import_shared(text, twin)
    return f"# Generated from {PACKAGE.name}/{twin.source} by scripts/make_sync.py; do not edit.\n{text}"


def _drop_marked(source: str) -> str:
    """Without the statements whose first line ends in ONLY_HERE, and the single lines within others."""
    lines = source.splitlines(keepends=True)
    marked = {number for number, line in enumerate(lines, 1) if line.rstrip().endswith(ONLY_HERE)}
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.stmt) and n.lineno in marked]
    whole = {n.lineno: n.end_lineno or n.lineno for n in nodes}
    for number in sorted(marked, reverse=True):
        # A line that begins no statement is a parameter or an argument on a line of its own.
        del lines[number - 1 : whole.get(number, number)]
    return "".join(lines)


def _drop_shared(source: str, twin: Twin) -> str:
    if not twin.shared:
        return source
    lines = source.splitlines(keepends=True)
    found: set[str] = set()
    for node in reversed(ast.parse(source).body):
        name = getattr(node, "name", None)
        if name in twin.shared:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            del lines[first - 1 : node.end_lineno]
            found.add(name)
    if missing := set(twin.shared) - found:
        raise SystemExit(f"{twin.source} does not define {', '.join(sorted(missing))}, which its twin shares")
    return "".join(lines)


def _import_shared(text: str, twin: Twin) -> str:
    if not twin.shared:
        return text
    first = "from __future__ import annotations\n"
    # `X as X` says that it is there for others too: whoever imports it from the source finds it here.
    names = ", ".join(f"{name} as {name}" for name in twin.shared)
    return text.replace(first, f"{first}\nfrom {module_name(twin.source)} import {names}\n", 1)


def _keyword_edits(tokens: Sequence[tokenize.TokenInfo], span) -> Iterator[Edit]:
    for token, following in pairwise(tokens):
        if token.string in ("async", "await") and token.type == tokenize.NAME:
            yield span(token)[0], span(following)[0], ""


def _name_edits(tokens: Sequence[tokenize.TokenInfo], span, names: Mapping[str, str]) -> Iterator[Edit]:
    for token in tokens:
        if token.type == tokenize.NAME and token.string in names:
            yield (*span(token), names[token.string])


def _module_edits(tokens: Sequence[tokenize.TokenInfo], span, twinned: Mapping[str, str]) -> Iterator[Edit]:
    """The module of `from … import` and `import …`."""
    for at, token in enumerate(tokens):
        if token.string not in ("from", "import") or token.type != tokenize.NAME:
            continue
        dotted = at + 1
        while dotted < len(tokens) and (tokens[dotted].string == "." or tokens[dotted].string.isidentifier()):
            if tokens[dotted].string in ("import", "as"):
                break
            dotted += 1
        name = "".join(t.string for t in tokens[at + 1 : dotted])
        if name in twinned:
            yield span(tokens[at + 1])[0], span(tokens[dotted - 1])[1], twinned[name]


def _type_edits(tokens: Sequence[tokenize.TokenInfo], span, source: str) -> Iterator[Edit]:
    for at, token in enumerate(tokens[:-1]):
        if token.type != tokenize.NAME or tokens[at + 1].string != "[":
            continue
        if token.string in UNWRAPPED:
            commas, end = _arguments(tokens, at + 1)
            after = commas[-1] if commas else at + 1
            yield span(token)[0], span(tokens[after + 1])[0], ""
            yield (*span(tokens[end]), "")
        elif token.string == "AsyncGenerator":
            commas, end = _arguments(tokens, at + 1)
            yield (*span(token), "Generator")
            missing = ", None" * (2 - len(commas))
            yield span(tokens[end])[0], span(tokens[end])[0], missing
    for token in tokens:
        if token.string == "AsyncGenerator" and source[span(token)[1] :][:1] != "[":
            yield (*span(token), "Generator")


def _arguments(tokens: Sequence[tokenize.TokenInfo], at: int) -> tuple[list[int], int]:
    """Where the commas of a bracket stand, and where it ends."""
    depth, commas = 0, list[int]()
    for here in range(at, len(tokens)):
        word = tokens[here].string
        if word in ("[", "(", "{"):
            depth += 1
        elif word in ("]", ")", "}"):
            depth -= 1
            if depth == 0:
                return commas, here
        elif word == "," and depth == 1:
            commas.append(here)
    raise SystemExit(f"line {tokens[at].start[0]}: a bracket is not closed")


def _text_edits(
    tokens: Sequence[tokenize.TokenInfo],
    span,
    source: str,
    twinned: Mapping[str, str],
    names: Mapping[str, str],
) -> Iterator[Edit]:
    """Docstrings, comments and messages; before 3.12 an f-string with its code is one token too."""
    whole_name = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
    statement_begins = True
    for token in tokens:
        prose = token.type == tokenize.COMMENT or (token.type == tokenize.STRING and statement_begins)
        if prose or token.type in TEXT:
            start, end = span(token)
            old = source[start:end]
            new = _reword(old, WORDS_IN_PROSE if prose else (), twinned)
            new = whole_name.sub(lambda found: names[found[1]], new)
            if new != old:
                yield start, end, new
        if token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING):
            statement_begins = True
        elif token.type not in SKIPPED:
            statement_begins = False


def _reword(text: str, words: Sequence[tuple[re.Pattern[str], object]], twinned: Mapping[str, str]) -> str:
    for pattern, new in (*CODE_IN_TEXT, *words):
        text = pattern.sub(new, text)  # type: ignore[arg-type]
    for module, twin in twinned.items():
        text = text.replace(f"`{module}`", f"`{twin}`")
    return text


def formatted(text: str, path: Path) -> str:
    """As ruff leaves it: unused imports gone, imports sorted, lines wrapped."""
    for arguments in (["check", "--select", "F401,I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(path), "-"]
        done = subprocess.run(command, input=text, check=False, capture_output=True, text=True, cwd=ROOT)
        if done.returncode != 0:
            raise SystemExit(f"ruff failed on {path}: {done.stderr}")
        text = done.stdout
    return text


def main(arguments: Sequence[str]) -> int:
    check = "--check" in arguments
    twinned = modules(TWINS)
    stale = 0
    for twin in TWINS:
        source, target = ROOT / PACKAGE / twin.source, ROOT / PACKAGE / twin.target
        if not source.exists():
            print(
                f"make_sync: {PACKAGE / twin.source} is listed in TWINS but does not exist", file=sys.stderr
            )
            return 2
        new = formatted(convert(source.read_text("utf-8"), twin, twinned), target)
        old = target.read_text("utf-8") if target.exists() else ""
        if new == old:
            continue
        stale += 1
        name = str(PACKAGE / twin.target)
        if check:
            sys.stdout.writelines(
                difflib.unified_diff(
                    old.splitlines(True), new.splitlines(True), f"{name} (there)", f"{name} (new)"
                )
            )
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(new, "utf-8")
            print(f"make_sync: wrote {name}")
    if check and stale:
        print(f"make_sync: {stale} of {len(TWINS)} files are out of date; run python scripts/make_sync.py")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
