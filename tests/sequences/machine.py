"""Random sequences of operations by three accounts, through the API and on real qcow2 files, against a model in plain
values (design 3.1 to 3.5).

After each sequence every snapshot and every volume is read back: each holds the very bytes that the model has. Then
everything is deleted, and nothing may be left in the store. A seed makes the same sequence again.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from souche import run
from souche.reconcile import leftovers
from souche.storage.qcow2.driver import Qcow2Store
from souche.workflows.parts import Parts
from tests.sequences.model import (
    BLOCK_BYTES,
    BLOCKS,
)
from tests.sequences.random_sequence import RandomSequence
from tests.sequences.sequence_state import (
    ACCOUNTS,
    MOST_FILES,
    SHORT_CHAIN,
    Violation,
)
from tests.support.client import Client
from tests.support.inventories import inventory_of
from tests.support.region import make_account
from tests.workflows.world import Qcow2Disks, World, assemble


@dataclass(frozen=True)
class Figures:
    """What sequences did."""

    sequences: int
    operations: int
    refusals: int
    compares: int

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.sequences + other.sequences,
            self.operations + other.operations,
            self.refusals + other.refusals,
            self.compares + other.compares,
        )


class Machine:
    """A region on real qcow2 files, with guests that are pretended, in which sequences run one after the other."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True)
        disks = Qcow2Disks(home)
        disks.store = Qcow2Store(home, max_chain=SHORT_CHAIN)
        self._world: World = assemble(home, disks, seed=1)
        self._world.region.store.migrate()
        self._parts: Parts = self._world.parts
        self._home = home
        principals = {name: make_account(self._world.region, name) for name in ACCOUNTS}
        self._ids = {name: who.account_id for name, who in principals.items()}
        self._clients = {name: Client(self._world.region, who) for name, who in principals.items()}

    def close(self) -> None:
        """Close the region's database."""
        self._world.close()

    def sequence(self, seed: int, length: int) -> Figures:
        """Run one sequence of `length` operations, check everything, and delete everything.

        Raises:
            Violation: with the seed, and the operations that led to it.
        """
        run_ = RandomSequence(self, random.Random(seed))
        try:
            for _ in range(length):
                run_.step()
            run_.check()
            run_.clear()
        except AssertionError as error:
            raise Violation(f"seed {seed}: {error}\n" + "\n".join(run_.told)) from error
        return Figures(1, len(run_.told), run_.refusals, run_.compares)

    def call(self, account: str, action: str, **request: object) -> dict[str, Any]:
        """A call that succeeds, with the operations that it requests done."""
        answer = self._clients[account](action, **request)
        self._world.run_all()
        return answer

    def refused(self, account: str, action: str, **request: object) -> str:
        """The code of a call that is refused."""
        return self._clients[account].refusal(action, **request).code

    def account_id(self, account: str) -> str:
        return self._ids[account]

    def write(self, volume_id: str, block: int, data: bytes) -> None:
        """As the guest does, to where the volume is written at this moment."""
        spare = self._home / "spare"
        spare.write_bytes(data)
        path = (self._home / "disks" / "volumes" / volume_id).resolve(strict=True)
        command = f"write -s {spare} {block * BLOCK_BYTES} {len(data)}"
        run.run(["qemu-io", "-f", "qcow2", "-c", command, path], timeout_seconds=60)

    def read(self, folder: str, resource_id: str) -> bytes:
        """The first blocks of a volume or a snapshot."""
        path = (self._home / "disks" / folder / resource_id).resolve(strict=True)
        spare = self._home / "spare"
        output = ["-O", "raw", f"bs={BLOCK_BYTES}", f"count={BLOCKS}", f"if={path}", f"of={spare}"]
        run.run(["qemu-img", "dd", "-f", "qcow2", *output], timeout_seconds=60)
        return spare.read_bytes()

    def collect(self) -> None:
        """What the sweeps do: merge, shorten what running guests have open, remove what nothing names."""
        for vm_id in self._parts.hypervisor.power_states():
            self._parts.live.shorten_disks(vm_id, MOST_FILES)
        self._parts.volumes.collect()
        self._parts.volumes.collect()

    def sweep(self) -> None:
        """Leftovers: there are none."""
        leftovers.remove(self._parts)

    def exported(self, bucket: str, key: str) -> bytes:
        return self._world.oos.store().get(bucket, key)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        return self._world.oos.store().keys(bucket, prefix)

    def left(self) -> list[str]:
        """Every name and every file in the store."""
        inventory = inventory_of(self._world.disks.store)
        layers = (path.name for path in (self._home / "disks" / "layers").glob("*.qcow2"))
        return sorted([*inventory.volume_ids, *inventory.snapshot_ids, *layers])
