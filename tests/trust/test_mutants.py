"""Every damaged file system gets a report, even if it crashes the libraries that parse it (docs/trust.md)."""

import json
import sys
from pathlib import Path

import pytest

from souche import run
from souche.trust.sandboxed import SandboxedEngine
from tests.trust import corpus
from tests.trust.contract import BAD, FACTS, served
from tests.trust.corpus import Files

ROOT = Path(__file__).parents[2]
NUMBER = 25


@pytest.mark.parametrize("kind", ["ext4", "fat"])
def test_damaged_copies_end_in_a_report_or_as_unreadable(kind: str, tmp_path: Path) -> None:
    """A run of the tests tries a few, always the same; `python -m tests.trust.mutants` tries more."""
    disk = (
        corpus.fat(tmp_path / "disk", {"EFI/BOOT/BOOTX64.EFI": "x"})
        if kind == "fat"
        else corpus.linux(tmp_path, BAD)
    )
    command: list[str | Path] = [sys.executable, "-m", "tests.trust.mutants", disk, str(NUMBER), "7"]
    ended = json.loads(run.run(command, timeout_seconds=300, extra_environment={"PYTHONPATH": str(ROOT)}))
    assert sum(ended.values()) == NUMBER
    assert set(ended) <= {"report", "unreadable"}


def test_a_file_system_that_goes_round_in_circles_ends(tmp_path: Path) -> None:
    """A directory that is its own child."""
    image = corpus.ext(tmp_path / "root.img", Files({"home/a/b/c": "x"}))
    corpus.made_by("debugfs", "-w", "-R", "ln home/a home/a/b/loop", str(image))
    disk = corpus.disk(tmp_path / "disk.raw", image)
    with served(disk, tmp_path / "nbd") as uri:
        made = SandboxedEngine().examine([uri], FACTS)
    assert made.os == "Debian GNU/Linux 12 (bookworm)"
