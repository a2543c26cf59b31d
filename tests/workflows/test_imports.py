"""Imports as a region runs them: what comes in is what was exported, and of what is hostile nothing is left."""

import gzip
import struct
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from souche.app import image_imports, snapshot_imports
from souche.app.image_imports import FromManifest
from souche.app.images import ImageSettings
from souche.app.snapshot_imports import FromUrl
from souche.model.accounts import Principal
from souche.model.disks import FileSource
from souche.model.images import VmAttributes
from souche.objects.addresses import AllowList
from souche.objects.fetch import Fetcher
from souche.reconcile import leftovers
from souche.states import ImageState, SnapshotState
from souche.transfer import import_disk
from souche.transfer.disk_importer import DiskImporter
from souche.transfer.import_disk import limits
from tests.support.bucket import bucket as web_server
from tests.support.exported import (
    LINEAGE,
    MIB,
    SYSTEM,
    disk,
    image_file,
    packed,
    put_disk,
    put_manifest,
    put_with_companion,
    qcow2,
)
from tests.support.folder_oos import FolderOos
from tests.support.resources import dump, read_image, read_snapshot
from tests.workflows.importing import alice as alice
from tests.workflows.importing import import_image, import_snapshot, nothing_left
from tests.workflows.importing import world as world
from tests.workflows.world import World

