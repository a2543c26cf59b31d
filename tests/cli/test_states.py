"""`souche state` (docs/developing-against.md): a region is as it was, at the cost of its databases."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from souche import run as programs
from souche.home import Home
from souche.main import state_files
from souche.main.administration import administer
from souche.storage.qcow2.directory import Directory
from souche.storage.qcow2.journal import Journal, Move
from tests.cli.conftest import Souche
from tests.support.exported import qcow2


@pytest.fixture
def simulated(souche: Souche) -> Souche:
    """A region that was served with simulated guests."""
    home = Home(souche.home)
    home.make()
    home.record_facts({"Compute": "simulated", "GuestNetwork": "10.77.0.0/24"})
    return souche


def publish(souche: Souche, folder: Path, content: bytes) -> str:
    (folder / "disk.qcow2").write_bytes(qcow2(content))
    (made,) = souche("image", "publish", folder / "disk.qcow2", "--name", "Test")
    return str(made["ImageId"])


def layers(home: Path) -> dict[str, int]:
    return {each.name: each.stat().st_ino for each in (home / "disks/layers").iterdir()}


def names(souche: Souche) -> list[Any]:
    return [each["Name"] for each in state(souche, "list", "--json")]


def state(souche: Souche, *words: object) -> list[dict[str, Any]]:
    """A command of `souche state`."""
    return [json.loads(line) for line in souche.run("state", *words).splitlines()]


def break_off(
    souche: Souche, monkeypatch: pytest.MonkeyPatch, module: object, function: str, command: str
) -> None:
    """Interrupt a command about the state `one` at its first call of a function."""

    def interrupt(*_arguments: object, **_how: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, function, interrupt)
        assert souche.invoke("state", command, "one").exit_code == 130


def test_a_region_is_as_it_was(simulated: Souche, tmp_path: Path) -> None:
    simulated("account", "create", "alice")
    publish(simulated, tmp_path, b"first")
    before = layers(simulated.home)
    state(simulated, "save", "clean")
    simulated("account", "create", "bob")
    publish(simulated, tmp_path, b"second")
    assert len(layers(simulated.home)) > len(before)
    state(simulated, "load", "clean")
    assert layers(simulated.home) == before
    assert [each["Name"] for each in simulated("account", "list") if each["Name"] == "bob"] == []
    assert [each["Name"] for each in simulated("account", "list") if each["Name"] == "alice"]
    assert simulated.run("fsck") == "no findings\n"


def test_states_are_loaded_as_often_as_wanted_listed_and_deleted(simulated: Souche) -> None:
    simulated("account", "create", "alice")
    state(simulated, "save", "one")
    simulated("account", "create", "bob")
    state(simulated, "save", "two")
    assert names(simulated) == ["one", "two"]
    for name, known in (("one", 1), ("two", 2), ("one", 1)):
        state(simulated, "load", name)
        found = {each["Name"] for each in simulated("account", "list")} & {"alice", "bob"}
        assert len(found) == known
    state(simulated, "delete", "one")
    assert names(simulated) == ["two"]
    assert "no state one" in simulated.refusal("state", "load", "one")
    assert "no state one" in simulated.refusal("state", "delete", "one")


def test_a_state_is_told_with_its_date(simulated: Souche) -> None:
    simulated("account", "create", "alice")
    saved = state(simulated, "save", "one", "--json")
    assert saved == state(simulated, "list", "--json")
    assert saved[0]["Name"] == "one"
    os.utime(simulated.home / "states" / "one", (1e9, 1e9))
    told = [{"Name": "one", "CreationDate": "2001-09-09T01:46:40Z"}]
    assert state(simulated, "load", "one", "--json") == told
    assert state(simulated, "delete", "one", "--json") == told


def test_a_state_is_not_written_over(simulated: Souche) -> None:
    simulated("account", "create", "alice")
    state(simulated, "save", "one")
    assert "already a state one" in simulated.refusal("state", "save", "one")


@pytest.mark.parametrize("name", ["../x", ".x", "x/y"])
def test_a_name_leads_nowhere_else(simulated: Souche, name: str) -> None:
    simulated("account", "create", "alice")
    assert "not a name for a state" in simulated.refusal("state", "save", name)
    assert "no state" in simulated.refusal("state", "delete", name)


def test_a_region_that_is_served_has_its_states_left_alone(simulated: Souche) -> None:
    simulated("account", "create", "alice")
    with Home(simulated.home).serve():
        assert "Another process serves" in simulated.refusal("state", "save", "one")


def test_real_guests_have_no_states(simulated: Souche) -> None:
    simulated("account", "create", "alice")
    Home(simulated.home).record_facts({"Compute": "libvirt"})
    assert "guests of" in simulated.refusal("state", "save", "one")


@pytest.mark.parametrize("function", ["remove", "replace"])
def test_a_loading_that_was_broken_off_is_completed_by_the_next_command(
    simulated: Souche, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    simulated("account", "create", "alice")
    state(simulated, "save", "one")
    simulated("account", "create", "bob")
    (simulated.home / "left").touch()
    break_off(simulated, monkeypatch, state_files, function, "load")
    found = {each["Name"] for each in simulated("account", "list")}
    assert found & {"alice", "bob"} == {"alice"}
    assert not (simulated.home / "left").exists()
    assert names(simulated) == ["one"]


def test_a_state_that_is_not_whole_is_not_loaded(simulated: Souche) -> None:
    simulated("account", "create", "alice")
    for number, missing in enumerate(("region.sqlite", "disks/layers")):
        name = f"state-{number}"
        state(simulated, "save", name)
        lost = simulated.home / "states" / name / missing
        shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
        assert missing in simulated.refusal("state", "load", name)
        assert [each["Name"] for each in simulated("account", "list") if each["Name"] == "alice"]
        assert not lost.exists()


def test_a_region_that_is_not_whole_is_not_saved(simulated: Souche) -> None:
    simulated("account", "create", "alice")
    state(simulated, "save", "one")
    (simulated.home / "region.sqlite").unlink()
    assert "region.sqlite is missing" in simulated.refusal("state", "save", "two")
    assert names(simulated) == ["one"]
    state(simulated, "load", "one")
    assert [each["Name"] for each in simulated("account", "list") if each["Name"] == "alice"]


def test_a_deletion_that_was_broken_off_leaves_no_state(
    simulated: Souche, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated("account", "create", "alice")
    state(simulated, "save", "one")
    break_off(simulated, monkeypatch, shutil, "rmtree", "delete")
    assert names(simulated) == []
    assert "no state one" in simulated.refusal("state", "load", "one")
    state(simulated, "save", "one")
    state(simulated, "delete", "one")
    assert list((simulated.home / "states").iterdir()) == []


def test_a_region_is_not_replaced_beside_a_command(simulated: Souche) -> None:
    simulated("account", "create", "alice")
    state(simulated, "save", "one")
    with administer(simulated.home):
        assert "Another process" in simulated.refusal("state", "load", "one")
        assert "Another process" in simulated.refusal("state", "save", "two")
    with Home(simulated.home).replace():
        assert "try again" in simulated.refusal("account", "list")
    state(simulated, "load", "one")


def test_a_state_shares_no_layer_that_a_capture_has_begun_on(simulated: Souche, tmp_path: Path) -> None:
    """When it is settled, the volume writes to what the capture had prepared."""
    simulated("account", "create", "alice")
    publish(simulated, tmp_path, b"first")
    disks = simulated.home / "disks"
    (layer,) = layers(simulated.home)
    directory = Directory(disks)
    with directory.locked():
        # Under way, as this process has it open: it is not settled meanwhile.
        entry = Journal(directory).begin([Move("vol-1", "snap-1", layer, layer, layer)])
    state(simulated, "save", "one")
    assert layers(disks.parent)[layer] != layers(simulated.home / "states" / "one")[layer]
    entry.close()


def test_a_state_keeps_its_date_when_it_is_loaded(simulated: Souche) -> None:
    simulated("account", "create", "alice")
    state(simulated, "save", "one")
    folder = simulated.home / "states" / "one"
    os.utime(folder, (1e9, 1e9))
    state(simulated, "load", "one")
    assert folder.stat().st_mtime == 1e9


def test_what_is_kept_is_on_the_medium_before_it_has_its_name(
    simulated: Souche, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated("account", "create", "alice")
    synced: list[bool] = []
    original = programs.run

    def note(argv: list[Any], **how: Any) -> Any:
        if argv[0] == "sync":
            synced.append((simulated.home / "states" / "one").exists())
        return original(argv, **how)

    monkeypatch.setattr(programs, "run", note)
    state(simulated, "save", "one")
    assert synced == [False]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (None, "audit.jsonl"),
        ("requests.jsonl", "requests.jsonl"),
        ("{home}/requests.jsonl", "requests.jsonl"),
        ("logs/requests.jsonl", "logs/requests.jsonl"),
    ],
)
def test_the_audit_log_goes_on_whatever_state_is_loaded(
    simulated: Souche, tmp_path: Path, said: str | None, name: str
) -> None:
    home = Home(simulated.home)
    if said:
        home.record_facts({**home.read(), "AuditLog": said.format(home=home.path)})
    publish(simulated, tmp_path, b"image")
    log = simulated.home / name
    log.parent.mkdir(exist_ok=True)
    log.write_text("before\n")
    state(simulated, "save", "clean")
    log.write_text("before\nafter\n")
    older = log.with_name(f"{log.name}.1")
    older.write_text("older\n")
    other = simulated.home / "requests.json"
    other.touch()
    state(simulated, "load", "clean")
    assert (log.read_text(), older.read_text()) == ("before\nafter\n", "older\n")
    assert not other.exists()
    assert not (simulated.home / "states" / "clean" / name).exists()
