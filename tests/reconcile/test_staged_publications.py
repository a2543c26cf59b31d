"""A published disk stays in the staging folder until its operation takes it, for any time: no sweep of the server
removes it (docs/official-images.md)."""

import hashlib
import lzma
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from souche.admin import publications
from souche.admin.action import Facts
from souche.app import official_images
from souche.cli import image_source
from souche.cli.image_source import ExpectedFile
from souche.main.administration import administer
from souche.main.operating import operate
from souche.model.accounts import Account
from souche.reconcile import leftovers
from souche.transfer import sandbox
from souche.transfer.gate import Admission
from souche.transfer.sparse_file import SparseFile
from tests.support.foreign_disks import make
from tests.workflows.world import World

MIB = 1024 * 1024


class Sweeps:
    """Sweeps of a server long after anything was written. `seen` has what each of them found."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._staging = world.home / "staging"
        self.seen: list[list[str]] = []

    def __call__(self) -> None:
        before = sorted(self._staging.iterdir())
        for path in before:
            os.utime(path, (0, 0))
        leftovers.remove_staged(self._world.parts, self._staging)
        assert sorted(self._staging.iterdir()) == before
        self.seen.append([path.name for path in before])

    def around(self, done: Callable[..., Any]) -> Callable[..., Any]:
        """What is done, with a sweep before and after it."""

        def swept(*given: Any, **named: Any) -> Any:
            self()
            result = done(*given, **named)
            self()
            return result

        return swept


def source(folder: Path, name: str) -> Path:
    raw = folder / "disk.raw"
    raw.write_bytes(bytes(510) + b"\x55\xaa" + bytes(MIB - 512))
    if name == "disk.raw.xz":
        (folder / name).write_bytes(lzma.compress(raw.read_bytes()))
    elif name != raw.name:
        make(raw, folder / name, name.rpartition(".")[2])
    (folder / name).chmod(0o644)
    return folder / name


def terms(account: Account) -> Facts:
    return {
        "account_id": account.account_id,
        "family": "Test",
        "description": "",
        "boot_modes": ["legacy"],
        "architecture": "x86_64",
        "product_codes": [],
        "grace_days": 30,
        "accepted": [],
        "verify": False,
    }


@pytest.mark.parametrize(
    ("name", "vouched"),
    [("disk.raw", False), ("disk.raw", True), ("disk.raw.xz", False), ("disk.vmdk", False)],
)
def test_no_sweep_removes_what_is_being_published(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, vouched: bool
) -> None:
    file, sweep = source(tmp_path, name), Sweeps(world)
    for place, step in ((SparseFile, "finish"), (Admission, "admit"), (sandbox, "run_in")):
        monkeypatch.setattr(place, step, sweep.around(getattr(place, step)))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest() if vouched else None
    with administer(world.home, make=True) as administered, operate(world.home) as operated:
        account = official_images.provider(world.region)
        with image_source.taken_in(operated.workshop(), str(file), None, ExpectedFile(sha256)) as disk:
            sweep()
            assert (disk.path.parent.parent, disk.path.stat().st_mode & 0o777) == (
                administered.staging,
                0o600,
            )
            given = {"path": str(disk.path), "format": disk.format, "most_bytes": MIB}
            publications.publish(replace(administered, region=world.region), given, terms(account), None)
    (left,) = administered.staging.iterdir()
    sweep()
    assert sweep.seen[-1] == [left.name]
    assert len(sweep.seen) > 3
