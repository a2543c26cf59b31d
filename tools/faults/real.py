"""`make faults ARGS="--real"`: a region with libvirt's guests and its own SeaweedFS, whose processes are killed.

Guests have empty disks and start no system, but QEMU runs. Requests use HTTP. During their work, a QEMU, SeaweedFS,
libvirtd or the region's server is killed, by its process id: the home is in its command line. libvirtd is the harness's
own (`own_libvirt`), and restarts after up to three seconds. When no operation is outstanding any more, everything is
checked as after simulated lives (`model`).
"""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests as http

from souche.db import operations
from souche.db.engines.sqlite import ReadOnlySqlite
from souche.db.store import Store
from souche.errors import SystemFailure
from souche.home import Home
from souche.main import checking
from souche.objects.base import ObjectsUnavailable
from souche.run import run
from tools import harness
from tools.faults import disks, own_libvirt, requests, seen
from tools.faults.imports import Imports
from tools.faults.model import Model
from tools.harness import Wrong, wait_for

Line = dict[str, Any]

LIBVIRTD: Final = "libvirtd"
LIBVIRTD_AWAY_SECONDS: Final = 3.0
TARGETS: Final = {"QEMU": "qemu-system", "SeaweedFS": "weed", "server": "souche"}
VM_TYPE: Final = "tinav5.c1r1p2"
SETTLING_SECONDS: Final = 300.0
MOST_VMS: Final = 2
OWN_REGION: Final = "souche-1"


@dataclass(frozen=True)
class _Place:
    """The records, read while the server runs."""

    store: Store
    name: str = OWN_REGION
    subregion_name: str = f"{OWN_REGION}a"


