"""`make faults`, in short, and its detection of each fault."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tools.faults import deaths, disks, real
from tools.faults.model import Model
from tools.faults.seen import Seen

from souche.run import run
from souche.workflows.catalogue import CATALOGUE
from tests.support.polling import eventually

ROOT = Path(__file__).parent.parent
BLOCK = disks.BLOCK_BYTES
VOLUME, SNAPSHOT, VM = "vol-00000001", "snap-00000001", "i-00000001"
A, B = 32 * "a1", 32 * "b2"


def test_a_region_that_is_killed_again_and_again_loses_nothing() -> None:
    command = [sys.executable, "-m", "tools.faults", "--seed", "20", "--number", "40", "--seconds", "90"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=420, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "violations                  0\n" in done.stdout


def test_every_boundary_of_every_step_is_aimed_at() -> None:
    aimed = {(workflow, step) for workflow, step, _moment in deaths.points()}
    assert aimed >= {(name, step.name) for name, workflow in CATALOGUE.items() for step in workflow.steps}


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """Two layers, written by QEMU: blocks, zeros over a block, and a block over a block."""
    lower, upper = tmp_path / "lower.qcow2", tmp_path / "upper.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", lower, "1G"], timeout_seconds=20)
    overlay = ["-b", "lower.qcow2", "-F", "qcow2", str(upper), "2G"]
    _write(lower, f"write -q -P 1 0 {3 * BLOCK}")
    run(["qemu-img", "create", "-q", "-f", "qcow2", *overlay], timeout_seconds=20)
    _write(
        upper, f"write -q -P 2 {BLOCK} {BLOCK}", f"write -q -z {2 * BLOCK} {BLOCK}", "write -q -P 3 1536M 512"
    )
    return upper


def _write(path: Path, *commands: str) -> None:
    words = [word for command in commands for word in ("-c", command)]
    run(["qemu-io", "-f", "qcow2", *words, path], timeout_seconds=20)


def test_the_reader_reads_what_qemu_reads(chain: Path, tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", chain, raw], timeout_seconds=60)
    found = disks.read(chain)
    assert sorted(found) == [0, BLOCK, 1536 * 1024**2]
    with raw.open("rb") as file:
        for offset in found:
            file.seek(offset)
            assert disks.read_raw(file.read(BLOCK)) == {0: found[offset]}


def test_what_a_guest_writes_is_what_is_read(chain: Path) -> None:
    known = disks.read(chain)
    disks.write(chain, random.Random(1), known)
    assert disks.read(chain) == known


def _seen(**changes: Any) -> Seen:
    volume = {"state": "available", "size_gib": 1, "snapshot_id": None}
    snapshot = {
        "state": "completed",
        "volume_id": VOLUME,
        "source_snapshot_id": None,
        "image_id": None,
        "description": "",
        "volume_size_gib": 1,
    }
    contents = {VOLUME: {"0": A}, SNAPSHOT: {"0": A}}
    empty: dict[str, Any] = {
        name: {} for name in ("images", "vms", "exports", "links", "updates", "exported")
    }
    made = Seen(
        findings=[],
        volumes={VOLUME: volume},
        snapshots={SNAPSHOT: snapshot},
        mappings=[],
        contents=contents,
        unreadable={},
        **empty,
    )
    return replace(made, **changes)


def _found(seen: Seen, *told: dict[str, Any]) -> list[str]:
    model = Model()
    model.adopt(_seen())
    return model.check(seen, list(told), strict=True)


def _asked(action: str, request: dict[str, Any], answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"asked": 0, "action": action, "request": request}, {"number": 0, "answer": answer}]


def test_what_is_as_it_was_is_no_violation() -> None:
    assert _found(_seen()) == []


def test_other_bytes_are_a_violation() -> None:
    other = _seen(contents={VOLUME: {"0": A}, SNAPSHOT: {"0": B}})
    assert _found(other) == [f"{SNAPSHOT} has other bytes than it must: 1 blocks, the first at 0"]


def test_a_snapshot_that_is_lost_is_a_violation() -> None:
    lost = _seen(snapshots={}, contents={VOLUME: {"0": A}})
    assert _found(lost) == [f"{SNAPSHOT} is lost"]
    assert _found(lost, *_asked("DeleteSnapshot", {"SnapshotId": SNAPSHOT}, {})) == []


def test_an_answer_that_did_not_end_right_is_a_violation() -> None:
    new = "snap-00000002"
    told = _asked("CreateSnapshot", {"VolumeId": VOLUME}, {"Snapshot": {"SnapshotId": new}})
    (found,) = _found(_seen(), *told)
    assert found.endswith(f"was answered, and {new} is not there")
    failed = {**_seen().snapshots, new: {**_seen().snapshots[SNAPSHOT], "state": "error"}}
    (found,) = _found(_seen(snapshots=failed), *told)
    assert "'error'" in found


def test_a_new_snapshot_must_have_the_bytes_of_its_volume() -> None:
    new = "snap-00000002"
    made = {**_seen().snapshots, new: _seen().snapshots[SNAPSHOT]}
    same, other = ({**_seen().contents, new: {"0": block}} for block in (A, B))
    assert _found(_seen(snapshots=made, contents=same)) == []
    assert _found(_seen(snapshots=made, contents=other)) == [
        f"{new} has other bytes than it must: 1 blocks, the first at 0"
    ]


def test_a_deletion_that_was_answered_and_not_done_is_a_violation() -> None:
    told = _asked("DeleteVolume", {"VolumeId": VOLUME}, {})
    (found,) = _found(_seen(), *told)
    assert found.endswith(f"{VOLUME} is still there")


def test_a_vm_is_as_the_last_answered_request_wants_it() -> None:
    """A last request without an answer may have been done or not."""
    start, stop = (_asked(action, {"VmIds": [VM]}, {}) for action in ("StartVms", "StopVms"))
    for state, told, wrong in (
        ("stopped", [*start], 1),
        ("stopped", [*start, *stop], 0),
        ("running", [*start, *stop], 1),
        ("stopped", [*start, *stop, start[0]], 0),
        ("running", [*start, *stop, start[0]], 0),
    ):
        assert len(_found(_seen(vms={VM: {"state": state}}), *told)) == wrong, (state, told)


def test_a_finding_of_fsck_is_a_violation() -> None:
    assert _found(_seen(findings=[["LayerUnnamed", "x.qcow2", "left"]])) == [
        "fsck: LayerUnnamed x.qcow2 left"
    ]


def test_only_processes_of_the_own_home_are_killed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = ["weed", "-c", "import time; time.sleep(60)", f"-dir={home}/oos"]
    with subprocess.Popen(words, executable=sys.executable) as process:
        found = eventually(lambda: real.processes("weed", home))
        elsewhere = real.processes("weed", tmp_path / "other"), real.processes("qemu-system", home)
        process.kill()
    assert (found, elsewhere) == ([process.pid], ([], []))
