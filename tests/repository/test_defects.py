"""Each defect that an earlier package of this kind was found to have has tests here that show ours has not.

They stand with what they are about; their names begin with the defect's number.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parent.parent
NAMED = re.compile(r"^ *(?:async )?def test_repository_((?:p\d\d_)+)", re.M)

DEFECTS = {
    "p01": "a password is shown",
    "p02": "parts of an address are not quoted",
    "p03": "what overrides a part of an address depends on defaults",
    "p04": "TLS that was asked for is given up",
    "p05": "a mistyped path of the configuration is ignored",
    "p06": "two databases share one engine",
    "p07": "there is no pool, and arguments that do not hash are refused",
    "p08": "a block inside a block commits; a cancelled block is kept",
    "p09": "calls commit by themselves, and what others wrote with them",
    "p10": "conflicts are ignored, `updated_at` stands still, keys are dropped, arguments are changed",
    "p11": "generated schemas cannot be imported",
    "p12": "an expired attribute is None; the order of keys changes",
    "p13": "health shows a place that is not in use",
    "p14": "values of a file that are no texts are refused",
}


def found(folder: Path) -> dict[str, list[str]]:
    """Number -> the files of its tests."""
    files: dict[str, list[str]] = defaultdict(list)
    for file in folder.rglob("test_*.py"):
        for match in NAMED.finditer(file.read_text()):
            for number in match[1].rstrip("_").split("_"):
                files[number].append(file.name)
    return files


def test_every_defect_has_a_test() -> None:
    assert sorted(found(TESTS)) == sorted(DEFECTS)


def test_a_defect_without_a_test_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "def test_repository_p01_p02_x(): ...\n\nclass T:\n    async def test_repository_p07_y(self): ...\n"
    )
    assert sorted(found(tmp_path)) == ["p01", "p02", "p07"]
