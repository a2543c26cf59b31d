"""CreateSnapshot from a URL: what is refused at the call, with its code; and what the answer says."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from souche.api.snapshots import read_snapshot_problems
from souche.app.context.region import Region
from souche.db import snapshots
from souche.states import SnapshotState
from tests.support.bucket import bucket
from tests.support.client import Client, conflict, missing, state, value
from tests.support.exported import MIB, SYSTEM, put_disk
from tests.support.region import call
from tests.support.resources import make_snapshot, requested

GIB = 1024**3


def test_an_import_is_in_the_queue_and_has_whole_gib(region: Region, client: Client) -> None:
    made = client(
        "CreateSnapshot", FileLocation=put_disk(SYSTEM), SnapshotSize=GIB + 1, Description="from afar"
    )["Snapshot"]
    assert (made["State"], made["Progress"], made["VolumeSize"]) == ("in-queue", 0, 2)
    assert made["Description"] == "from afar"
    assert "VolumeId" not in made
    assert requested(region) == ["import_snapshot"]


def test_a_token_stands_for_one_import(client: Client) -> None:
    wanted = {"FileLocation": put_disk(SYSTEM), "SnapshotSize": 4 * MIB, "ClientToken": "t"}
    ids = {client("CreateSnapshot", **wanted)["Snapshot"]["SnapshotId"] for _ in range(2)}
    assert len(ids) == 1


def test_a_token_stands_for_its_import_though_the_url_opens_nothing_any_more(
    region: Region, client: Client
) -> None:
    wanted = {"SnapshotSize": 4 * MIB, "ClientToken": "t"}
    url = put_disk(SYSTEM, "expiring")
    made = client("CreateSnapshot", FileLocation=f"{url}?signature=1", **wanted)["Snapshot"]
    path = urlsplit(url).path
    bucket().objects[path] = replace(bucket().objects[path], status=403)
    assert client("CreateSnapshot", FileLocation=f"{url}?signature=2", **wanted)["Snapshot"] == made
    assert requested(region) == ["import_snapshot"]


@pytest.mark.parametrize(
    "other", [{"SnapshotSize": 5 * MIB}, {"Description": "other"}, {"FileLocation": "http://127.0.0.1:1/"}]
)
def test_a_token_is_refused_for_another_import(client: Client, other: dict[str, object]) -> None:
    wanted = {"FileLocation": put_disk(SYSTEM), "SnapshotSize": 4 * MIB, "ClientToken": "t"}
    client("CreateSnapshot", **wanted)
    assert client.refusal("CreateSnapshot", **wanted | other).row == conflict(9009)


def test_an_import_under_way_is_given_up(client: Client) -> None:
    """DeleteSnapshot is all that a user has: the import's workflow does the rest."""
    made = client("CreateSnapshot", FileLocation=put_disk(SYSTEM), SnapshotSize=4 * MIB)["Snapshot"]
    client("DeleteSnapshot", SnapshotId=made["SnapshotId"])
    (shown,) = client("ReadSnapshots", Filters={"SnapshotIds": [made["SnapshotId"]]})["Snapshots"]
    assert shown["State"] == "deleting"
    assert client.refusal("DeleteSnapshot", SnapshotId=made["SnapshotId"]).row == state(6003)


def test_why_an_import_failed_can_be_read_by_its_owner(client: Client, other: Client, region: Region) -> None:
    """By Souche's own action, and in no field of the OUTSCALE API."""
    made = [make_snapshot(region, client.who, state=SnapshotState.PENDING).snapshot_id for _ in range(2)]
    with region.store.begin() as connection:
        snapshots.set_failed(connection, made[0], "The disk cannot be imported: it is a VMDK.")
    answer = {
        "SnapshotProblems": [{"SnapshotId": made[0], "Problem": "The disk cannot be imported: it is a VMDK."}]
    }
    for wanted in ({}, {"SnapshotIds": made}, {"SnapshotIds": made[:1]}):
        assert read_snapshot_problems(call(region, client.who, **wanted)) == answer
    nothing: dict[str, object] = {"SnapshotProblems": []}
    assert read_snapshot_problems(call(region, client.who, SnapshotIds=made[1:])) == nothing
    assert read_snapshot_problems(call(region, other.who, SnapshotIds=made)) == nothing
    shown = client("ReadSnapshots", Filters={"SnapshotIds": made[:1]})["Snapshots"]
    assert "VMDK" not in str(shown)


REFUSED = [
    ({"FileLocation": "ftp://127.0.0.1/disk"}, value(4075)),
    ({"FileLocation": "http://127.0.0.1:80/disk"}, value(4075)),
    ({"FileLocation": "http://127.0.0.1:1024/disk"}, value(4074)),
    ({"FileLocation": put_disk(b"", status=403)}, value(4088)),
    ({"FileLocation": put_disk(b"", status=404)}, value(4074)),
    ({"FileLocation": put_disk(b"", announced=80 * MIB)}, value(4078)),
    ({"SnapshotSize": 0}, value(4078)),
    ({"SnapshotSize": -1}, value(4078)),
    ({"SnapshotSize": 14_902 * GIB}, value(4078)),
    ({"SnapshotSize": None}, missing(7007)),
    ({"Description": "d" * 256}, value(4106)),
    ({"ClientToken": "t" * 65}, value(4106)),
]


@pytest.mark.parametrize(("change", "row"), REFUSED)
def test_a_bad_url_size_or_text_is_refused_at_the_call(
    client: Client, change: dict[str, object], row: tuple[int, str, str]
) -> None:
    given = {"FileLocation": put_disk(SYSTEM), "SnapshotSize": 4 * MIB} | change
    assert client.refusal("CreateSnapshot", **given).row == row
