"""The contract of every engine. A subclass provides the engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from souche.storage import nbd
from souche.trust.engine import Engine, Facts
from tests.trust import corpus
from tests.trust.corpus import HASH, KEY, SECRET, Files

FACTS = Facts(("legacy",), date(2026, 11, 27))
BAD = Files(
    {
        "home/outscale/.ssh/authorized_keys": KEY,
        "etc/shadow": f"root:{HASH}:19000::::::\noutscale:!::::::\n",
        "root/.osc/config.json": f'{{"secret_key": "{SECRET}"}}',
    }
)


@contextmanager
def served(disk: Path, place: Path) -> Iterator[str]:
    """A disk over NBD."""
    place.mkdir()
    with nbd.serve(disk, "raw", place) as uri:
        yield uri


class EngineContract:
    """The suite."""

    engine: Engine

    def disk(self, folder: Path) -> Path:
        """A disk of a kind that the engine supports."""
        return corpus.linux(folder, BAD)

    def test_this_machine_has_what_it_needs(self) -> None:
        assert self.engine.missing() is None

    def test_it_finds_what_is_in_a_disk_and_tells_no_secret(self, tmp_path: Path) -> None:
        disk = self.disk(tmp_path)
        before = disk.read_bytes()
        with served(disk, tmp_path / "nbd") as uri:
            made = self.engine.examine([uri], FACTS)
        assert (made.engine, made.os) == (self.engine.name, "Debian GNU/Linux 12 (bookworm)")
        found = {(each.code, each.path) for each in made.findings}
        assert found >= {
            ("authorized-key", "/home/outscale/.ssh/authorized_keys"),
            ("usable-password", "/etc/shadow"),
            ("cloud-credentials", "/root/.osc/config.json"),
        }
        assert [line.code for line in made.guidelines if line.holds is False] == [
            "no-outscale-credentials",
            "no-other-credentials",
            "no-passwords",
            "no-user-keys",
        ]
        assert SECRET not in repr(made)
        assert disk.read_bytes() == before
