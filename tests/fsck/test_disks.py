"""Links, layers, chains, captures, and records against disks: each kind of damage is found, and a healthy home shows
none (`test_records.py`)."""

import json
import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from souche.fsck.findings import Level
from souche.run import run
from tests.fsck.homes import Damage, codes, execute, look, mend
from tests.workflows.world import Cast, World

GIB: Final = 1024**3


def _disks(world: World) -> Path:
    return world.home / "disks"


def _layer(world: World, kind: str, resource_id: str) -> Path:
    return (_disks(world) / kind / resource_id).resolve()


def _volume_link_lost(world: World, cast: Cast) -> str:
    (_disks(world) / "volumes" / cast.volume_id).unlink()
    return cast.volume_id


def _snapshot_link_lost(world: World, cast: Cast) -> str:
    (_disks(world) / "snapshots" / cast.snapshot_id).unlink()
    return cast.snapshot_id


def _volume_unknown(world: World, cast: Cast) -> str:
    world.disks.store.create_volume("vol-00000000", GIB)
    return "vol-00000000"


def _snapshot_unknown(world: World, cast: Cast) -> str:
    world.disks.store.copy_snapshot("snap-00000000", cast.snapshot_id)
    return "snap-00000000"


def _volume_small(world: World, cast: Cast) -> str:
    execute(world, "UPDATE volumes SET size_gib = 3 WHERE volume_id = :id", id=cast.volume_id)
    return cast.volume_id


def _snapshot_small(world: World, cast: Cast) -> str:
    execute(world, "UPDATE snapshots SET volume_size_gib = 3 WHERE snapshot_id = :id", id=cast.snapshot_id)
    return cast.snapshot_id


def _snapshot_error(world: World, cast: Cast) -> str:
    execute(world, "UPDATE snapshots SET state = 'error' WHERE snapshot_id = :id", id=cast.snapshot_id)
    return cast.snapshot_id


def _volume_error(world: World, cast: Cast) -> str:
    execute(world, "UPDATE volumes SET state = 'error' WHERE volume_id = :id", id=cast.volume_id)
    return cast.volume_id


def _layer_lost(world: World, cast: Cast) -> str:
    _layer(world, "volumes", cast.volume_id).unlink()
    return cast.volume_id


def _layer_overwritten(world: World, cast: Cast) -> str:
    _layer(world, "volumes", cast.volume_id).write_bytes(b"no image")
    return cast.volume_id


def _layer_cut_off(world: World, cast: Cast) -> str:
    os.truncate(_layer(world, "volumes", cast.volume_id), 100_000)
    return cast.volume_id


def _layer_leads_out(world: World, cast: Cast) -> str:
    layer = _layer(world, "volumes", cast.volume_id)
    argv = ["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", str(layer)]
    run(argv, timeout_seconds=20)
    return cast.volume_id


def _layer_on_itself(world: World, cast: Cast) -> str:
    layer = _layer(world, "volumes", cast.volume_id)
    argv = ["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", layer.name, "-F", "qcow2", str(layer)]
    run(argv, timeout_seconds=20)
    return cast.volume_id


def _link_to_elsewhere(world: World, cast: Cast) -> str:
    link = _disks(world) / "volumes" / cast.volume_id
    link.unlink()
    link.symlink_to("/etc/passwd")
    return cast.volume_id


def _snapshot_written(world: World, cast: Cast) -> str:
    """A snapshot that names the file that a volume writes to."""
    link = _disks(world) / "snapshots" / cast.snapshot_id
    link.unlink()
    link.symlink_to(f"../layers/{_layer(world, 'volumes', cast.volume_id).name}")
    return cast.snapshot_id


def _layer_longer(world: World, cast: Cast) -> str:
    """What a snapshot names: its length was recorded when it became a layer."""
    with _layer(world, "snapshots", cast.snapshot_id).open("ab") as layer:
        layer.write(b"\0" * 512)
    return cast.snapshot_id


def _record_damaged(world: World, cast: Cast) -> str:
    """The layer is whole, but who is to say so?"""
    (_disks(world) / "records" / _layer(world, "snapshots", cast.snapshot_id).name).write_bytes(b"{")
    return cast.snapshot_id