TOO_LARGE = (4 * MIB + 4 * MIB // 16 + 64 * MIB) + 1


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "raw.gz": packed,
    "raw in two gzip members": lambda data: packed(data[:MIB]) + packed(data[MIB:]),
    "qcow2": qcow2,
    "qcow2.gz": lambda data: packed(qcow2(data)),
    "compressed qcow2": lambda data: qcow2(data, "-c"),
    "qcow2 of version 2": lambda data: qcow2(data, "-o", "compat=0.10"),
    "qcow2 with small clusters": lambda data: qcow2(data, "-o", "cluster_size=512"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_snapshot_of_every_form_has_the_bytes(world: World, alice: Principal, form: str) -> None:
    snapshot = import_snapshot(world, alice, put_disk(FORMS[form](SYSTEM)))
    assert (snapshot.state, snapshot.progress_percent) == (SnapshotState.COMPLETED, 100)
    assert (snapshot.volume_size_gib, snapshot.product_codes) == (1, ("0001",))
    assert world.disks.snapshot(snapshot.snapshot_id) == SYSTEM.rstrip(b"\0")
    assert list((world.home / "staging").iterdir()) == []


def test_that_all_has_arrived_is_written_once(world: World, alice: Principal) -> None:
    """And not for every piece that is unpacked after it."""
    written: list[str] = []

    @sa.event.listens_for(world.region.store.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE disk_imports SET received_bytes"):
            written.append(statement)

    size = 64 * MIB
    assert (
        import_snapshot(world, alice, put_disk(packed(SYSTEM.ljust(size, b"\0"))), size).volume_size_gib == 1
    )
    assert len(written) < 16  # at the start, when all has come, and once a second


def test_an_image_is_what_the_manifest_says(world: World, alice: Principal) -> None:
    data = disk(
        put_disk(packed(qcow2(b"data".ljust(MIB, b"\0")))),
        Device="/dev/sda2",
        Size=5 * 1024**3 + 1,
        VolumeType="io1",
        Iops=200,
        DeleteOnTermination=False,
    )
    root = disk(put_disk(SYSTEM), VolumeType="gp2", Iops=100)
    location = put_manifest(root, data, ProductTypes=["0002", "0008"], Architecture="i386")
    image = import_image(world, alice, location)
    assert (image.state, image.name, image.description) == (
        ImageState.AVAILABLE,
        "exported",
        "of another region",
    )
    assert (image.architecture, image.product_codes, image.boot_modes) == (
        "i386",
        ("0002", "0008"),
        ("legacy",),
    )
    assert (image.account_id, image.permissions.public) == (alice.account_id, False)
    told = [
        (each.device_name, each.volume_size_gib, each.volume_type, each.iops, each.delete_on_vm_deletion)
        for each in image.mappings
    ]
    assert told == [("/dev/sda1", 1, "gp2", None, True), ("/dev/xvdb", 6, "io1", 200, False)]
    first, second = (read_snapshot(world.region, each) for each in image.snapshot_ids)
    assert (first.state, first.product_codes) == (SnapshotState.COMPLETED, ("0002", "0008"))
    assert (second.volume_size_gib, second.product_codes) == (6, ("0001",))
    assert world.disks.snapshot(first.snapshot_id) == SYSTEM.rstrip(b"\0")
    assert world.disks.snapshot(second.snapshot_id) == b"data"


def test_what_the_manifest_has_no_room_for_comes_from_the_companion(world: World, alice: Principal) -> None:
    attributes = VmAttributes(True, "terminate", "medium", "uefi")  # noqa: FBT003
    beside = {
        "boot_modes": ("uefi",),
        "tpm_mandatory": True,
        "secure_boot": True,
        "vm_attributes": attributes,
    }
    image = import_image(world, alice, put_with_companion(packed(qcow2(SYSTEM)), beside))
    assert (image.state, image.state_message) == (ImageState.AVAILABLE, None)
    assert (image.boot_modes, image.tpm_mandatory, image.secure_boot) == (("uefi",), True, True)
    assert (image.vm_attributes, image.lineage) == (attributes, LINEAGE)
    assert (image.source_image_id, image.source_vm_id) == (None, None)


CHANGED: dict[str, dict[str, object]] = {
    "another hash": {"object_sha256": "1" * 64},
    "another length": {"object_bytes": 10},
    "a disk of another length": {"disk_bytes": 4 * MIB + 512},
    "a disk with another hash": {"disk_tree_sha256": "1" * 64},
}


@pytest.mark.parametrize("change", CHANGED)
def test_an_object_that_is_not_what_was_exported_is_refused(
    world: World, alice: Principal, change: str
) -> None:
    location = put_with_companion(packed(qcow2(SYSTEM)), {}, **CHANGED[change])
    image = import_image(world, alice, location)
    assert image.state == ImageState.FAILED
    assert "is not the exported one" in (image.state_message or "")
    assert nothing_left(world)


def patched(data: bytes, offset: int, fields: str, *values: int) -> bytes:
    """Other big-endian numbers at a place in a qcow2 header (QEMU, docs/interop/qcow2)."""
    changed = bytearray(data)
    struct.pack_into(f">{fields}", changed, offset, *values)
    return bytes(changed)


def backed(data: bytes) -> bytes:
    """With /etc/passwd as its backing file."""
    name = b"/etc/passwd"
    return patched(data, 8, "QI", 512, len(name))[:512] + name + data[512 + len(name) :]


def looping(data: bytes) -> bytes:
    """With an L1 table whose entries lead to the header."""
    (offset,) = struct.unpack_from(">Q", data, 40)
    return patched(data, offset, "Q", 1 << 63)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a backing file": (lambda: backed(qcow2(SYSTEM)), "has a backing file"),
    "an external data file": (lambda: patched(qcow2(SYSTEM), 72, "Q", 4), "external file"),
    "unknown features": (lambda: patched(qcow2(SYSTEM), 72, "Q", 1 << 40), "needs features"),
    "encryption": (lambda: patched(qcow2(SYSTEM), 32, "I", 1), "encrypted"),
    "internal snapshots": (lambda: patched(qcow2(SYSTEM), 60, "IQ", 1, 65536), "internal snapshots"),
    "an oversized L1 table": (lambda: patched(qcow2(SYSTEM), 36, "I", 2**31), "are damaged"),
    "an oversized refcount table": (lambda: patched(qcow2(SYSTEM), 56, "I", 2**20), "refcount table"),
    "tables that lead to the header": (lambda: looping(qcow2(SYSTEM)), "cut short"),
    "a size of 8 EiB": (lambda: patched(qcow2(SYSTEM), 24, "Q", 2**63), "are accepted"),
    "a size of nothing": (lambda: patched(qcow2(SYSTEM), 24, "Q", 0), "is empty"),
    "a qcow2 disk larger than announced": (lambda: qcow2(SYSTEM * 2), "are accepted"),
    "a raw disk larger than announced": (lambda: SYSTEM + b"\0" * 512, "are accepted"),
    "half a sector": (lambda: SYSTEM[:-256], "not a multiple"),
    "nothing": (lambda: b"", "is empty"),
    "a qcow2 disk cut in its tables": (lambda: qcow2(b"x" * 4 * MIB)[: 128 * 1024], "cut short"),
    "a qcow2 disk cut in its data": (lambda: qcow2(b"x" * 4 * MIB)[: 2 * MIB], "cut short"),
    "gzip that is cut": (lambda: packed(SYSTEM)[:-4], "gzip stream is incomplete"),
    "gzip that is damaged": (lambda: packed(SYSTEM)[:-8] + b"\0" * 8, "gzip stream is not valid"),
    "gzip with something behind": (lambda: packed(SYSTEM) + b"more", "follows the gzip"),
    "a gzip bomb": (
        lambda: gzip.compress(qcow2(SYSTEM) + bytes(TOO_LARGE)),
        "gzip stream expands to more than",
    ),
    "a gzip bomb of raw zeros": (lambda: gzip.compress(bytes(8 * MIB)), "are accepted"),
    "a VMDK": (lambda: image_file(SYSTEM, "vmdk"), "format vmdk"),
    "a VHD": (lambda: image_file(SYSTEM, "vpc"), "format vhd"),
    "a VHDX": (lambda: image_file(SYSTEM, "vhdx"), "format vhdx"),
    "a VDI": (lambda: image_file(SYSTEM, "vdi"), "format vdi"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_disk_is_refused_and_nothing_of_it_is_left(
    world: World, alice: Principal, name: str
) -> None:
    make, said = HOSTILE[name]
    good = disk(put_disk(packed(SYSTEM)))
    bad = disk(put_disk(make()), Device="/dev/xvdb")
    image = import_image(world, alice, put_manifest(good, bad))
    assert (image.state, image.mappings) == (ImageState.FAILED, ())
    assert (image.state_message or "").startswith("The disk /dev/xvdb cannot be imported: ")
    assert said in (image.state_message or "")
    assert nothing_left(world)


@pytest.mark.parametrize("name", ["a backing file", "a gzip bomb", "a qcow2 disk cut in its data"])
def test_a_hostile_snapshot_ends_in_error_and_holds_nothing(
    world: World, alice: Principal, name: str
) -> None:
    snapshot = import_snapshot(world, alice, put_disk(HOSTILE[name][0]()))
    assert (snapshot.state, snapshot.progress_percent) == (SnapshotState.ERROR, 0)
    assert (snapshot.problem or "").startswith("The disk cannot be imported: ")
    assert HOSTILE[name][1] in (snapshot.problem or "")
    assert nothing_left(world)


BEGINNINGS: dict[str, Callable[[], bytes]] = {
    "a qcow2 disk": lambda: qcow2(SYSTEM),
    "a qcow2 disk on another": lambda: backed(qcow2(SYSTEM)),
    "a VMDK": lambda: image_file(SYSTEM, "vmdk"),
    "a VHDX": lambda: image_file(SYSTEM, "vhdx"),
    "gzip": lambda: packed(SYSTEM),
    "text": lambda: b"<html>no disk</html>",
}


@pytest.mark.parametrize("way", ["manifest", "object"])
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_raw_disk_is_raw_whatever_it_begins_with(
    world: World, alice: Principal, beginning: str, way: str
) -> None:
    """A guest writes to its disk what it likes: the beginning of another disk too."""
    data = BEGINNINGS[beginning]()[: 64 * 1024].ljust(MIB, b"\0")
    name = "snap-0000abcd-00000001.raw.gz"
    if way == "object":
        snapshot = import_snapshot(world, alice, put_disk(packed(data), name), len(data))
        assert (snapshot.state, snapshot.problem) == (SnapshotState.COMPLETED, None)
        snapshot_id = snapshot.snapshot_id
    else:
        location = put_manifest(disk(put_disk(packed(data)), Filename=name, Size=len(data)))
        image = import_image(world, alice, location)
        assert (image.state, image.state_message) == (ImageState.AVAILABLE, None)
        (snapshot_id,) = image.snapshot_ids
    assert world.disks.snapshot(snapshot_id) == data[:4096].rstrip(b"\0")


def test_what_is_called_qcow2_has_to_be(world: World, alice: Principal) -> None:
    snapshot = import_snapshot(world, alice, put_disk(SYSTEM, "disk.qcow2"))
    assert "and has raw. If that is intended, state it: by a name" in (snapshot.problem or "")


@pytest.mark.parametrize("name", ["disk.vmdk", "disk.vmdk.gz", "disk.vhd", "disk.vhdx", "DISK.VHDX"])
def test_a_disk_in_a_format_of_others_is_converted(world: World, alice: Principal, name: str) -> None:
    said = name.lower().removesuffix(".gz").removeprefix("disk.")
    size = 8 * MIB
    options = ("-o", "force_size=on") if said == "vhd" else ()
    data = image_file(SYSTEM.ljust(size, b"\0"), {"vhd": "vpc"}.get(said, said), *options)
    url = put_disk(packed(data) if name.endswith(".gz") else data, name)
    snapshot = import_snapshot(world, alice, url, size)
    assert (snapshot.state, snapshot.problem) == (SnapshotState.COMPLETED, None)
    assert world.disks.snapshot(snapshot.snapshot_id) == SYSTEM.rstrip(b"\0")
    assert list((world.home / "staging").iterdir()) == []


def test_a_server_that_breaks_off_is_said(world: World, alice: Principal) -> None:
    location = put_manifest(disk(put_disk(SYSTEM, announced=5 * MIB)))
    image = import_image(world, alice, location)
    assert "The disk /dev/sda1 cannot be downloaded at the moment" in (image.state_message or "")
    assert "1048576 bytes are missing" in (image.state_message or "")
    assert nothing_left(world)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1/disk?Signature=hush", "not an address to fetch from"),
        ("http://169.254.169.254/latest/user-data", "not an address to fetch from"),
        ("file:///etc/passwd", "should begin with http"),
        ("ftp://127.0.0.1/disk", "should begin with http"),
    ],
)
def test_a_disk_at_an_address_that_may_not_be_fetched_is_refused(
    world: World, alice: Principal, url: str, said: str
) -> None:
    image = import_image(world, alice, put_manifest(disk(url)))
    assert said in (image.state_message or "")
    assert "hush" not in (image.state_message or "")


def test_a_redirect_to_such_an_address_is_refused(world: World, alice: Principal) -> None:
    url = put_disk(b"", status=302, headers={"Location": "http://169.254.169.254/latest/user-data"})
    image = import_image(world, alice, put_manifest(disk(url)))
    assert "169.254.169.254:80 is not an address to fetch from" in (image.state_message or "")


@pytest.mark.parametrize(("status", "said"), [(403, "refused access"), (404, "There is nothing")])
def test_what_the_server_says_is_told(world: World, alice: Principal, status: int, said: str) -> None:
    image = import_image(world, alice, put_manifest(disk(put_disk(b"no", status=status))))
    assert said in (image.state_message or "")


def test_urls_are_kept_sealed_and_only_as_long_as_they_are_needed(world: World, alice: Principal) -> None:
    url = put_disk(packed(SYSTEM), query="?X-Amz-Signature=hush1")
    location = put_manifest(disk(url)) + "?AWSAccessKeyId=A&Expires=1&Signature=hush2"
    pending = image_imports.create(world.region, alice, FromManifest(ImageSettings(None), location))
    assert pending.file_location == location
    assert "hush" not in "\n".join(dump(world.region))
    world.run_all()
    assert read_image(world.region, pending.image_id).state == ImageState.AVAILABLE
    assert "hush" not in "\n".join(dump(world.region))
    assert not [key for key in world.see().rows if key.startswith("disk_imports")]


def test_a_snapshot_that_is_there_is_not_fetched_again(world: World, alice: Principal) -> None:
    """After a crash between two disks only the second is left to do."""
    pending = image_imports.create(world.region, alice, FromManifest(ImageSettings(None), put_manifest()))
    (snapshot_id,) = pending.snapshot_ids
    file = world.home / "staging" / "given"
    file.write_bytes(b"there already".ljust(4 * MIB, b"\0"))
    world.disks.store.import_snapshot(snapshot_id, FileSource(file, "raw"), 1024**3)
    world.run(world.the_operation())
    assert world.disks.snapshot(snapshot_id) == b"there already"


def test_the_sweep_leaves_what_is_on_its_way(world: World, alice: Principal) -> None:
    pending = image_imports.create(world.region, alice, FromManifest(ImageSettings(None), put_manifest()))
    file = DiskImporter(Fetcher(AllowList()), world.home / "staging").file(pending.image_id, "snap-0000abcd")
    file.write_bytes(b"half a disk")
    leftovers.remove_staged(world.parts, world.home / "staging")
    assert file.exists()


def test_the_time_of_an_import_does_not_go_by_the_size_that_is_said() -> None:
    small, large = limits(MIB), limits(14_901 * 1024**3)
    assert small.seconds == large.seconds <= 7 * 24 * 3600
    assert small.least_bytes_per_second == large.least_bytes_per_second > 0


def test_an_import_that_drips_ends_in_error(
    world: World, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_disk, "PACE_SECONDS", 0.5)
    location = put_manifest(disk(put_disk(SYSTEM, pause_seconds=2)))
    image = import_image(world, alice, location)
    assert image.state == ImageState.FAILED
    assert "KiB a second for" in (image.state_message or "")
    assert nothing_left(world)


def test_an_import_waits_for_the_regions_own_store(world: World, alice: Principal) -> None:
    """Whose answers are 500 for some seconds after a restart."""
    url = put_disk(packed(SYSTEM))
    stored = web_server().objects
    path = url.removeprefix(f"http://127.0.0.1:{web_server().port}")
    good = stored[path]
    seen: list[str] = []

    class OwnOos(FolderOos):
        @property
        def endpoint(self) -> str:
            seen.append("asked")
            stored[path] = replace(good, status=500)
            threading.Timer(1.5, stored.__setitem__, (path, good)).start()
            return f"http://127.0.0.1:{web_server().port}"

    pending = snapshot_imports.create(world.region, alice, FromUrl(url, 4 * MIB))
    buckets = replace(world.parts.buckets, oos=OwnOos(world.home / "own"))
    there = replace(world, parts=replace(world.parts, buckets=buckets))
    there.run(there.the_operation())
    assert seen
    assert read_snapshot(world.region, pending.snapshot_id).state == SnapshotState.COMPLETED
