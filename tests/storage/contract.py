"""What every volume store promises (`souche.storage.base`). A driver's test subclasses this and gives a
bench."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Literal

import nbd
import pytest

from souche import run
from souche.errors import StorageFailed
from souche.model.disks import FileSource
from souche.storage.base import Trashed, Usage
from tests.storage.bench import (
    DATE,
    MIB,
    SIZE,
    A,
    B,
    Bench,
    C,
    S,
    T,
    U,
    freeze,
    padded,
    read,
    read_snapshot,
    write,
)
from tests.storage.capture_contract import CaptureContract
from tests.support.inventories import inventory_of


class StoreContract(CaptureContract):
    """Subclasses provide the fixture `bench`, with an empty store."""

    def test_new_volume_reads_as_zeros(self, bench: Bench) -> None:
        bench.store.create_volume(A, SIZE)
        assert read(bench, A) == bytes(SIZE)

    def test_creating_twice_keeps_what_was_written(self, bench: Bench) -> None:
        bench.store.create_volume(A, SIZE)
        write(bench, A, b"written")
        bench.store.create_volume(A, SIZE)
        assert read(bench, A) == padded(b"written")

    def test_unknown_volume_has_no_source(self, bench: Bench) -> None:
        with pytest.raises(StorageFailed):
            bench.store.volume_source(A)

    def test_clone_has_the_bytes_and_zeros_behind(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        bench.store.clone_volume(B, S, 3 * MIB)
        assert read(bench, B) == padded(b"image", 3 * MIB)

    def test_cloning_twice_keeps_what_was_written(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        bench.store.clone_volume(B, S, SIZE)
        write(bench, B, b"X")
        bench.store.clone_volume(B, S, SIZE)
        assert read(bench, B) == padded(b"Xmage")

    def test_clone_is_independent_of_its_snapshot(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        bench.store.clone_volume(B, S, SIZE)
        write(bench, B, b"X")
        assert read_snapshot(bench.store, S) == padded(b"image")
        bench.store.delete_snapshot(S)
        bench.store.delete_volume(A)
        bench.store.collect()
        assert read(bench, B) == padded(b"Xmage")

    def test_clone_is_not_smaller_than_its_snapshot(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        with pytest.raises(StorageFailed):
            bench.store.clone_volume(B, S, SIZE - 512)
        assert B not in inventory_of(bench.store).volume_ids

    def test_unknown_snapshot_cannot_be_cloned_or_copied_or_read(self, bench: Bench) -> None:
        with pytest.raises(StorageFailed):
            bench.store.clone_volume(A, S, SIZE)
        with pytest.raises(StorageFailed):
            bench.store.copy_snapshot(T, S)
        with pytest.raises(StorageFailed), bench.store.read_snapshot(S):
            pass
        assert inventory_of(bench.store).volume_ids == inventory_of(bench.store).snapshot_ids == frozenset()

    def test_grown_volume_reads_as_zeros_behind(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        for _ in range(2):
            bench.store.grow_volume(A, 2 * MIB)
        assert read(bench, A) == padded(b"image", 2 * MIB)
        bench.store.grow_volume(A, SIZE)
        assert read(bench, A) == padded(b"image", 2 * MIB)
        assert read_snapshot(bench.store, S) == padded(b"image")

    def test_chain_of_growing_volumes_shows_no_old_bytes(self, bench: Bench) -> None:
        self._snapshot(bench, bytes(SIZE - 4) + b"tail")
        bench.store.grow_volume(A, 2 * MIB)
        write(bench, A, b"more", SIZE)
        freeze(bench, A, T)
        bench.store.grow_volume(A, 3 * MIB)
        assert read(bench, A) == padded(bytes(SIZE - 4) + b"tailmore", 3 * MIB)

    def test_deleting_what_is_gone_is_success(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        for _ in range(2):
            bench.store.delete_volume(A)
            bench.store.delete_snapshot(S)
        assert inventory_of(bench.store).volume_ids == inventory_of(bench.store).snapshot_ids == frozenset()

    def test_id_used_again_starts_empty(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        bench.store.delete_volume(A)
        bench.store.create_volume(A, SIZE)
        assert read(bench, A) == bytes(SIZE)
        assert read_snapshot(bench.store, S) == padded(b"image")

    def test_copy_lives_alone(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        for _ in range(2):
            bench.store.copy_snapshot(T, S)
        bench.store.delete_snapshot(S)
        bench.store.delete_volume(A)
        bench.store.collect()
        assert read_snapshot(bench.store, T) == padded(b"image")

    @pytest.mark.parametrize("image_format", ["qcow2", "raw"])
    def test_import_has_the_bytes_and_zeros_behind(
        self, bench: Bench, tmp_path: Path, image_format: Literal["qcow2", "raw"]
    ) -> None:
        image = _image(tmp_path, image_format)
        before = image.read_bytes()
        for _ in range(2):
            bench.store.import_snapshot(S, FileSource(image, image_format), 2 * MIB)
        assert read_snapshot(bench.store, S) == padded(b"from outside", 2 * MIB)
        assert image.read_bytes() == before

    def test_import_larger_than_promised_is_refused(self, bench: Bench, tmp_path: Path) -> None:
        with pytest.raises(StorageFailed):
            bench.store.import_snapshot(S, FileSource(_image(tmp_path, "raw"), "raw"), SIZE // 2)
        assert inventory_of(bench.store).snapshot_ids == frozenset()

    def test_import_of_another_format_is_refused(self, bench: Bench, tmp_path: Path) -> None:
        with pytest.raises(StorageFailed):
            bench.store.import_snapshot(S, FileSource(_image(tmp_path, "raw"), "qcow2"), SIZE)
        assert inventory_of(bench.store).snapshot_ids == frozenset()
        assert bench.store.collect() == 0

    def test_volume_is_written_over_nbd_and_its_snapshot_stays(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        bench.store.clone_volume(B, S, SIZE)
        with bench.store.write_volume(B) as uri:
            client = nbd.NBD()
            client.connect_uri(uri)
            assert bytes(client.pread(5, 0)) == b"image"
            client.pwrite(b"X", 0)
            client.pwrite(b"end", SIZE - 3)
            client.shutdown()
        expected = padded(b"Xmage", SIZE - 3) + b"end"
        assert read(bench, B) == expected
        freeze(bench, B, T)
        assert read_snapshot(bench.store, T) == expected
        assert read_snapshot(bench.store, S) == padded(b"image")
        with pytest.raises(StorageFailed), bench.store.write_volume(C):
            pass

    def test_snapshot_is_served_read_only_to_many_and_tells_holes(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        with bench.store.read_snapshot(S) as uri:
            clients = [_client(uri) for _ in range(4)]
            assert all(client.is_read_only() for client in clients)
            assert [client.pread(5, 0) for client in clients] == [b"image"] * 4
            assert SIZE // 2 in _holes(clients[0])
            for client in clients:
                client.shutdown()
            late = _client(uri)
            assert late.pread(5, 0) == b"image"
            late.shutdown()

    def test_reader_keeps_its_bytes_while_all_is_deleted(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        with ExitStack() as stack:
            uri = stack.enter_context(bench.store.read_snapshot(S))
            bench.store.delete_snapshot(S)
            bench.store.delete_volume(A)
            bench.store.collect()
            client = _client(uri)
            assert client.pread(5, 0) == b"image"
            client.shutdown()

    def test_usage_tells_what_a_deletion_would_free(self, bench: Bench) -> None:
        self._snapshot(bench, bytes(range(1, 256)) * 2048)
        assert bench.store.usage([S]).own_bytes == 0, "the volume stands on it"
        bench.store.delete_volume(A)
        alone = bench.store.usage([S])
        assert (alone.own_bytes > 255 * 2048, alone.shared_bytes) == (True, 0)
        bench.store.copy_snapshot(T, S)
        shared = bench.store.usage([S])
        assert (shared.own_bytes, shared.shared_bytes) == (0, alone.own_bytes)
        assert bench.store.usage([S, T]) == alone
        bench.store.discard("snapshot", T, DATE)
        assert bench.store.usage([S]) == shared, "what is in the trash may come back"
        bench.store.purge("snapshot", T)
        before = bench.store.collect()
        bench.store.delete_snapshot(S)
        assert bench.store.collect() == before - alone.own_bytes
        assert bench.store.usage([S, U]) == Usage(0, 0)

    def test_stock_tells_whose_every_byte_is(self, bench: Bench) -> None:
        self._snapshot(bench, bytes(range(1, 256)) * 2048)
        bench.store.clone_volume(B, S, SIZE)
        stock = bench.store.stock()
        together = {users: size for users, size in stock.shares.items() if size > 255 * 2048}
        assert set(together) == {frozenset({A, B, S})}, "the bytes of the snapshot are once on the medium"
        assert (stock.trashed, set(stock.files)) == (frozenset(), {A, B})
        assert stock.layers >= 1
        total = stock.own_bytes + stock.shared_bytes + stock.unnamed_bytes
        assert total == bench.store.collect()
        bench.store.delete_volume(A)
        bench.store.delete_volume(B)
        bench.store.collect()
        alone = bench.store.stock()
        assert (alone.own_bytes, alone.shared_bytes) == (bench.store.usage([S]).own_bytes, 0)
        bench.store.discard("snapshot", S, DATE)
        assert bench.store.stock().trashed == {S}

    def test_inventory_names_everything(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        bench.store.clone_volume(B, S, SIZE)
        bench.store.copy_snapshot(T, S)
        inventory = inventory_of(bench.store)
        assert inventory.volume_ids == {A, B}
        assert inventory.snapshot_ids == {S, T}

    def test_collect_frees_what_nothing_names(self, bench: Bench) -> None:
        self._snapshot(bench, b"x" * SIZE)
        full = bench.store.collect()
        assert full == bench.store.collect() > 0
        bench.store.delete_volume(A)
        bench.store.delete_snapshot(S)
        assert bench.store.collect() == 0

    def test_verify_finds_nothing_wrong_in_what_was_just_made(self, bench: Bench, tmp_path: Path) -> None:
        self._snapshot(bench, b"image")
        bench.store.import_snapshot(U, FileSource(_image(tmp_path, "qcow2"), "qcow2"), SIZE)
        for number in range(8):
            bench.store.clone_volume(B, S, SIZE)
            write(bench, B, bytes([number]) * 100, number * 1000)
            freeze(bench, B, f"snap-{number}")
            bench.store.record_hashes(1e12)
        bench.store.collect()
        bench.store.record_hashes(1e12)
        assert list(bench.store.verify(deep=False)) == list(bench.store.verify(deep=True)) == []
        assert all(bench.store.compare_hashes(1e12) is not False for _ in range(12))

    def test_what_is_discarded_is_in_the_trash_alone(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        for _ in range(2):
            bench.store.discard("snapshot", S, DATE)
            bench.store.discard("volume", A, DATE + timedelta(hours=1))
        inventory = inventory_of(bench.store)
        assert inventory.volume_ids == inventory.snapshot_ids == frozenset()
        assert bench.store.trash() == [
            Trashed("snapshot", S, SIZE, DATE),
            Trashed("volume", A, SIZE, DATE + timedelta(hours=1)),
        ]

    def test_what_is_in_the_trash_comes_back_with_its_bytes(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        write(bench, A, b"later")
        bench.store.discard("snapshot", S, DATE)
        bench.store.discard("volume", A, DATE)
        for _ in range(2):
            bench.store.collect()
        for _ in range(2):
            bench.store.restore("snapshot", S)
            bench.store.restore("volume", A)
        assert bench.store.trash() == []
        assert read_snapshot(bench.store, S) == padded(b"image")
        assert read(bench, A) == padded(b"later")
        write(bench, A, b"X")
        assert read(bench, A) == padded(b"Xater")

    def test_what_is_purged_from_the_trash_is_gone(self, bench: Bench) -> None:
        self._snapshot(bench, b"x" * SIZE)
        bench.store.discard("snapshot", S, DATE)
        bench.store.discard("volume", A, DATE)
        assert bench.store.collect() > 0
        for _ in range(2):
            bench.store.purge("snapshot", S)
            bench.store.purge("volume", A)
        assert bench.store.trash() == []
        assert bench.store.collect() == 0
        with pytest.raises(StorageFailed):
            bench.store.restore("snapshot", S)

    def test_what_was_never_there_is_neither_discarded_nor_restored(self, bench: Bench) -> None:
        bench.store.discard("volume", A, DATE)
        assert bench.store.trash() == []
        with pytest.raises(StorageFailed):
            bench.store.restore("volume", A)

    def test_a_disk_that_took_the_id_meanwhile_is_not_replaced(self, bench: Bench) -> None:
        bench.store.create_volume(A, SIZE)
        bench.store.discard("volume", A, DATE)
        bench.store.create_volume(A, 2 * SIZE)
        with pytest.raises(StorageFailed):
            bench.store.restore("volume", A)
        assert read(bench, A) == bytes(2 * SIZE)
        assert [each.size_bytes for each in bench.store.trash()] == [SIZE]

    def test_collect_can_be_told_to_remove_nothing(self, bench: Bench) -> None:
        self._snapshot(bench, b"x" * SIZE)
        for _ in range(2):
            assert bench.store.collect(removing=False) == bench.store.collect(removing=True) > 0

    def test_many_callers_at_once(self, bench: Bench) -> None:
        self._snapshot(bench, b"image")
        numbers = range(12)
        calls: list[Callable[[int], object]] = [
            lambda n: bench.store.clone_volume(f"vol-{n:08x}", S, SIZE),
            lambda n: bench.store.copy_snapshot(f"snap-c{n:07x}", S),
            lambda n: freeze(bench, A, f"snap-a{n:07x}"),
            lambda _: bench.store.collect(),
        ]
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(call, n) for n in numbers for call in calls]:
                done.result()
        assert inventory_of(bench.store).volume_ids == {A, *(f"vol-{n:08x}" for n in numbers)}
        assert len(inventory_of(bench.store).snapshot_ids) == 1 + 2 * len(numbers)
        assert read_snapshot(bench.store, "snap-a0000000") == padded(b"image")


def _image(directory: Path, image_format: str) -> Path:
    raw, image = directory / "outside", directory / f"outside.{image_format}"
    raw.write_bytes(padded(b"from outside"))
    run.run(["qemu-img", "convert", "-f", "raw", "-O", image_format, raw, image], timeout_seconds=60)
    return image


def _client(uri: str) -> nbd.NBD:
    client = nbd.NBD()
    client.add_meta_context("base:allocation")
    client.connect_uri(uri)
    return client


def _holes(client: nbd.NBD) -> set[int]:
    """The numbers of the bytes on which a hole or a stretch of zeros starts, or half of the disk if within
    one."""
    found: set[int] = set()

    def extent(_context: str, offset: int, entries: list[int], _error: object) -> int:
        for length, flags in zip(entries[::2], entries[1::2], strict=True):
            if flags & nbd.STATE_ZERO and offset <= SIZE // 2 < offset + length:
                found.add(SIZE // 2)
            offset += length
        return 0

    client.block_status(SIZE, 0, extent)
    return found
