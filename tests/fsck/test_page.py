"""docs/fsck.md has every finding, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = ("fsck", "db/contradictions.py", "storage/qcow2/inspection.py")
CODE = re.compile(r'"((?:[A-Z][a-z]+){2,})"')


def _sources() -> Iterator[Path]:
    for place in PLACES:
        path = ROOT / "src" / "souche" / place
        yield from path.glob("*.py") if path.is_dir() else [path]


def test_the_page_has_every_finding() -> None:
    known = {code for path in _sources() for code in CODE.findall(path.read_text())}
    rows = [line for line in (ROOT / "docs" / "fsck.md").read_text().splitlines() if line.startswith("| `")]
    told = {code for row in rows for code in re.findall(r"`([A-Za-z]+)`", row.split("|")[1])}
    assert told == known
