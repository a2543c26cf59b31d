"""The serial consoles and the screens of real guests."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from souche.admin import wire
from souche.admin.console_bridge import Offer
from souche.cli import terminal
from souche.compute.base import Guest
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.host_paths import QEMU_USER
from souche.compute.libvirt.waiting import wait_until
from souche.model.disks import GuestDisk
from souche.refusals import ConsoleTaken, NoConsole
from souche.run import run
from tests.compute.contract import DEVICES, ROOT, Laboratory
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region
from tests.support import boot_disks

pytestmark = pytest.mark.guest

SLOW_SECONDS = 60.0  # for a guest under TCG on a busy machine


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with reachable_directory() as made:
        yield made / "home"


@pytest.fixture(scope="module")
def disks(home: Path) -> DiskShelf:
    return DiskShelf(home.parent)


@pytest.fixture(scope="module")
def hypervisor(home: Path) -> Iterator[LibvirtHypervisor]:
    with region(home, "10.71.6.0/24") as made:
        yield made


@pytest.fixture(scope="module")
def echoing(hypervisor: LibvirtHypervisor, disks: DiskShelf) -> Guest:
    return started(hypervisor, disks)


def started(hypervisor: LibvirtHypervisor, disks: DiskShelf) -> Guest:
    """A running guest that writes what is typed."""
    laboratory = Laboratory(hypervisor, hypervisor, hypervisor, disks.new_disk, disks.overlay_on)
    root = GuestDisk(ROOT, DEVICES[ROOT], disks.boot_disk(boot_disks.disk_that_echoes()))
    guest = Guest(**{**vars(laboratory.guest()), "disks": (root,)})
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    return guest


@contextmanager
def typed(hypervisor: LibvirtHypervisor, guest: Guest, line: bytes) -> Iterator[socket.socket]:
    """A connection by which the line was typed and came back."""
    with hypervisor.serial(guest.vm_id) as serial:
        serial.settimeout(SLOW_SECONDS)
        serial.sendall(line)
        came = b""
        while not came.endswith(line):
            came += serial.recv(4096)
        yield serial


def test_what_is_typed_comes_back_and_is_logged(hypervisor: LibvirtHypervisor, echoing: Guest) -> None:
    for line in (b"one\n", b"two\n"):
        with typed(hypervisor, echoing, line):
            pass
    assert wait_until(lambda: hypervisor.console(echoing.vm_id).endswith(b"one\ntwo\n"), SLOW_SECONDS)


def test_one_at_a_time_has_the_console(hypervisor: LibvirtHypervisor, echoing: Guest) -> None:
    with (
        typed(hypervisor, echoing, b"first\n"),
        pytest.raises(ConsoleTaken),
        hypervisor.serial(echoing.vm_id),
    ):
        pass
    with typed(hypervisor, echoing, b"next\n"):
        pass


def test_a_command_has_a_session_by_the_operators_socket(
    hypervisor: LibvirtHypervisor, echoing: Guest, tmp_path: Path
) -> None:
    """A pipe is the keyboard; when the reader of the screen goes, the console is free again."""
    (keyboard, typing), (shown, screen) = os.pipe(), os.pipe()
    with ExitStack() as opening:
        serial = opening.enter_context(hypervisor.serial(echoing.vm_id))
        offer = Offer(tmp_path)
        offer.hold(serial, opening.pop_all())
    connected = wire.connect(tmp_path, offer.name)
    assert connected is not None
    with connected:
        attaching = threading.Thread(target=terminal.attach, args=(connected, keyboard, screen), daemon=True)
        attaching.start()
        os.write(typing, b"uname\n")
        came = b""
        while not came.endswith(b"uname\n"):
            came += os.read(shown, 4096)
        with pytest.raises(ConsoleTaken), hypervisor.serial(echoing.vm_id):
            pass
        connected.shutdown(socket.SHUT_RDWR)
        attaching.join(SLOW_SECONDS)
    for each in (keyboard, typing, shown, screen):
        os.close(each)
    assert wait_until(lambda: is_free(hypervisor, echoing), SLOW_SECONDS)


def is_free(hypervisor: LibvirtHypervisor, guest: Guest) -> bool:
    """Whether nobody has the console."""
    try:
        with hypervisor.serial(guest.vm_id):
            return True
    except ConsoleTaken:
        return False


def test_the_screen_is_a_png_of_some_size(hypervisor: LibvirtHypervisor, echoing: Guest) -> None:
    picture = hypervisor.screenshot(echoing.vm_id)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert width >= 320
    assert height >= 200


def test_the_screen_is_there_by_vnc_for_root_and_qemu_alone(home: Path, echoing: Guest) -> None:
    path = home / "guests" / echoing.vm_id / "screen" / "vnc.sock"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SLOW_SECONDS)
        client.connect(str(path))
        assert client.recv(12).startswith(b"RFB 003.")
    assert path.parent.owner() == QEMU_USER
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for each in (path, home / "guests" / echoing.vm_id / "serial.sock"):
        assert "denied" in as_nobody(each)


CONNECT = """
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
except OSError as error:
    print(error)
"""


def as_nobody(path: Path) -> str:
    """The answer to a user without rights."""
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    return run([*user, "/usr/bin/python3", "-c", CONNECT, path], timeout_seconds=20).decode()


def test_the_console_of_a_guest_that_powers_off_ends(hypervisor: LibvirtHypervisor, disks: DiskShelf) -> None:
    guest = started(hypervisor, disks)
    with typed(hypervisor, guest, b"x") as serial:
        hypervisor.power_off(guest.vm_id)
        assert serial.recv(1) == b""
    with pytest.raises(NoConsole), hypervisor.serial(guest.vm_id):
        pass
    hypervisor.remove(guest.vm_id)


def test_a_guest_of_an_earlier_version_has_a_console_after_its_next_start(
    hypervisor: LibvirtHypervisor, disks: DiskShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        for name in ("serial", "screen"):
            earlier.setattr(hypervisor._files, name, lambda _vm_id: None)
        guest = started(hypervisor, disks)
    hypervisor.define(guest)
    with pytest.raises(NoConsole, match="stop and start it"), hypervisor.serial(guest.vm_id):
        pass
    assert hypervisor.screenshot(guest.vm_id)
    hypervisor.power_off(guest.vm_id)
    hypervisor.start(guest.vm_id)
    with typed(hypervisor, guest, b"x"):
        pass
    hypervisor.remove(guest.vm_id)
