"""`souche image publish` (docs/official-images.md)."""

import hashlib
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from souche import run
from souche.db import images, snapshots
from souche.main import administration
from souche.model.images import Image
from souche.states import SnapshotState
from souche.transfer import reader
from tests.cli.conftest import Souche
from tests.support.bombs import shared_bomb
from tests.support.exported import MIB, SYSTEM, packed, qcow2
from tests.support.foreign_disks import OVF, archive, make

CLUSTER = 64 * 1024


def make_disk(path: Path, format: str, size: str) -> Path:  # noqa: A002 - qemu-img's word
    run.run(["qemu-img", "create", "-f", format, path, size], timeout_seconds=60)
    return path


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk of one and a half GiB, as a guest sees it."""
    return make_disk(tmp_path / "cloud.img", "qcow2", "1536M")


def read(souche: Souche, image_id: str) -> Image:
    with (
        administration.administer(souche.home) as administered,
        administered.region.store.read() as connection,
    ):
        image = images.get(connection, image_id)
        assert image is not None
        snapshot = snapshots.get(connection, image.snapshot_ids[0])
        assert snapshot is not None
        assert (snapshot.state, snapshot.volume_size_gib) == (
            SnapshotState.COMPLETED,
            image.root_mapping.volume_size_gib,
        )
        return image


def test_a_cloud_image_becomes_an_official_image_and_the_file_stays(souche: Souche, disk: Path) -> None:
    before = hashlib.sha256(disk.read_bytes()).digest()
    (told,) = souche("image", "publish", disk, "--name", "Ubuntu-24.04", "--boot-mode", "uefi")
    image = read(souche, told["ImageId"])
    assert image.name == told["ImageName"]
    assert image.name.startswith("Ubuntu-24.04-20")
    assert (image.account_alias, image.permissions.public, image.boot_modes) == ("Outscale", True, ("uefi",))
    assert image.root_mapping.volume_size_gib == 2
    assert hashlib.sha256(disk.read_bytes()).digest() == before
    assert list((souche.home / "staging").iterdir()) == []


def test_the_tiny_disk_needs_no_file(souche: Souche, disk: Path) -> None:
    (told,) = souche("image", "publish", "--tiny", "--name", "Smoke")
    image = read(souche, told["ImageId"])
    assert (image.family, image.boot_modes) == ("Smoke", ("legacy",))
    assert image.root_mapping.volume_size_gib == 1
    for given in ((), (disk, "--tiny"), ("--tiny", "--sha256", "0" * 64), ("--tiny", "--format", "raw")):
        assert "either FILE or --tiny" in souche.refusal("image", "publish", "--name", "Smoke", *given)
    assert list((souche.home / "staging").iterdir()) == []


def test_an_update_withdraws_the_former_one(souche: Souche, disk: Path) -> None:
    told = [souche("image", "publish", disk, "--name", "Ubuntu")[0] for _ in range(2)]
    first, second = (read(souche, each["ImageId"]) for each in told)
    assert first.launchable_until is not None
    assert second.launchable_until is None
    assert second.name == first.name[:-1] + "1"


def test_a_raw_disk_for_another_account(souche: Souche, tmp_path: Path) -> None:
    (vendor,) = souche("account", "create", "vendor", "--alias", "Vendor")
    raw = make_disk(tmp_path / "disk.raw", "raw", "1G")
    given = ("--format", "raw", "--architecture", "i386", "--product-code", "0002", "--description", "old")
    for publisher in (("--account", "vendor"), ("--alias", "Vendor")):
        (told,) = souche("image", "publish", raw, "--name", "Old", *publisher, *given)
        image = read(souche, told["ImageId"])
        assert (image.account_id, image.account_alias) == (vendor["AccountId"], "Vendor")
        assert (image.architecture, image.product_codes, image.description) == ("i386", ("0002",), "old")


def test_what_is_not_the_disk_that_it_should_be_is_refused(
    souche: Souche, disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no disk")
    (tmp_path / "zeros").write_bytes(bytes(4096))
    for name in ("packed", "packed.gz"):
        (tmp_path / name).write_bytes(packed(bytes(4096)))
    (tmp_path / "packed.qcow2.gz").write_bytes(packed(packed(disk.read_bytes())))
    (tmp_path / "packed-by-xz").write_bytes(lzma.compress(disk.read_bytes()))
    run.run(
        ["qemu-img", "create", "-f", "qcow2", "-b", disk, "-F", "qcow2", tmp_path / "child"],
        timeout_seconds=60,
    )
    vhd = make(tmp_path / "zeros", tmp_path / "fixed-vhd", "vhd", "subformat=fixed,force_size=on")
    for file, given, said in (
        (vhd, (), "should have the format qcow2, and has vhd. If that is intended: --format vhd"),
        (tmp_path / "missing", (), "There is no regular file"),
        (tmp_path, (), "There is no regular file"),
        (tmp_path / "text", (), "has the format text, which is not accepted here: this is text"),
        (tmp_path / "text", ("--format", "raw"), "not a multiple of 512"),
        (
            tmp_path / "zeros",
            (),
            "should have the format qcow2, and has raw. If that is intended: --format raw\n",
        ),
        (tmp_path / "packed", (), "--format raw, and a name that ends in .gz, as the file is packed"),
        (
            tmp_path / "packed.gz",
            (),
            "should have the format qcow2, and has raw. If that is intended: --format raw\n",
        ),
        (tmp_path / "packed-by-xz", (), "format xz, which is not accepted here: unpack it with `unxz`"),
        (tmp_path / "packed.qcow2.gz", (), "gzip inside gzip"),
        (
            disk,
            ("--format", "vmdk"),
            "should have the format vmdk, and has qcow2. If that is intended: --format qcow2",
        ),
        (tmp_path / "child", (), "has a backing file"),
        (disk, ("--architecture", "i386"), "x86_64"),
        (disk, ("--account", "nobody"), "no account 'nobody'"),
        (disk, ("--product-code", "9999"), "9999"),
    ):
        assert said in souche.refusal("image", "publish", file, "--name", "Bad", *given)
    assert list((souche.home / "staging").iterdir()) == []


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut in its data": lambda data: data[: len(data) // 2],
    "cut in its last cluster": lambda data: data[:-4096],
    "cut in its tables": lambda data: data[: 200 * 1024],
    "with refcounts of zero": lambda data: data[: 2 * CLUSTER] + bytes(CLUSTER) + data[3 * CLUSTER :],
    "that names one cluster again and again": lambda _: shared_bomb(4 * 1024**3),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_qcow2_disk_that_is_not_whole_is_not_published(souche: Souche, tmp_path: Path, damage: str) -> None:
    """It would be public, and break in the guests of those who launch it."""
    good = qcow2(os.urandom(4 * CLUSTER))
    (tmp_path / "disk.qcow2").write_bytes(DAMAGES[damage](good))
    said = souche.refusal("image", "publish", tmp_path / "disk.qcow2", "--name", "Bad")
    assert "cut short" in said or "the same data more than once" in said
    with (
        administration.administer(souche.home) as administered,
        administered.region.store.read() as connection,
    ):
        assert not snapshots.ids_after(connection, "", 1)
    assert list((souche.home / "staging").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["disk.raw", "disk.raw.gz", "disk.qcow2.gz", "disk.img.gz", "disk.vmdk", "disk.vhd", "disk.ova"]
)
def test_a_disk_is_published_as_its_name_says(souche: Souche, tmp_path: Path, name: str) -> None:
    raw, file = tmp_path / "source", tmp_path / name
    raw.write_bytes(SYSTEM)
    said = {"disk.ova": "vmdk", "disk.img.gz": "qcow2"}.get(name, name.split(".")[1])
    data = make(raw, tmp_path / "made", said, "force_size=on" if said == "vhd" else "").read_bytes()
    file.write_bytes(packed(data) if name.endswith(".gz") else data)
    if name == "disk.ova":
        archive(file, {"disk.ovf": OVF, "disk.vmdk": data})
    (told,) = souche("image", "publish", file, "--name", "Image")
    image = read(souche, told["ImageId"])
    assert image.root_mapping.volume_size_gib == 1
    with administration.administer(souche.home) as administered:
        (snapshot_id,) = image.snapshot_ids
        with administered.volumes.read_snapshot(snapshot_id) as uri, reader.connect(uri) as back:
            content = {chunk.offset: bytes(chunk.data) for chunk in back.chunks(back.allocation())}
    assert content[0][:512] == SYSTEM[:512]
    assert not any(content[0][512:])
    assert list((souche.home / "staging").iterdir()) == []


def test_what_is_said_to_be_raw_is_published_as_it_is(souche: Souche, disk: Path) -> None:
    """A guest may write the beginning of another format to its disk; a warning covers the mistake."""
    disk.write_bytes(disk.read_bytes().ljust(MIB, b"\0"))
    done = souche.invoke("image", "publish", disk, "--name", "Image", "--format", "raw", "--json")
    assert done.exit_code == 0
    assert "begins like qcow2; it is published as a raw disk" in done.stderr


def test_an_i386_image_is_built_for_an_account_and_is_no_official_one(souche: Souche) -> None:
    refused = souche.refusal("image", "build", "debian-12-i386")
    assert "official images are x86_64" in refused
    assert souche.builder.built == []
    souche("account", "create", "alice")
    (told,) = souche("image", "build", "debian-12-i386", "--account", "alice")
    image = read(souche, told["ImageId"])
    assert (image.architecture, image.boot_modes, image.account_alias) == ("i386", ("legacy",), None)
