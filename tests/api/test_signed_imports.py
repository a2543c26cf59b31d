"""Imports of signed exports: whose they are is recorded, and what somebody in between has changed is refused."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from souche.api.image_origins import read_image_origins
from souche.app.context.region import Region
from souche.formats.companion import EmptyVolume
from souche.model.images import ImageMapping
from souche.signing import SigningKey
from tests.support.bucket import bucket
from tests.support.client import Client, value
from tests.support.exported import LINEAGE, MIB, SYSTEM, put_disk, put_manifest, put_with_companion
from tests.support.region import call
from tests.support.signed import ABROAD, Export, export

KEY: Final = SigningKey.generate()
OTHER: Final = SigningKey.generate()
SIGNED: Final = export(KEY)


def imported(client: Client, location: str) -> dict[str, Any]:
    """The image of an import that is not refused."""
    image: dict[str, Any] = client("CreateImage", FileLocation=location)["Image"]
    return image


def signed_by(client: Client, image_id: str) -> Any:
    answer: Any = read_image_origins(call(client.region, client.who, ImageIds=[image_id]))
    return answer["ImageOrigins"][0]["SignedBy"]


def requiring(region: Region, *keys: SigningKey) -> Region:
    return replace(region, required_keys=tuple(key.public for key in keys))


def test_an_import_records_by_whom_the_export_was_signed(client: Client) -> None:
    image = imported(client, SIGNED.put())
    assert signed_by(client, image["ImageId"]) == {
        "RegionId": ABROAD,
        "RegionName": LINEAGE.region,
        "KeyFingerprint": KEY.public.fingerprint,
        "Trusted": False,
    }


@pytest.mark.parametrize("location", [put_manifest, lambda: put_with_companion(SYSTEM, {})])
def test_an_export_that_is_not_signed_is_imported_as_before(
    client: Client, location: Callable[[], str]
) -> None:
    assert signed_by(client, imported(client, location())["ImageId"]) is None


def test_new_urls_leave_a_signature_as_it_is(client: Client) -> None:
    """They are written again now and then; and so may be the JSON."""

    def refresh(document: dict[str, Any]) -> None:
        document["Image"]["Snapshots"][0]["PreSignedUrl"] += "?X-Amz-Signature=new"

    image = imported(client, SIGNED.with_manifest(refresh).put())
    assert signed_by(client, image["ImageId"])["KeyFingerprint"] == KEY.public.fingerprint


def test_a_signature_is_of_what_is_said_and_not_of_its_spelling(client: Client) -> None:
    spelt = json.dumps(
        dict(reversed(json.loads(SIGNED.companion).items())), separators=(" , ", " : ")
    ).encode()
    assert spelt != SIGNED.companion
    assert signed_by(client, imported(client, replace(SIGNED, companion=spelt).put())["ImageId"])


def _set(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: Any) -> None:
        for each in path[:-1]:
            document = document[each]
        document[path[-1]] = value

    return change


def _twice(companion: bytes) -> bytes:
    """The first Tags are signed, and a reader that takes the last finds others."""
    return companion.replace(b'"Signature"', b'"Image": {}, "Signature"')


ATTACKS: Final[Mapping[str, tuple[Callable[[], Export], str]]] = {
    "another name": (
        lambda: SIGNED.with_manifest(_set("Image", "Name", value="trusted")),
        "another manifest",
    ),
    "another size": (
        lambda: SIGNED.with_manifest(_set("Image", "Snapshots", 0, "Size", value=8 * MIB)),
        "another manifest",
    ),
    "another disk's name": (
        lambda: SIGNED.with_manifest(_set("Image", "Snapshots", 0, "Filename", value="a")),
        "another manifest",
    ),
    "a key that nobody knows": (
        lambda: SIGNED.with_manifest(_set("Image", "Later", value=1)),
        "another manifest",
    ),
    "a companion of another export": (
        lambda: replace(SIGNED, companion=export(KEY, name="older").companion),
        "another manifest",
    ),
    "a companion without a manifest": (lambda: export(KEY, manifest_sha256=None), "another manifest"),
    "another disk": (
        lambda: SIGNED.with_companion(_set("Disks", 0, "ObjectSha256", value="0" * 64)),
        "does not match its content",
    ),
    "another lineage": (
        lambda: SIGNED.with_companion(_set("Image", "Lineage", "Region", value="eu-west-2b")),
        "does not match its content",
    ),
    "something added": (lambda: SIGNED.with_companion(_set("Later", value=1)), "does not match its content"),
    "another signer": (
        lambda: SIGNED.with_companion(_set("Signer", "PublicKey", value=OTHER.public.text)),
        "does not match its content",
    ),
    "another region's name": (
        lambda: SIGNED.with_companion(_set("Signer", "Region", value="cloudgouv")),
        "does not match its content",
    ),
    "another signature": (
        lambda: SIGNED.with_companion(_set("Signature", value=OTHER.sign(b""))),
        "does not match its content",
    ),
    "no signature in it": (
        lambda: SIGNED.with_companion(_set("Signature", value="")),
        "does not match its content",
    ),
    "no signature": (
        lambda: SIGNED.with_companion(lambda document: document.pop("Signature")),
        "no Signature",
    ),
    "no signer": (lambda: SIGNED.with_companion(lambda document: document.pop("Signer")), "Signer"),
    "no key": (
        lambda: SIGNED.with_companion(_set("Signer", "PublicKey", value="ed25519:AAAA")),
        "not a public key",
    ),
    "a key of JSON twice": (lambda: replace(SIGNED, companion=_twice(SIGNED.companion)), "occurs twice"),
    "a fraction": (lambda: SIGNED.with_companion(_set("Later", value=1.5)), "not an integer"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_was_changed_after_it_was_signed_is_refused(client: Client, attack: str) -> None:
    make, reason = ATTACKS[attack]
    refusal = client.refusal("CreateImage", FileLocation=make().put())
    assert refusal.row in (value(4040), value(4041))
    assert reason in refusal.details
    assert client("ReadImages")["Images"] == []


def test_the_manifests_object_names_its_companion_by_hash(client: Client) -> None:
    """So one that is exchanged is noticed without a signature as well."""
    url = put_with_companion(SYSTEM, {})
    stored = bucket().objects["/" + url.split("/", 3)[3]]
    location = bucket().put(
        "manifest.json",
        stored.data,
        headers={**stored.headers, "x-amz-meta-souche-companion-sha256": "0" * 64},
    )
    assert "another SHA-256" in client.refusal("CreateImage", FileLocation=location).details


def test_a_huge_companion_is_not_read_to_its_end(client: Client) -> None:
    huge = replace(SIGNED, companion=b" " * (MIB + 1))
    assert "the companion has more than 1048576 bytes" in (
        client.refusal("CreateImage", FileLocation=huge.put()).details
    )


def test_a_companion_that_is_nested_too_deeply_is_refused(client: Client) -> None:
    deep = replace(SIGNED, companion=b'{"SoucheCompanion": 1, "A": ' + b"[" * 200_000 + b"]" * 200_000 + b"}")
    assert client.refusal("CreateImage", FileLocation=deep.put()).row == value(4041)


def test_a_region_that_requires_signatures_takes_those_of_its_keys(region: Region, client: Client) -> None:
    client = Client(requiring(region, OTHER, KEY), client.who)
    image = imported(client, SIGNED.put())
    assert signed_by(client, image["ImageId"])["Trusted"] is True


UNTRUSTED: Final[Mapping[str, tuple[Callable[[], str], str]]] = {
    "another key": (lambda: export(OTHER).put(), OTHER.public.fingerprint),
    "no companion": (SIGNED.put_without_companion, "not signed"),
    "no signature": (lambda: put_with_companion(SYSTEM, {}), "not signed"),
    "a stripped signature": (
        lambda: SIGNED.with_companion(
            lambda document: (document.pop("Signature"), document.pop("Signer"))
        ).put(),
        "not signed",
    ),
}


@pytest.mark.parametrize("what", UNTRUSTED)
def test_a_region_that_requires_signatures_refuses_others(region: Region, client: Client, what: str) -> None:
    make, reason = UNTRUSTED[what]
    refusal = Client(requiring(region, KEY), client.who).refusal("CreateImage", FileLocation=make())
    assert refusal.row == value(4040)
    assert "exports that are signed by a key of its --require-signed" in refusal.details
    assert reason in refusal.details


def test_a_region_that_requires_signatures_takes_no_snapshot_by_a_url(region: Region, client: Client) -> None:
    """It would be the way round: any disk becomes an image by its snapshot."""
    wanted = {"FileLocation": put_disk(SYSTEM, "disk.raw"), "SnapshotSize": len(SYSTEM)}
    assert client("CreateSnapshot", **wanted)["Snapshot"]["State"] == "in-queue"
    refusal = Client(requiring(region, KEY), client.who).refusal("CreateSnapshot", **wanted)
    assert "a snapshot at a URL has no signature" in refusal.details


def test_tags_come_along(client: Client) -> None:
    tags = (("Name", "system"), ("empty", ""))
    image = imported(client, export(KEY, tags=tags).put())
    expected = [{"Key": key, "Value": text} for key, text in tags]
    assert image["Tags"] == expected
    assert client("ReadImages", Filters={"Tags": ["Name=system"]})["Images"][0]["Tags"] == expected


@pytest.mark.parametrize("tag", [("", "v"), ("k" * 256, "v"), ("k", "v" * 256)])
def test_tags_that_cannot_be_are_refused(client: Client, tag: tuple[str, str]) -> None:
    refusal = client.refusal("CreateImage", FileLocation=export(KEY, tags=(tag,)).put())
    assert (refusal.row, "Tags" in refusal.details) == (value(4040), True)
    assert client("ReadImages")["Images"] == []


def test_a_nul_in_a_companion_is_refused(client: Client) -> None:
    refusal = client.refusal("CreateImage", FileLocation=export(KEY, tags=(("k\0", "v"),)).put())
    assert (refusal.row, "NUL" in refusal.details) == (value(4040), True)


def test_empty_volumes_come_back_to_their_places(client: Client) -> None:
    first = EmptyVolume(0, ImageMapping("/dev/xvdc", None, 4, "io1", 100, delete_on_vm_deletion=False))
    last = EmptyVolume(10**30, ImageMapping("/dev/xvdb", None, 1, "gp2"))
    image = imported(client, export(KEY, empty_volumes=(last, first)).put())
    mappings = image["BlockDeviceMappings"]
    assert [each["DeviceName"] for each in mappings] == ["/dev/xvdc", "/dev/sda1", "/dev/xvdb"]
    assert mappings[0]["Bsu"] == {
        "DeleteOnVmDeletion": False,
        "VolumeSize": 4,
        "VolumeType": "io1",
        "Iops": 100,
    }
    assert len(client("ReadSnapshots")["Snapshots"]) == 1


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        (ImageMapping("/dev/sda1", None, 1), "/dev/sda1"),
        (ImageMapping("/dev/hda", None, 1), "/dev/hda"),
        (ImageMapping("/dev/xvdb", None, 2**40), "size"),
        (ImageMapping("/dev/xvdb", None, 1, "io1"), "Iops"),
    ],
)
def test_empty_volumes_that_cannot_be_are_refused(client: Client, mapping: ImageMapping, reason: str) -> None:
    location = export(KEY, empty_volumes=(EmptyVolume(1, mapping),)).put()
    refusal = client.refusal("CreateImage", FileLocation=location)
    assert refusal.row == value(4040)
    assert reason.lower() in refusal.details.lower()
