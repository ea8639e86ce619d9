"""Strings that have broken other programs: for names, values, patterns and tokens.

Three sources: the Big List of Naughty Strings (in `corpus/`, MIT), our own list below, and in the long
run the payloads of sqlmap, which is GPL and therefore fetched by pip into a cache and never kept here.
"""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

FOLDER = Path(__file__).parent / "corpus"
CACHE = Path(__file__).parents[2] / ".cache" / "corpus"

TOUCHES = (
    "DELETE FROM canary",
    "UPDATE canary SET alive = 0",
    "DROP TABLE canary",
    "INSERT INTO canary (id, alive) VALUES (99, 0)",
    "CREATE TABLE planted (id INTEGER)",
)
"""What an injected statement would do; the canary tells."""

BREAKS = (
    "'",
    '"',
    "`",
    "')",
    "'))",
    "' OR 1=1",
    "$$",
    "]",
    "*/",
    "\\'",
    "\\",
    "1",
    "1)",
    "x",
    "\n",
    "%'",
    "\"'`",
)
ENDS = ("--", "-- -", "#", "/*", ";", "", "; --")

PLAIN = r"""
' OR '1'='1
' OR 1=1 --
" OR ""="
') OR ('1'='1
admin'--
1 OR 1=1
1; SELECT pg_sleep(5)
1' AND (SELECT 1 FROM pg_sleep(5)) IS NULL --
'||(SELECT pg_sleep(5))||'
' UNION SELECT id, alive::text, NULL FROM canary --
' UNION ALL SELECT NULL, NULL, NULL --
" UNION SELECT sql, 1, 1 FROM sqlite_master --
'; COPY canary TO PROGRAM 'id'; --
'; ATTACH DATABASE ':memory:' AS planted; --
'; SELECT load_extension('planted'); --
'; PRAGMA writable_schema = ON; --
'; SET ROLE postgres; --
'; ROLLBACK; --
'; COMMIT; DELETE FROM canary; --
'; SAVEPOINT rowstead_1; --
'; LISTEN planted; NOTIFY planted; --
id; DROP TABLE canary
id, (SELECT alive FROM canary)
(CASE WHEN 1=1 THEN id ELSE name END)
id DESC; DELETE FROM canary
id NULLS LAST, name
id COLLATE "C"
-id--
+id,-name,id
name) DO UPDATE SET name = 'hit' --
(name) WHERE 1=1
ON CONFLICT
public.people
"public"."people"
people"; DROP TABLE canary; --
people AS p
people, canary
people WHERE 1=1 --
pg_catalog.pg_authid
sqlite_master
information_schema.tables
temp.people
main.people
a.b.c
..
"
""
"a""b"
`a``b`
[a]
$1
$2::text
?1
?
:name
@name
%s
%(name)s
{0}
{name}
$outer.id
{"$outer": "id"}
$outer.name; --
$body$; DELETE FROM canary; $body$
E'\x27; DELETE FROM canary; --'
U&'\0027'
\x27; DELETE FROM canary
\u0027; DELETE FROM canary
&#39; OR 1=1
%27%20OR%201=1
ʼ OR 1=1 --
＇ OR 1=1 --
“ OR 1=1 --
¿' OR 1=1 --
%
_
%%
\%
\_
[a-z]*
*
?*[!x]
{"gt": ""}
{"$ne": null}
["a","b"]
{"name": {"in_subquery": {}}}
null
NULL
None
true
Now()
CURRENT_TIMESTAMP
DEFAULT
rowid
oid
ctid
xmin
__class__
__dict__
model_fields
serializable; DELETE FROM canary
READ WRITE
read committed, read write; --
SNAPSHOT
WyJwZW9wbGU6K2lkIixudWxsLFsxXV0
e30
W10
AAAA
=====
-1
0x27
1e309
NaN
9223372036854775808
"""

SPECIAL = (
    "\x00",
    "a\x00'; DELETE FROM canary; --",
    "\ud800",
    "\udc27 OR 1=1",
    "\u202e' OR 1=1",
    "\ufeff' OR 1=1",
    "\x1a",
    "\x1b[31m",
    "\r\n'; DELETE FROM canary; --",
    "\t",
    " ",
    "\xbf'",
    "\u2028'; DELETE FROM canary; --",
    "'" * 1000,
    '"' * 999,
    "a" * 10_000,
    "(" * 500,
    "--" * 300,
)


def written() -> list[str]:
    """Our own."""
    stacked = [f"{a}; {touch}{b}" for a, touch, b in itertools.product(BREAKS, TOUCHES[:2], ENDS)]
    others = [f"'; {touch}; --" for touch in TOUCHES] + [f"{touch}" for touch in TOUCHES]
    return [*PLAIN.strip().splitlines(), *SPECIAL, *others, *stacked]


def naughty() -> list[str]:
    """The Big List of Naughty Strings."""
    return json.loads((FOLDER / "blns.json").read_text())


def fetched() -> list[str]:
    """sqlmap's payloads within its boundaries, the placeholders filled; fetched once into a cache."""
    wheel = next(iter(sorted(CACHE.glob("sqlmap-*.whl"))), None)
    if wheel is None:
        CACHE.mkdir(parents=True, exist_ok=True)
        words = ("download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(CACHE), "sqlmap")
        subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=300)
        wheel = next(iter(sorted(CACHE.glob("sqlmap-*.whl"))))
    return list(_from_sqlmap(wheel))


def _from_sqlmap(wheel: Path) -> Iterator[str]:
    """Only the XML is read; nothing of the package is run."""
    payloads: dict[str, None] = {}
    boundaries: dict[tuple[str, str], None] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if "/data/xml/payloads/" in name and name.endswith(".xml"):
                for test in ElementTree.fromstring(archive.read(name)).iter("test"):
                    for place in ("vector", "request/payload"):
                        if text := test.findtext(place):
                            payloads[text] = None
            elif name.endswith("/data/xml/boundaries.xml"):
                for boundary in ElementTree.fromstring(archive.read(name)).iter("boundary"):
                    pair = (boundary.findtext("prefix") or "", boundary.findtext("suffix") or "")
                    boundaries[pair] = None
    for payload, (prefix, suffix) in itertools.product(payloads, boundaries):
        text = f"1{prefix} {payload}{suffix}"
        for placeholder, filled in PLACEHOLDERS.items():
            text = text.replace(placeholder, filled)
        yield text


PLACEHOLDERS = {
    "[RANDNUM]": "7",
    "[RANDSTR]": "abc",
    "[RANDSTR1]": "abc",
    "[RANDSTR2]": "abd",
    "[SLEEPTIME]": "5",
    "[GENERIC_SQL_COMMENT]": "-- ",
    "[INFERENCE]": "1=1",
    "[QUERY]": "SELECT alive FROM canary",
    "[DELIMITER_START]": "q",
    "[DELIMITER_STOP]": "p",
}


def some(strings: list[str], number: int) -> list[str]:
    """About so many of them, the same in each run; the special ones always."""
    if number >= len(strings):
        return strings
    chosen = {*SPECIAL, *random.Random(11).sample(strings, number)}
    return [text for text in strings if text in chosen]
