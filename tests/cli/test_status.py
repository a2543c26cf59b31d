"""`souche status` and `souche usage`, with a server and without."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from souche.app.context.region import Region
from souche.cli.sizes import shown_bytes, shown_seconds
from souche.cli.status_page import print_status
from souche.main.administration import administer
from souche.model.accounts import Principal
from souche.room import GIB
from souche.states import VmState
from souche.storage.base import Capture
from souche.storage.qcow2.driver import Qcow2Store
from tests.cli.conftest import Souche
from tests.support import resources
from tests.support.polling import eventually
from tests.support.region import make_account
from tests.test_main import serving, told
from tests.test_main import souche as run_souche


@pytest.fixture
def region(souche: Souche) -> Iterator[Region]:
    with administer(souche.home, make=True) as administered:
        yield administered.region


@pytest.fixture
def alice(region: Region) -> Principal:
    return make_account(region, "alice")


def status(souche: Souche) -> dict[str, Any]:
    """`souche status` has no second word, after which the other commands take --home."""
    done = souche.invoke("status", "--json")
    assert done.exit_code == 0, done.output
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_a_region_that_is_stopped_is_shown(souche: Souche, region: Region, alice: Principal) -> None:
    resources.make_vm(region, alice, state=VmState.RUNNING)
    resources.make_vm(region, alice, state=VmState.STOPPED)
    disks = Qcow2Store(souche.home)
    disks.create_volume("vol-00000001", GIB)
    disks.capture([Capture("vol-00000001", "snap-00000001")], vm_id=None, live=None)
    facts = status(souche)
    assert (facts["Served"], facts["Checks"], facts["Sweeps"]) == (False, None, None)
    assert facts["Vms"] == {"running": 1, "stopped": 1}
    assert (facts["Layers"]["Count"], facts["Layers"]["LongestChain"]) == (2, 2)
    assert facts["Layers"]["SharedBytes"] > 0
    assert facts["Database"]["Kind"] == ("SQLite" if region.store.database.is_local else "PostgreSQL")
    (medium,) = facts["Media"]
    assert "home" in medium["Folders"]
    assert medium["FreeBytes"] > 0
    shown = souche.run("status")
    assert "stopped" in shown
    assert "1 running" in shown
    assert "━" in shown


def test_a_region_that_is_served_is_shown_with_its_parts_and_its_sweeps(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serving(home, "--allow-faults") as served:
        told("fault", "add", "CreateVms", "--status", "429", "--home", home)
        account = told("account", "create", "alice", "--home", home)
        served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)

        def well() -> Any:
            facts = told("status", "--home", home)
            swept = {each["Sweep"]: each["LastSuccessSeconds"] for each in facts["Sweeps"] or []}
            return facts if swept.get("power") is not None and facts["Layers"]["Count"] else None

        facts = eventually(well, 60)
        assert (facts["Served"], facts["ProcessId"]) == (True, served.process.pid)
        assert facts["Checks"] == {"database": True, "store": True, "hypervisor": True}
        assert (facts["FaultsAllowed"], facts["Faults"]) == (True, 1)
        shown = run_souche("status", "--home", home).stdout
        assert f"served by process {served.process.pid}" in shown
        assert "souche fault list" in shown
        (used,) = [json.loads(run_souche("usage", "--account", "alice", "--home", home, "--json").stdout)]
        assert (used["Account"], used["Volumes"], used["VolumeGib"], used["Vms"]) == ("alice", 1, 1, 0)
        assert used["OwnBytes"] > 0
        table = run_souche("usage", "--home", home).stdout
        assert table.splitlines()[0].split()[:3] == ["Account", "AccountId", "Vms"]
        assert any(line.split()[0] == "alice" for line in table.splitlines())


def test_a_region_that_is_not_there_is_told(tmp_path: Path) -> None:
    for command in ("status", "usage"):
        refused = run_souche(command, "--home", tmp_path / "none")
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
        assert "souche serve" in refused.stderr


def shown(capsys: pytest.CaptureFixture[str], **changes: Any) -> str:
    facts = {
        "Region": "souche-1",
        "Served": True,
        "ProcessId": 7,
        "Api": "http://127.0.0.1:1/api/v1",
        "Checks": {"database": True, "store": False},
        "Database": {"Kind": "PostgreSQL", "Bytes": 9 << 20},
        "ObjectStore": {"Kind": "embedded", "Endpoint": "http://127.0.0.1:2"},
        "Compute": "libvirt",
        "FaultsAllowed": False,
        "Faults": 0,
        "Media": [{"Folders": ["home"], "UsedBytes": 95, "FreeBytes": 5}],
        "ReserveBytes": GIB,
        "Layers": {"Count": 0, "OwnBytes": 0, "SharedBytes": 0, "UnnamedBytes": 0, "LongestChain": 0},
        "Trash": {"Disks": 2, "Bytes": 3 * GIB},
        "Vms": {},
        "UnderWay": [{"Kind": "create_vm", "Count": 2, "OldestSeconds": 61}],
        "Sweeps": [
            {"Sweep": "power", "LastSuccessSeconds": 3, "IntervalSeconds": 5, "Failures": 0},
            {"Sweep": "trash", "LastSuccessSeconds": 7200, "IntervalSeconds": 60, "Failures": 4},
            {"Sweep": "space", "LastSuccessSeconds": None, "IntervalSeconds": 2, "Failures": 9},
        ],
    }
    print_status({**facts, **changes})
    return capsys.readouterr().out


def test_what_is_not_well_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys)
    assert "not ready" in lines
    assert "95 % used" in lines
    assert "2 create_vm, the oldest for 1 min" in lines
    assert "1 of 3 well" in lines
    assert "last success 2 h ago, 4 failures" in lines
    assert "no success yet, 9 failures" in lines
    assert "3.0 GiB" in lines


def test_what_is_not_known_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--metrics-listen" in shown(capsys, Sweeps=None)
    assert "does not answer" in shown(capsys, Checks=None)
    assert "\x1b" not in shown(capsys, Region="\x1b[2J")


def test_sizes_and_durations() -> None:
    assert [shown_bytes(each) for each in (0, 1023, 1024, 3 * GIB // 2, 5000 * GIB)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 GiB",
        "4.9 TiB",
    ]
    assert [shown_seconds(each) for each in (0, 59, 60, 7199, 90000)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h",
        "1 d",
    ]
