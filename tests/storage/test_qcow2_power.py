"""Power failures at any moment: data that was not synced is lost, in any order (docs/durability.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import pytest

from souche.model.disks import FileSource
from souche.storage.base import Capture
from souche.storage.qcow2 import Qcow2Store, capture, directory, journal, pointers, records
from tests.storage.bench import SIZE, VM, A, B, C, Guest, S, T, U, freeze, write
from tests.storage.power import Medium, Recorder, recorder
from tests.storage.test_qcow2 import Qcow2Bench, exported
from tests.support.inventories import inventory_of

LEAST_STATES = 10
"""that a call with any effect leaves, or the recorder saw nothing"""


@dataclass(frozen=True)
class Found:
    """What a store holds after the power came back."""

    volumes: frozenset[str]
    snapshots: frozenset[str]


def after_the_power_came_back(state: Medium, recorded: Recorder, home: Path) -> Found:
    """Every chain is complete: each of its files exists, with synced bytes."""
    rmtree(home, ignore_errors=True)
    state.build(home / "disks")
    store = Qcow2Store(home, max_chain=100)
    inventory = inventory_of(store)
    store.collect()
    assert list(store.verify(deep=False)) == []
    assert inventory_of(store) == inventory
    assert not any((home / "disks" / "captures").iterdir())
    for layer in (home / "disks" / "layers").iterdir():
        assert layer.read_bytes() in recorded.whole, layer.name
    return Found(inventory.volume_ids, inventory.snapshot_ids)


def check(
    home: Path,
    recorded: Recorder,
    call: Callable[[], object],
    before: Found,
    after: Found,
    *,
    least_states: int = LEAST_STATES,
) -> None:
    """All states while the call is under way are as before it or as after it; once it has returned, as after it."""
    with recorded.recording():
        call()
    there = home.with_name("there")
    for state in recorded.states:
        found = after_the_power_came_back(state, recorded, there)
        assert found.snapshots in (before.snapshots, after.snapshots)
        assert found.volumes in (before.volumes, after.volumes)
    assert after_the_power_came_back(recorded.least(), recorded, there) == after
    assert len(recorded.states) >= least_states


def found(*names: str) -> Found:
    volumes = frozenset(name for name in names if name.startswith("vol-"))
    return Found(volumes, frozenset(names) - volumes)


@pytest.fixture
def bench(tmp_path: Path) -> Qcow2Bench:
    """Volumes A and B, and a snapshot S of A."""
    bench = Qcow2Bench(tmp_path / "home")
    for volume_id in (A, B):
        bench.store.create_volume(volume_id, SIZE)
        write(bench, volume_id, volume_id.encode())
    freeze(bench, A, S)
    write(bench, A, b"later")
    return bench


BEFORE = found(A, B, S)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("call", "after"),
    [
        (lambda store: store.create_volume(C, SIZE), found(A, B, C, S)),
        (lambda store: store.clone_volume(C, S, 2 * SIZE), found(A, B, C, S)),
        (lambda store: store.copy_snapshot(T, S), found(A, B, S, T)),
        (lambda store: store.delete_snapshot(S), found(A, B)),
        (lambda store: store.delete_volume(B), found(A, S)),
        (lambda store: store.grow_volume(A, 3 * SIZE), BEFORE),
    ],
    ids=["create", "clone", "copy", "delete a snapshot", "delete a volume", "grow"],
)
def test_a_call_is_done_or_not_when_the_power_fails_and_done_once_it_has_returned(
    bench: Qcow2Bench, home: Path, call: Callable[[Qcow2Store], object], after: Found
) -> None:
    check(home, recorder(home / "disks"), lambda: call(bench.store), BEFORE, after, least_states=2)


@pytest.mark.parametrize("power", ["running", "off"])
def test_all_snapshots_of_a_capture_are_there_or_none_with_what_was_in_the_page_cache(
    bench: Qcow2Bench, home: Path, power: str
) -> None:
    recorded = recorder(home / "disks")
    for volume_id in (A, B):
        recorded.lose(bench.store.volume_source(volume_id).path, b"")
    guest = Guest({name: bench.store.volume_source(name) for name in (A, B)} if power == "running" else None)
    captures = [Capture(A, T), Capture(B, U)]

    with recorded.recording():
        bench.store.capture(captures, vm_id=VM, live=guest)
    written = {path.read_bytes() for path in (home / "disks" / "snapshots").iterdir()}
    seen = set()
    for state in recorded.states:
        there = home.with_name("there")
        rmtree(there, ignore_errors=True)
        state.build(there / "disks")
        ids = inventory_of(Qcow2Store(there)).snapshot_ids
        assert ids in ({S}, {S, T, U})
        if ids != {S}:
            assert after_the_power_came_back(state, recorded, there) == found(A, B, S, T, U)
            assert {path.read_bytes() for path in (there / "disks" / "snapshots").iterdir()} == written
        seen.add(ids)
    assert len(seen) == 2
    assert after_the_power_came_back(recorded.least(), recorded, home.with_name("there")) == found(
        A, B, S, T, U
    )


@pytest.mark.parametrize("linked", [True, False])
def test_an_import_is_whole_or_not_there(
    bench: Qcow2Bench, home: Path, tmp_path: Path, *, linked: bool
) -> None:
    image = exported(tmp_path / "image", b"image")
    size_bytes = SIZE if linked else 2 * SIZE
    after = found(A, B, S, T)
    check(
        home,
        recorder(home / "disks"),
        lambda: bench.store.import_snapshot(T, FileSource(image, "qcow2"), size_bytes),
        BEFORE,
        after,
    )


def test_a_merge_and_what_it_leaves_over(bench: Qcow2Bench, home: Path) -> None:
    names = [f"snap-{number:08x}" for number in range(16, 22)]
    for number, name in enumerate(names):
        write(bench, A, bytes([number]) * 1000, number * 1000)
        freeze(bench, A, name)
    for name in names[1:4]:
        bench.store.delete_snapshot(name)
    held = found(A, B, S, *names[:1], *names[4:])

    def collect() -> None:
        bench.store.collect()
        bench.store.collect()

    bench.store.record_hashes(1e12)
    check(home, recorder(home / "disks"), collect, held, held)


def test_a_new_store_is_there_with_its_first_volume(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    recorded = recorder(home)
    with recorded.recording():
        Qcow2Store(home).create_volume(A, SIZE)
    there = tmp_path / "there"
    recorded.least().build(there)
    assert inventory_of(Qcow2Store(there)).volume_ids == {A}
    assert list(Qcow2Store(there).verify(deep=False)) == []


@pytest.mark.parametrize("synced", ["file", "directory"])
def test_a_sync_that_is_left_out_is_found(
    bench: Qcow2Bench, home: Path, monkeypatch: pytest.MonkeyPatch, synced: str
) -> None:
    """The recorder sees what it is for: without one kind of syncs a capture does not pass."""

    for module in (capture, directory, journal, pointers, records):
        monkeypatch.setattr(
            module, f"sync_{'file' if synced == 'file' else 'directory'}", lambda _: None, raising=False
        )
    recorded = recorder(home / "disks")
    recorded.lose(bench.store.volume_source(B).path, b"")
    with pytest.raises(AssertionError):
        check(home, recorded, lambda: freeze(bench, B, T), BEFORE, found(A, B, S, T))
