"""CreateImage by a manifest: what is refused at the call, with its code; and what the answer says."""

import json
import string
from collections.abc import Callable
from typing import Any

import pytest

from souche.api.image_origins import read_image_origins
from souche.app.context.region import Region
from souche.formats.companion import METADATA_KEY
from souche.model.permissions import Permissions
from tests.support.bucket import bucket
from tests.support.client import Client, absent, conflict, denied, missing, value
from tests.support.exported import LINEAGE, MIB, SYSTEM, disk, put_manifest, put_with_companion, qcow2
from tests.support.region import call, make_account
from tests.support.resources import make_image, make_product_type, requested


def put(data: bytes, **how: Any) -> str:
    return bucket().put("manifest.json", data, **how)


def test_an_import_is_pending_private_and_has_the_manifests_mappings(region: Region, client: Client) -> None:
    location = put_manifest(disk("http://127.0.0.1:1/a"), disk("http://127.0.0.1:1/b", Device="/dev/xvdb"))
    image = client("CreateImage", FileLocation=location)["Image"]
    assert (image["State"], image["ImageName"], image["Description"]) == (
        "pending",
        "exported",
        "of another region",
    )
    assert image["FileLocation"] == location
    assert image["PermissionsToLaunch"] == {"AccountIds": [], "GlobalPermission": False}
    assert [each["DeviceName"] for each in image["BlockDeviceMappings"]] == ["/dev/sda1", "/dev/xvdb"]
    ids = [each["Bsu"]["SnapshotId"] for each in image["BlockDeviceMappings"]]
    found = client("ReadSnapshots", Filters={"SnapshotIds": ids})["Snapshots"]
    assert [(each["State"], each["Progress"], each["VolumeSize"]) for each in found] == [
        ("in-queue", 0, 1)
    ] * 2
    assert requested(region) == ["import_image_from_manifest"]


def test_what_the_request_says_goes_before_the_manifest(client: Client) -> None:
    image = client(
        "CreateImage",
        FileLocation=put_manifest(ProductTypes=["0002"]),
        ImageName="mine",
        Description="",
        BootModes=["uefi"],
        TpmMandatory=True,
        ProductCodes=["0001", "0008"],
    )["Image"]
    assert (image["ImageName"], image["Description"], image["BootModes"]) == ("mine", "", ["uefi"])
    assert image["TpmMandatory"] is True
    assert image["ProductCodes"] == ["0001", "0002", "0008"]


def test_what_the_request_says_goes_before_the_companion(client: Client) -> None:
    beside = {"boot_modes": ("uefi",), "tpm_mandatory": True}
    location = put_with_companion(b"x", beside)
    silent = client("CreateImage", FileLocation=location)["Image"]
    assert (silent["BootModes"], silent["TpmMandatory"]) == (["uefi"], True)
    told = client("CreateImage", FileLocation=location, BootModes=["legacy"], TpmMandatory=False)["Image"]
    assert (told["BootModes"], told["TpmMandatory"]) == (["legacy"], False)


def test_the_manifests_name_gives_way_and_the_requests_does_not(client: Client) -> None:
    location = put_manifest()
    names = [client("CreateImage", FileLocation=location)["Image"]["ImageName"] for _ in range(3)]
    assert names == ["exported", "exported-copy1", "exported-copy2"]
    assert client.refusal("CreateImage", FileLocation=location, ImageName="exported").row == conflict(9015)


def test_the_signature_is_shown_to_the_owner_alone(region: Region, client: Client) -> None:
    location = put_manifest() + "?AWSAccessKeyId=A&Expires=1&Signature=hush"
    image_id = client("CreateImage", FileLocation=location)["Image"]["ImageId"]
    client("UpdateImage", ImageId=image_id, PermissionsToLaunch={"Additions": {"GlobalPermission": True}})
    other = Client(region, make_account(region, "other"))
    filters = {"ImageIds": [image_id]}
    assert client("ReadImages", Filters=filters)["Images"][0]["FileLocation"] == location
    assert other("ReadImages", Filters=filters)["Images"][0]["FileLocation"] == location.partition("?")[0]
    assert other("ReadImages", Filters={"FileLocations": ["*hush*"]})["Images"] == []


def test_an_import_is_found_by_the_location_that_it_shows(region: Region, client: Client) -> None:
    """Its owner is shown the signature, which is kept apart; others are not."""
    location = put_manifest() + "?AWSAccessKeyId=A&Expires=1&Signature=hush"
    image_id = client("CreateImage", FileLocation=location)["Image"]["ImageId"]
    client("UpdateImage", ImageId=image_id, PermissionsToLaunch={"Additions": {"GlobalPermission": True}})
    for asking in (client, Client(region, make_account(region, "other"))):
        (image,) = asking("ReadImages")["Images"]
        assert asking("ReadImages", Filters={"FileLocations": [image["FileLocation"]]})["Images"] == [image]
        assert asking("ReadImages", Filters={"FileLocations": [f"{location}*"]})["Images"] == []


def changed(**changes: object) -> bytes:
    return json.dumps(json.loads(bucket().objects[_path(put_manifest())].data) | changes).encode()


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def with_disk(**changes: object) -> str:
    return put_manifest(disk("http://127.0.0.1:1/a"), disk("http://127.0.0.1:1/b", **changes))


FORTY_PLACES = [f"{first}{second}" for first in "bc" for second in string.ascii_lowercase[:20]]