class RealRounds:
    """All rounds of one seed: each sends requests, kills a process, and checks."""

    def __init__(self, place: Path, imports: Imports, seed: int) -> None:
        self._home = place / "home"
        self._log = place / "serve.log"
        self._imports = imports
        self._source = random.Random(seed)  # noqa: S311  repeatable, not secret
        self._listen, self._oos = _free_address(), _free_address()
        self._server = self._serve()
        self._who = harness.create_account(self._home, "alice")
        self._client = harness.gateway(self._listen, self._who)
        self._records = _Place(Store(ReadOnlySqlite(Home(self._home).database)))
        self._model = Model()
        self.kills: Counter[str] = Counter()
        self.rounds = 0
        self.violations: list[str] = []
        self._fill()

    @property
    def figures(self) -> dict[str, object]:
        """The counts to show."""
        figures = self._model.figures
        return {
            "kills": f"{self.kills.total()} ({', '.join(f'{name} {n}' for name, n in sorted(self.kills.items()))})",
            "rounds": self.rounds,
            "answered requests checked": figures.answered,
            "states checked": figures.states,
            "disks compared": figures.compares,
            "violations": len(self.violations),
        }

    def round(self) -> None:
        """Write as guests, send requests, kill a process, and check everything."""
        self._write()
        told: list[Line] = []
        for number in range(self._source.randint(2, 5)):
            told += self._ask(number)
            if self._source.random() < 0.6:
                threading.Event().wait(self._source.random() ** 2)
                self._kill(self._source.choice([*TARGETS, LIBVIRTD]))
        own_libvirt.start()
        if self._server.poll() is not None:
            self._server = self._serve()
        found = self._check(told)
        for each in found:
            sys.stdout.write(f"violation in round {self.rounds}: {each}\n")
        if found:
            self._describe_machine()
        self.violations += found
        self.rounds += 1

    def _describe_machine(self) -> None:
        """Record processes and guests beside the home, because they end with the namespaces."""
        for name, command in {
            "processes": ["ps", "axf", "-o", "pid,ppid,stat,wchan:20,etime,args"],
            "guests": ["virsh", "--quiet", "--connect", "qemu:///system", "list", "--all"],
        }.items():
            try:
                shown = run(command, timeout_seconds=30)
            except SystemFailure as error:
                shown = str(error).encode()
            (self._home.parent / f"{name}.txt").write_bytes(shown)

    def _check(self, told: list[Line]) -> list[str]:
        try:
            self._settle()
            return self._model.check(self._look(), told, strict=False)
        except Wrong as error:
            return [str(error)]

    def close(self) -> None:
        """Stop the region, and remove it."""
        self._records.store.close()
        if self._server.poll() is None:
            os.kill(self._server.pid, signal.SIGTERM)
            self._server.wait()
        run([harness.SOUCHE, "destroy", "--home", self._home, "--yes"], timeout_seconds=120)

    def _serve(self) -> "subprocess.Popen[bytes]":
        allowed = f"127.0.0.1:{self._imports.port}"
        options = [
            "--oos-listen",
            self._oos,
            "--allow-import",
            allowed,
            "--compute",
            "libvirt",
            "--reserve-gib",
            "0.1",
        ]
        return harness.serve(self._home, self._listen, self._log, *options)

    def _fill(self) -> None:
        """Make an image of an empty disk, and a VM of it."""
        volume = self._call("CreateVolume", {"SubregionName": self._records.subregion_name, "Size": 1})
        self._settle()
        snapshot = self._call("CreateSnapshot", {"VolumeId": volume["Volume"]["VolumeId"]})
        self._settle()
        mapping = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot["Snapshot"]["SnapshotId"]}}
        image = {"ImageName": "empty", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [mapping]}
        made = self._call("CreateImage", image)
        self._settle()
        self._call("CreateVms", {"ImageId": made["Image"]["ImageId"], "VmType": VM_TYPE})
        self._settle()
        if not processes(TARGETS["QEMU"], self._home):
            raise Wrong(f"the first VM does not run: there is nothing to kill. The log: {self._log}")
        self._model.adopt(self._look())

    def _call(self, action: str, request: Line) -> Line:
        answer: Line = self._client.raw(action, **request)
        return answer

    def _ask(self, number: int) -> list[Line]:
        """One request, if the server runs to answer it."""
        if self._server.poll() is not None:
            own_libvirt.start()  # the region does not start without libvirt
            self._server = self._serve()
        here = requests.look(self._records, self._who.account_id, self._imports, self._source)
        action, request = requests.choose(here)
        while action == "RebootVms" or (action == "CreateVms" and _running(here) >= MOST_VMS):
            action, request = requests.choose(here)
        request = {**request, **_hurried(action, request)}
        asked = {"asked": number, "action": action, "request": request}
        try:
            return [asked, {"number": number, "answer": self._call(action, request)}]
        except http.RequestException as error:
            return [asked, {"number": number, "refused": str(error)}]

    def _kill(self, target: str) -> None:
        if target == LIBVIRTD:
            self._kill_libvirtd()
            return
        found = processes(TARGETS[target], self._home)
        if target == "server" and self._server.poll() is None:
            found = [self._server.pid]
        if not found:
            return
        os.kill(self._source.choice(found), signal.SIGKILL)
        self.kills[target] += 1
        if target == "server":
            self._server.wait()

    def _kill_libvirtd(self) -> None:
        """Kill libvirtd for up to three seconds, like an update, or until the end of the round."""
        if own_libvirt.kill():
            self.kills[LIBVIRTD] += 1
        if self._source.random() < 0.7:
            threading.Event().wait(self._source.random() * LIBVIRTD_AWAY_SECONDS)
            own_libvirt.start()

    def _settle(self) -> None:
        def is_settled() -> bool:
            with self._records.store.read() as connection:
                return not operations.outstanding(connection)

        wait_for(is_settled, "a region without operations", SETTLING_SECONDS, 0.1)

    def _write(self) -> None:
        """Write like guests, to volumes that no QEMU has open."""
        here = requests.look(self._records, self._who.account_id, self._imports, self._source)
        for volume_id in here.volumes.get("available", []):
            if volume_id in self._model.contents:
                path = (self._home / "disks" / "volumes" / volume_id).resolve()
                disks.write(path, self._source, self._model.contents[volume_id])

    def _look(self) -> seen.Seen:
        """Look once the server has restarted the object store and the sweeps have removed leftovers, or after
        `SETTLING_SECONDS` at the latest.

        Raises:
            Wrong: the object store does not come back.
        """
        found: list[seen.Seen] = []

        def is_well() -> bool:
            with checking.opened(Home(self._home)) as region:
                if region.objects is None or region.buckets is None:
                    return False
                try:
                    found[:] = [seen.look_at(self._home, region, sorted(region.buckets()), time.sleep)]
                except ObjectsUnavailable:  # killed, and restarting
                    return False
            return not found[0].findings

        try:
            wait_for(is_well, "a region that is well", SETTLING_SECONDS)
        except Wrong:
            if not found:
                raise
        return found[0]


def _hurried(action: str, request: Line) -> Line:
    """Do not wait for guests to stop: without a system, they never do."""
    if action == "StopVms":
        return {"ForceStop": True}
    if action == "CreateImage" and "VmId" in request:
        return {"NoReboot": True}
    return {"VmType": VM_TYPE} if action == "CreateVms" else {}


def _running(here: requests.Here) -> int:
    return len([each for state, ids in here.vms.items() if state != "terminated" for each in ids])


def processes(program: str, home: Path) -> list[int]:
    """The processes of a program with the home in their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        named = any(f"{home}/".encode() in word + b"/" for word in words)
        if named and Path(words[0].decode()).name.startswith(program):
            found.append(int(path.parent.name))
    return sorted(found)


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
