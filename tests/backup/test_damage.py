"""Backups of damaged layers, damaged backups, and their refusal."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from souche.backup import manifest as manifests
from souche.backup.folder import FolderRepository
from souche.backup.manifest import BACKUPS, Stored
from souche.backup.repository import Repository, hash_file
from souche.backup.verify import verify
from tests.backup.backed_up import EMPTY, SNAPSHOT, VOLUME, Region, back_up, bytes_of, quiet, restored
from tests.backup.backed_up import bucket_store as bucket_store
from tests.backup.backed_up import region as region
from tests.backup.backed_up import repository as repository
from tests.storage.bench import SIZE, padded, read_snapshot, write
from tests.storage.damaged_layers import FAST, change, cut
from tests.support.inventories import inventory_of


def test_what_is_damaged_is_said_and_the_rest_is_backed_up(
    region: Region, repository: Repository, tmp_path: Path
) -> None:
    region.bench.store.create_volume("vol-55555555", SIZE)
    (region.home / "disks" / "volumes" / "vol-55555555").resolve().unlink()
    made = back_up(region, repository)
    assert set(made.manifest.damaged) == {"vol-55555555"}
    assert bytes_of(restored(repository, tmp_path / "new"), VOLUME) == padded(b"second")


def damage_layer(region: Region, damage: Callable[[Path], None], *, found: bool = False) -> Path:
    """Damage the layer of the snapshot once its hash is recorded, and have the damage `found` by a comparison."""
    region.bench.store.record_hashes(FAST)
    layer = (region.home / "disks" / "snapshots" / SNAPSHOT).resolve()
    before = layer.stat()
    damage(layer)
    os.utime(layer, ns=(before.st_atime_ns, before.st_mtime_ns))
    if found:
        assert False in {region.bench.store.compare_hashes(FAST) for _ in range(2)}
    return layer


@pytest.mark.parametrize(
    ("damage", "found", "known"), [(cut, False, True), (change, False, False), (change, True, False)]
)
def test_a_layer_that_is_not_what_it_was_is_no_good_backup(
    region: Region,
    tmp_path: Path,
    damage: Callable[[Path], None],
    found: bool,  # noqa: FBT001
    known: bool,  # noqa: FBT001
) -> None:
    """It was copied as it was found, and was whole by every record after a restore."""
    repository = FolderRepository(tmp_path / "backups")
    if known:
        back_up(region, repository)
    layer = damage_layer(region, damage, found=found)
    made = back_up(region, repository).manifest
    assert set(made.damaged) == {SNAPSHOT, VOLUME}
    assert all(f"layer {layer.name} has " in reason for reason in made.damaged.values())
    bench = restored(repository, tmp_path / "new")
    assert inventory_of(bench.store).snapshot_ids == set()
    assert bytes_of(bench, EMPTY) == bytes(2 * SIZE)
    assert not (tmp_path / "backups" / manifests.object_key(hash_file(layer).sha256)).exists()


@pytest.mark.parametrize(("found", "touched"), [(False, False), (False, True), (True, False)])
def test_a_layer_with_other_bytes_is_backed_up_as_the_repository_has_it(
    region: Region,
    tmp_path: Path,
    found: bool,  # noqa: FBT001
    touched: bool,  # noqa: FBT001
) -> None:
    """The disk was left out, though its good bytes were there."""
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    layer = damage_layer(region, change, found=found)
    if touched:
        layer.touch()
    assert back_up(region, repository).manifest.damaged == {}
    bench = restored(repository, tmp_path / "new")
    assert read_snapshot(bench.store, SNAPSHOT) == padded(b"first")
    assert bytes_of(bench, VOLUME) == padded(b"second")


@pytest.mark.parametrize("number", [errno.EIO, errno.EUCLEAN, errno.EBADMSG])
def test_a_layer_that_the_medium_cannot_read_keeps_nothing_else_from_the_backup(
    region: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    repository = FolderRepository(tmp_path / "backups")
    layer = (region.home / "disks" / "snapshots" / SNAPSHOT).resolve()
    damaged = layer.stat().st_ino

    def failing(path: Path) -> Stored:
        if path.stat().st_ino == damaged:
            raise OSError(number, os.strerror(number))
        return hash_file(path)

    monkeypatch.setattr("souche.backup.make.hash_file", failing)
    made = back_up(region, repository).manifest
    reason = f"layer {layer.name} cannot be read to its end"
    assert made.damaged == {SNAPSHOT: reason, VOLUME: reason}
    assert bytes_of(restored(repository, tmp_path / "new"), EMPTY) == bytes(2 * SIZE)


def test_a_damaged_manifest_keeps_no_other_backup_from_being_made(region: Region, tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    repository.write(repository.keys(BACKUPS)[-1], b"{")
    back_up(region, repository)
    assert bytes_of(restored(repository, tmp_path / "new"), VOLUME) == padded(b"second")


def test_verify_finds_what_is_damaged_and_what_is_missing(region: Region, repository: Repository) -> None:
    first = back_up(region, repository).manifest
    write(region.bench, VOLUME, b"latest")
    second = back_up(region, repository).manifest
    shared = manifests.object_key(first.layers[0].stored.sha256)
    repository.write(shared, bytes(first.layers[0].stored.bytes))
    damaged = verify(repository, quiet).findings
    assert [(each.key, set(each.backup_ids)) for each in damaged] == [
        (shared, {first.backup_id, second.backup_id})
    ]


def test_restore_refuses_damaged_bytes(region: Region, tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "backups")
    made = back_up(region, repository).manifest
    damaged = tmp_path / "backups" / manifests.object_key(made.layers[0].stored.sha256)
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(Exception, match="does not contain its original bytes"):
        restored(repository, tmp_path / "new")
    assert not (tmp_path / "new" / "region.sqlite").exists()
    data[-1] ^= 1
    damaged.write_bytes(data)
    assert bytes_of(restored(repository, tmp_path / "new"), VOLUME) == padded(b"second")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"vault.key"', '"../vault.key"'),
        ('"vault.key"', '"/etc/shadow"'),
        (f'"{SNAPSHOT}"', '"../snap"'),
        (f'"{VOLUME}.qcow2"', '"../escaped.qcow2"'),
        (f'"{SNAPSHOT}": "', f'"{SNAPSHOT}": "no-'),
        ('"Version": 1', '"Version": 2'),
        ('"Version": 1', '"Version": "one"'),
    ],
)
def test_a_manifest_that_could_leave_the_home_is_refused(
    region: Region, tmp_path: Path, before: str, after: str
) -> None:
    repository = FolderRepository(tmp_path / "backups")
    back_up(region, repository)
    data = repository.read(repository.keys(manifests.BACKUPS)[0]).decode()
    assert before in data
    with pytest.raises(manifests.BadBackup):
        manifests.read_manifest(data.replace(before, after).encode())
