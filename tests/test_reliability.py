"""docs/reliability.md against the tests: each named one exists, each fault has its row, and each fault test a row."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "reliability.md").read_text()
ROWS = dict(re.findall(r"^\| (F\d\d) [^|]*\| (.*) \|$", PAGE, re.MULTILINE))
NAMED = set(re.findall(r"`(tests/[\w/.]+\.py::test_\w+)`", PAGE))


def test_every_fault_has_a_row() -> None:
    assert list(ROWS) == [f"F{number:02}" for number in range(1, 75)]


def test_every_test_that_is_named_exists() -> None:
    def exists(named: str) -> bool:
        path, _, name = named.partition("::")
        return (ROOT / path).exists() and bool(re.search(rf"def {name}\(", (ROOT / path).read_text()))

    assert NAMED
    assert not {named for named in NAMED if not exists(named)}


def test_every_fault_of_a_real_engine_is_on_the_page() -> None:
    path = ROOT / "tests" / "real_engines" / "test_faults.py"
    found = re.findall(r"def (test_\w+)\(", path.read_text())
    assert found
    assert not [name for name in found if f"`{path.relative_to(ROOT)}::{name}`" not in PAGE]


def test_every_test_of_a_fault_is_in_its_row() -> None:
    for path in (ROOT / "tests" / "faults").glob("test_*.py"):
        for name in re.findall(r"def (test_(?:f\d\d_)+\w+)\(", path.read_text()):
            for number in re.findall(r"f(\d\d)_", name):
                assert f"`{path.relative_to(ROOT)}::{name}`" in ROWS[f"F{number}"]
