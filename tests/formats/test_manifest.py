"""Manifests as OUTSCALE writes them, as Souche writes them, and broken ones."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from souche.formats.json_fields import NotJson
from souche.formats.manifest import MOST_BYTES, Manifest, ManifestDisk, read_manifest, write_manifest
from souche.value_refusals import BadManifest, UnknownManifestVersion

DISK = ManifestDisk("/dev/sda1", "https://oos.example/b/snap-1.qcow2.gz?X=1", 10 << 30, "snap-1.qcow2.gz")
IMAGE = Manifest("web-1", "the web server", ("0001", "0002"), (DISK,))

OLDER: dict[str, Any] = {
    "Version": 1,
    "Image": {
        "Name": "older",
        "ProductTypes": ["0001"],
        "Type": "machine",
        "User": "123456789012",
        "Public": False,
        "Snapshots": [
            {
                "Device": "/dev/sda1",
                "PreSignedUrl": "https://osu.example/b/k?AWSAccessKeyId=A&Expires=1&Signature=S",
                "Size": 10737418240,
                "CompressedSize": 4096,
                "Ordering": 0,
                "Filename": "export/ami-12345678/snap-12345678-00000000.qcow2.gz",
            }
        ],
    },
}
"""With the keys of the older samples (reference section 4)."""


def changed(path: str, value: object) -> bytes:
    """The older sample with one value replaced; `...` removes it."""
    document = json.loads(json.dumps(OLDER))
    *way, last = path.split(".")
    place: Any = document
    for key in way:
        place = place[int(key)] if key.isdigit() else place[key]
    if value is ...:
        del place[last]
    else:
        place[int(last) if last.isdigit() else last] = value
    return json.dumps(document).encode()


def test_written_exactly_as_the_reference_has_it() -> None:
    assert json.loads(write_manifest(IMAGE)) == {
        "Version": 1,
        "Image": {
            "Name": "web-1",
            "Description": "the web server",
            "Architecture": "x86_64",
            "Type": "machine",
            "ProductTypes": ["0001", "0002"],
            "Public": False,
            "Snapshots": [
                {
                    "Device": "/dev/sda1",
                    "PreSignedUrl": "https://oos.example/b/snap-1.qcow2.gz?X=1",
                    "Size": 10737418240,
                    "VolumeType": "standard",
                    "Iops": None,
                    "DeleteOnTermination": True,
                    "Filename": "snap-1.qcow2.gz",
                }
            ],
        },
    }


def test_an_older_sample_is_read() -> None:
    manifest = read_manifest(json.dumps(OLDER).encode())
    assert (manifest.name, manifest.product_codes, manifest.architecture) == ("older", ("0001",), "x86_64")
    (disk,) = manifest.disks
    assert disk.filename == "snap-12345678-00000000.qcow2.gz"
    assert (disk.volume_type, disk.iops, disk.delete_on_vm_deletion) == ("standard", None, True)


def test_name_description_architecture_type_and_filename_may_be_missing() -> None:
    document = json.loads(json.dumps(OLDER))
    for holder, keys in (
        (document["Image"], ("Name", "Type", "Public", "User")),
        (document["Image"]["Snapshots"][0], ("Filename", "CompressedSize", "Ordering")),
    ):
        for key in keys:
            del holder[key]
    manifest = read_manifest(json.dumps(document).encode())
    assert (manifest.name, manifest.description, manifest.public) == (None, "", False)
    assert (manifest.disks[0].device_name, manifest.disks[0].filename) == ("/dev/sda1", None)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
disks = st.builds(
    ManifestDisk,
    device_name=st.just("/dev/sda1"),
    url=texts.filter(bool),
    size_bytes=st.integers(1, 1 << 50),
    filename=st.none() | st.just("snap.qcow2.gz"),
    volume_type=st.sampled_from(["standard", "gp2", "io1"]),
    iops=st.none() | st.integers(100, 13_000),
    delete_on_vm_deletion=st.booleans(),
)


@given(
    st.builds(
        Manifest,
        name=st.none() | texts,
        description=texts,
        product_codes=st.lists(texts).map(tuple),
        disks=st.tuples(disks),
        architecture=st.sampled_from(["i386", "x86_64"]),
        public=st.booleans(),
    )
)
def test_what_is_written_is_read_back(manifest: Manifest) -> None:
    assert read_manifest(write_manifest(manifest)) == manifest


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("Version", ..., "Version: it is required"),
        ("Version", True, "Version: an integer is expected"),
        ("Image", [], "Image: an object is expected"),
        ("Image.ProductTypes", ..., "Image.ProductTypes: it is required"),
        ("Image.ProductTypes", [1], "Image.ProductTypes: a list of strings is expected"),
        ("Image.Type", "kernel", "Image.Type: only 'machine' is known"),
        ("Image.Architecture", "arm64", "Image.Architecture: one of i386, x86_64 is expected"),
        ("Image.Snapshots", [], "Image.Snapshots: none of them has the Device /dev/sda1"),
        ("Image.Snapshots", ["x"], "Image.Snapshots[0]: an object is expected"),
        (
            "Image.Snapshots",
            OLDER["Image"]["Snapshots"] * 2,
            "Image.Snapshots: a Device is named more than once",
        ),
        ("Image.Snapshots.0.Device", ..., "Image.Snapshots[0].Device: it is required"),
        ("Image.Snapshots.0.Size", ..., "Image.Snapshots[0].Size: it is required"),
        ("Image.Snapshots", ..., "Image.Snapshots: it is required"),
        ("Image.Snapshots.0.PreSignedUrl", ..., "Image.Snapshots[0].PreSignedUrl: it is required"),
        ("Image.Snapshots.0.Size", "10", "Image.Snapshots[0].Size: an integer is expected"),
        ("Image.Snapshots.0.Size", 0, "Image.Snapshots[0].Size: a positive number"),
        ("Image.Snapshots.0.VolumeType", "st1", "Image.Snapshots[0].VolumeType: one of standard, gp2, io1"),
    ],
)
def test_a_complaint_says_what_is_wrong_and_where(path: str, value: object, complaint: str) -> None:
    with pytest.raises(BadManifest) as caught:
        read_manifest(changed(path, value))
    assert complaint in str(caught.value)


def test_a_version_other_than_1_is_refused() -> None:
    with pytest.raises(UnknownManifestVersion):
        read_manifest(changed("Version", 2))


@pytest.mark.parametrize("data", [b"", b"\xff", b"<html>", b"[1]", b"[" * 100_000, b"7", b'{"A": "\\ud800"}'])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(NotJson):
        read_manifest(data)


def test_a_nul_is_refused() -> None:
    with pytest.raises(BadManifest, match="NUL"):
        read_manifest(rb'{"A": ["\\\u0000"]}')


def test_the_escape_of_nul_may_be_spelled_out() -> None:
    assert read_manifest(changed("Image.Description", r"\u0000")).description == r"\u0000"


def test_a_manifest_of_more_than_1_mib_is_refused() -> None:
    with pytest.raises(BadManifest, match="more than"):
        read_manifest(b" " * (MOST_BYTES + 1))


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else(data: bytes) -> None:
    with pytest.raises(BadManifest):
        read_manifest(data)