def _record_missing(world: World, cast: Cast) -> str:
    (_disks(world) / "records" / _layer(world, "snapshots", cast.snapshot_id).name).unlink()
    return cast.snapshot_id


def _capture_damaged(world: World, cast: Cast) -> str:
    (_disks(world) / "captures" / f"{cast.snapshot_id}.frozen").write_bytes(b"[{")
    return cast.snapshot_id


FAULTS: Final[dict[str, tuple[str, Damage]]] = {
    "volume's link lost": ("VolumeDiskMissing", _volume_link_lost),
    "snapshot's link lost": ("SnapshotDiskMissing", _snapshot_link_lost),
    "volume without a record": ("VolumeWithoutRecord", _volume_unknown),
    "snapshot without a record": ("SnapshotWithoutRecord", _snapshot_unknown),
    "volume smaller than its record": ("VolumeSizeDiffers", _volume_small),
    "snapshot of another size": ("SnapshotSizeDiffers", _snapshot_small),
    "snapshot in error with a disk": ("SnapshotDiskLeft", _snapshot_error),
    "volume in error with a disk": ("VolumeDiskLeft", _volume_error),
    "record of a layer damaged": ("RecordDamaged", _record_damaged),
    "record of a layer missing": ("RecordMissing", _record_missing),
    "layer lost": ("LayerMissing", _layer_lost),
    "layer overwritten": ("LayerDamaged", _layer_overwritten),
    "layer cut off": ("LayerDamaged", _layer_cut_off),
    "layer leads out of the store": ("LayerDamaged", _layer_leads_out),
    "layer on itself": ("LayerDamaged", _layer_on_itself),
    "layer longer than it was": ("LayerDamaged", _layer_longer),
    "link to elsewhere": ("LinkDamaged", _link_to_elsewhere),
    "snapshot of what is written to": ("LayerShared", _snapshot_written),
    "capture damaged": ("CaptureDamaged", _capture_damaged),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_disk_is_found(name: str, home: tuple[World, Cast]) -> None:
    world, cast = home
    code, damage = FAULTS[name]
    resource_id = damage(world, cast)
    report = look(world.home)
    assert (code, resource_id) in codes(report)
    assert not report.is_well


@pytest.mark.parametrize(
    "name",
    [
        *("volume smaller than its record", "snapshot of another size"),
        *("snapshot in error with a disk", "volume in error with a disk"),
        *("volume without a record", "snapshot without a record"),
    ],
)
def test_records_and_disks_agree_when_mended(name: str, home: tuple[World, Cast]) -> None:
    world, cast = home
    FAULTS[name][1](world, cast)
    mend(world.home)
    mend(world.home)  # what nothing names any more
    assert codes(look(world.home)) == []


def test_a_file_that_no_disk_can_have_is_to_be_moved_away(home: tuple[World, Cast]) -> None:
    world, _cast = home
    (_disks(world) / "volumes" / "junk").touch()
    (finding,) = look(world.home).findings
    assert (finding.code, finding.resource_id) == ("LinkDamaged", "junk")
    assert finding.advice == "nothing in the region has such a name: move the file away"


def test_nothing_is_offered_for_removal_while_a_disk_is_missing(home: tuple[World, Cast]) -> None:
    """The link of a volume is lost: the layer that nothing names is its disk."""
    world, cast = home
    layer = _layer(world, "volumes", cast.volume_id)
    _volume_link_lost(world, cast)
    mend(world.home)
    assert layer.exists()


def test_nothing_is_offered_for_removal_while_a_layer_is_missing(home: tuple[World, Cast]) -> None:
    """What stands below a missing layer is named by nothing else, and is wanted when that layer is put back."""
    world, cast = home
    unnamed = _layer_unnamed(world, cast)
    _layer(world, "snapshots", cast.snapshot_id).unlink()
    mend(world.home)
    left = [finding for finding in look(world.home).findings if finding.resource_id == unnamed]
    assert [(finding.code, finding.repair) for finding in left] == [("LayerUnnamed", None)]


def test_other_bytes_of_the_same_length_are_found_by_a_deep_look(home: tuple[World, Cast]) -> None:
    world, cast = home
    world.disks.store.record_hashes(1e12)
    assert codes(look(world.home, deep=True)) == []
    with _layer(world, "snapshots", cast.snapshot_id).open("r+b") as layer:
        layer.seek(-1, os.SEEK_END)
        (last,) = layer.read(1)
        layer.seek(-1, os.SEEK_END)
        layer.write(bytes([last ^ 1]))
    assert codes(look(world.home)) == []
    report = look(world.home, deep=True)
    assert ("LayerDamaged", cast.snapshot_id) in codes(report)
    assert not report.is_well


def _layer_unnamed(world: World, cast: Cast) -> str:
    execute(world, "DELETE FROM volumes WHERE volume_id = :id", id=cast.volume_id)
    name = _layer(world, "volumes", cast.volume_id).name
    world.disks.store.delete_volume(cast.volume_id)
    return name


def _scratch_left(world: World, cast: Cast) -> str:
    (_disks(world) / "work" / "abcdefgh").mkdir()
    return "abcdefgh"


def _link_half_made(world: World, cast: Cast) -> str:
    (_disks(world) / "volumes" / ".vol-00000000").symlink_to("../layers/none.qcow2")
    return "vol-00000000"


def _capture_cut_off(world: World, cast: Cast) -> str:
    (_disks(world) / "captures" / "snap-00000000.prepared").write_text(json.dumps([]))
    return "snap-00000000"


def _capture_of_a_backup(world: World, cast: Cast) -> str:
    name = f"backup-1-{cast.volume_id}"
    world.disks.store.copy_snapshot(name, cast.snapshot_id)
    return name


LEFTOVERS: Final[dict[str, Damage]] = {
    "BackupCaptureLeft": _capture_of_a_backup,
    "LayerUnnamed": _layer_unnamed,
    "ScratchLeft": _scratch_left,
    "LinkLeft": _link_half_made,
    "CaptureLeft": _capture_cut_off,
}


@pytest.mark.parametrize("code", LEFTOVERS)
def test_what_a_sweep_removes_is_told_and_no_fault(code: str, home: tuple[World, Cast]) -> None:
    world, cast = home
    resource_id = LEFTOVERS[code](world, cast)
    report = look(world.home)
    assert codes(report) == [(code, resource_id)]
    assert [finding.level for finding in report.findings] == [Level.LEFTOVER]
    assert report.is_well
    mend(world.home)
    assert codes(look(world.home)) == []


def test_looking_changes_nothing(home: tuple[World, Cast]) -> None:
    world, _cast = home
    seen = world.see()
    before = {path: path.stat().st_mtime_ns for path in world.home.rglob("*") if "sqlite" not in path.name}
    look(world.home)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert world.see() == seen


def test_what_is_in_the_trash_is_no_finding(home: tuple[World, Cast]) -> None:
    world, _ = home
    world.disks.store.create_volume("vol-0000ffff", GIB)
    world.disks.store.discard("volume", "vol-0000ffff", world.parts.clock.now())
    assert codes(look(world.home)) == []


FOLDERS: Final = ("layers", "captures", "volumes", "snapshots", "records", "trash", "work")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_missing_folder_is_found_and_not_made(name: str, home: tuple[World, Cast]) -> None:
    """The region is stopped: nothing makes it meanwhile."""
    world, _cast = home
    shutil.rmtree(_disks(world) / name)
    report = look(world.home)
    assert ("FolderMissing", f"disks/{name}") in codes(report)
    assert not report.is_well
    assert not (_disks(world) / name).exists()


def test_without_any_record_every_layer_is_named(home: tuple[World, Cast]) -> None:
    world, cast = home
    shutil.rmtree(_disks(world) / "records")
    found = codes(look(world.home))
    assert ("RecordMissing", cast.snapshot_id) in found
    assert {code for code, _ in found} == {"RecordMissing", "FolderMissing"}


def test_nothing_is_offered_for_removal_while_a_folder_is_missing(home: tuple[World, Cast]) -> None:
    """A disk in the trash has no other name."""
    world, cast = home
    unnamed = _layer_unnamed(world, cast)
    shutil.rmtree(_disks(world) / "trash")
    (left,) = [finding for finding in look(world.home).findings if finding.resource_id == unnamed]
    assert (left.code, left.repair) == ("LayerUnnamed", None)
