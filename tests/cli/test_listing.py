"""`souche vm|volume|snapshot|bucket list` and `souche image list --all`, across accounts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.app.context.region import Region
from souche.db import buckets
from souche.main.administration import administer
from souche.model.accounts import Principal
from souche.states import VmState
from tests.cli.conftest import Souche
from tests.support import resources
from tests.support.region import make_account


@pytest.fixture
def region(souche: Souche) -> Iterator[Region]:
    with administer(souche.home, make=True) as administered:
        yield administered.region


@pytest.fixture
def alice(region: Region) -> Principal:
    return make_account(region, "alice")


@pytest.fixture
def bob(region: Region) -> Principal:
    return make_account(region, "bob")


def test_every_noun_is_listed_across_accounts_or_of_one(
    souche: Souche, region: Region, alice: Principal, bob: Principal
) -> None:
    made = {
        "vm": (resources.make_vm(region, alice).vm_id, resources.make_vm(region, bob).vm_id),
        "volume": (
            resources.make_volume(region, alice).volume_id,
            resources.make_volume(region, bob).volume_id,
        ),
        "snapshot": (
            resources.make_snapshot(region, alice).snapshot_id,
            resources.make_snapshot(region, bob).snapshot_id,
        ),
        "image": (resources.make_image(region, alice).image_id, resources.make_image(region, bob).image_id),
        "bucket": ("of-alice", "of-bob"),
    }
    with region.store.begin() as connection:
        for name, who in zip(made["bucket"], (alice, bob), strict=True):
            buckets.give(connection, name, who.account_id)
    for noun, (of_alice, of_bob) in made.items():
        every = ["--all"] if noun == "image" else []
        key = "Bucket" if noun == "bucket" else f"{noun.capitalize()}Id"
        found = {row[key]: (row["AccountId"], row["Account"]) for row in souche(noun, "list", *every)}
        assert found[of_alice] == (alice.account_id, "alice")
        assert found[of_bob] == (bob.account_id, "bob")
        (only,) = [
            row[key] for row in souche(noun, "list", "--account", "bob") if row[key] in (of_alice, of_bob)
        ]
        assert only == of_bob
        assert {row["Account"] for row in souche(noun, "list", "--account", bob.account_id)} == {"bob"}
        lines = souche.run(noun, "list", *every).splitlines()
        assert lines[0].split()[:3] == [key, "AccountId", "Account"]
        assert any(line.split()[:3] == [of_bob, bob.account_id, "bob"] for line in lines)


def test_a_volume_is_listed_with_its_vm(souche: Souche, region: Region, alice: Principal) -> None:
    vm = resources.make_vm(region, alice, state=VmState.RUNNING)
    volume = resources.attach(region, vm, "/dev/xvdb")
    rows = {row["VolumeId"]: row for row in souche("volume", "list")}
    assert (rows[volume.volume_id]["VmId"], rows[volume.volume_id]["DeviceName"]) == (vm.vm_id, "/dev/xvdb")
    assert rows[volume.volume_id]["CreationDate"].endswith("Z")


def test_an_account_that_is_not_there_is_told_and_nothing_is_no_error(
    souche: Souche, region: Region, alice: Principal
) -> None:
    assert "nobody" in souche.refusal("vm", "list", "--account", "nobody")
    assert souche.run("vm", "list") == ""
    assert souche("vm", "list", "--account", "alice") == []


def test_a_region_that_is_not_there_is_told(souche: Souche, tmp_path: Path) -> None:
    assert "souche serve" in souche.refusal("vm", "list")
