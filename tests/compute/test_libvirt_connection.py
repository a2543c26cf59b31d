"""libvirtd goes away and comes back. A relay in front of its socket does so, because others use the
daemon."""

import contextlib
import queue
import socket
import threading
from pathlib import Path

import pytest

from souche.compute.libvirt import events
from souche.compute.libvirt.accelerator import boot_sector
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.waiting import wait_until
from souche.errors import Unavailable
from tests.compute.contract import Laboratory
from tests.compute.libvirt_guests import booting
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region

pytestmark = pytest.mark.guest

DAEMON = "/run/libvirt/libvirt-sock"


class Relay:
    """Passes bytes between `path` and libvirtd while it is up."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listening: socket.socket | None = None
        self._open: list[socket.socket] = []

    def up(self) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self._path))
        self._listening.listen()
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def down(self) -> None:
        self._path.unlink()
        for each in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                if each is not None:
                    each.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self, listening: socket.socket) -> None:
        with listening, contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                daemon = socket.socket(socket.AF_UNIX)
                daemon.connect(DAEMON)
                self._open += [client, daemon]
                for pair in ((client, daemon), (daemon, client)):
                    threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    source.close()


def test_connects_again_when_libvirtd_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "RECONNECT_SECONDS", 0.2)
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    with reachable_directory() as directory, region(directory / "home", "10.71.7.0/24") as direct:
        relay = Relay(directory / "relay")
        relay.up()
        uri = f"qemu+unix:///system?socket={directory}/relay"
        relayed = LibvirtHypervisor(directory / "home", "10.71.7.0/24", uri=uri)
        relayed.watch(told.put)
        relay.down()
        with pytest.raises(Unavailable):
            relayed.power_states()
        relay.up()
        assert relayed.power_states() == {}
        assert_told_of_a_guest(direct, directory, told)
        relayed.close()
        relay.down()


def assert_told_of_a_guest(
    hypervisor: LibvirtHypervisor, directory: Path, told: queue.SimpleQueue[str]
) -> None:
    disks = DiskShelf(directory)
    laboratory = Laboratory(hypervisor, hypervisor, hypervisor, disks.new_disk, disks.overlay_on)
    guest = booting(laboratory, disks.boot_disk(boot_sector(b"bye")))
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    assert wait_until(lambda: not told.empty(), 10)
    assert told.get() == guest.vm_id