REFUSED: dict[str, tuple[Callable[[], str], tuple[int, str, str]]] = {
    "ftp": (lambda: "ftp://127.0.0.1/manifest.json", value(4075)),
    "no URL": (lambda: "bucket/manifest.json", value(4075)),
    "this machine": (lambda: "http://localhost:1/manifest.json", value(4075)),
    "the metadata server": (lambda: "http://169.254.169.254/latest", value(4075)),
    "a redirect to it": (
        lambda: put(b"", status=302, headers={"Location": "http://169.254.169.254/"}),
        value(4075),
    ),
    "nobody there": (lambda: "http://127.0.0.1:1024/manifest.json", value(4074)),
    "an error of the server": (lambda: put(b"", status=500), value(4074)),
    "access refused": (lambda: put(b"", status=403), value(4088)),
    "no signature": (lambda: put(b"", status=401), value(4088)),
    "broken off": (lambda: put(b"{}", announced=100), value(4088)),
    "no such manifest": (lambda: put(b"", status=404), absent(5031)),
    "not JSON": (lambda: put(b"<Error/>"), value(4041)),
    "a disk": (lambda: put(qcow2(SYSTEM)), value(4041)),
    "a list": (lambda: put(b"[]"), value(4041)),
    "too long": (lambda: put(b" " * (MIB + 1)), value(4040)),
    "Version 2": (lambda: put(changed(Version=2)), value(4094)),
    "no image": (lambda: put(changed(Image=None)), value(4040)),
    "no product types": (lambda: put_manifest(ProductTypes=None), value(4040)),
    "no product code": (lambda: put_manifest(ProductTypes=["0001 OR 1=1"]), value(4040)),
    "two disks at one device": (lambda: with_disk(Device="/dev/sda1"), value(4040)),
    "two names of one device": (
        lambda: put_manifest(
            disk("http://a/"), disk("http://a/", Device="/dev/sdb"), disk("http://a/", Device="/dev/xvdb")
        ),
        value(4040),
    ),
    "41 disks": (
        lambda: put_manifest(
            disk("http://a/"), *(disk("http://a/", Device=f"/dev/xvd{each}") for each in FORTY_PLACES)
        ),
        value(4040),
    ),
    "no such device": (lambda: with_disk(Device="/dev/hda"), value(4040)),
    "io1 without Iops": (lambda: with_disk(Device="/dev/xvdb", VolumeType="io1"), value(4040)),
    "too large a disk": (lambda: with_disk(Device="/dev/xvdb", Size=2**60), value(4040)),
    "no name": (lambda: put_manifest(Name=None), missing(7007)),
    "no possible name": (lambda: put_manifest(Name="a/é"), value(4026)),
    "too long a description": (lambda: put_manifest(Description="d" * 256), value(4106)),
    "no companion where one should be": (
        lambda: put(changed(), headers={f"x-amz-meta-{METADATA_KEY}": "http://127.0.0.1:1024/"}),
        value(4074),
    ),
    "a companion elsewhere": (
        lambda: put(changed(), headers={f"x-amz-meta-{METADATA_KEY}": "http://127.0.0.1:80/"}),
        value(4075),
    ),
    "a companion of another image": (
        lambda: put(
            changed(),
            headers=bucket().objects[_path(put_with_companion(b"x", {}))].headers,
        ),
        value(4040),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_with_a_manifest_is_refused_at_the_call(client: Client, name: str) -> None:
    make, row = REFUSED[name]
    refusal = client.refusal("CreateImage", FileLocation=make())
    assert (refusal.row, name) == (row, name)
    assert refusal.details


def test_a_product_code_of_another_region_is_carried_over(client: Client) -> None:
    """It is a licence, and an export is what takes licences from one region to another (reference section 4)."""
    image = client("CreateImage", FileLocation=put_manifest(ProductTypes=["0042"]))["Image"]
    assert image["ProductCodes"] == ["0042"]
    refusal = client.refusal(
        "CreateImage", FileLocation=put_manifest(), ImageName="x-1", ProductCodes=["0042"]
    )
    assert refusal.row == value(4047)


def test_a_product_on_the_marketplace_is_for_its_subscribers(region: Region, client: Client) -> None:
    vendor = make_account(region, "vendor")
    product = make_product_type(region, vendor, sold=True).product_type_id
    location = put_manifest(ProductTypes=[product])
    assert client.refusal("CreateImage", FileLocation=location).row == denied(5)
    assert Client(region, vendor)("CreateImage", FileLocation=location)["Image"]["ProductCodes"] == [product]


def test_where_an_import_comes_from_is_told_by_souches_own_action(client: Client) -> None:
    image_id = client("CreateImage", FileLocation=put_with_companion(b"x", {}))["Image"]["ImageId"]
    answer: Any = read_image_origins(call(client.region, client.who, ImageIds=[image_id]))
    assert answer["ImageOrigins"][0]["Lineage"] == {
        "Region": LINEAGE.region,
        "ImageId": LINEAGE.image_id,
        "CreationDate": LINEAGE.creation_date,
        "SourceVmId": LINEAGE.source_vm_id,
        "SourceImageId": LINEAGE.source_image_id,
    }


def test_an_image_that_is_not_imported_shows_its_location_to_all(region: Region, client: Client) -> None:
    image = make_image(region, client.who, permissions=Permissions(public=True))
    assert client("ReadImages", Filters={"ImageIds": [image.image_id]})["Images"][0]["FileLocation"] == (
        f"{client.who.account_id}/image"
    )
