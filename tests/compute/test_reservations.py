"""DHCP reservations as files. test_libvirt_network shows that dnsmasq uses them."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.compute.libvirt import reservations
from souche.compute.libvirt.reservations import Reservation, Reservations
from souche.errors import ComputeFailed

NETWORK = "souche-abc"
HERE = Reservation("aa:00:00:00:00:01", "10.0.4.9", "ip-10-0-4-9")
ELSEWHERE = Reservation("aa:00:00:00:00:02", "10.0.4.10", "ip-10-0-4-10")


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reservations:
    monkeypatch.setattr(reservations, "FOLDERS", tmp_path)
    monkeypatch.setattr(reservations, "PROCESS_FILES", tmp_path)
    made = Reservations(NETWORK)
    made.ensure()
    return made


def dnsmasq(place: Path, conf_file: str) -> "subprocess.Popen[bytes]":
    """A process with dnsmasq's argument, which a SIGHUP ends, even if this process ignores it."""
    argv = ["env", "--default-signal=HUP", "bash", "-c", "echo; read", f"--conf-file=/var/lib/{conf_file}"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    (place / f"{NETWORK}.pid").write_text(f"{process.pid}\n")
    return process


@pytest.fixture
def running(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with dnsmasq(tmp_path, f"{NETWORK}.conf") as process:
        yield process
        process.kill()


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has got the number of a dnsmasq that died."""
    with dnsmasq(tmp_path, "other.conf") as process:
        yield process
        process.kill()


def test_what_is_reserved_is_written_as_dnsmasq_reads_it(known: Reservations, tmp_path: Path) -> None:
    for _ in range(2):
        known.add(HERE)
    known.add(Reservation("aa:00:00:00:00:03", "10.0.4.11"))
    folder = tmp_path / "souche-abc.reservations"
    files = {file.name: file.read_text() for file in folder.iterdir()}
    assert files == {
        "aa-00-00-00-00-01.host": "aa:00:00:00:00:01,10.0.4.9,ip-10-0-4-9\n",
        "aa-00-00-00-00-03.host": "aa:00:00:00:00:03,10.0.4.11\n",
    }
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o644}
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_machine_on_which_libvirt_never_had_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of its networks is missing there; and root may have a closed umask."""
    monkeypatch.setattr(reservations, "FOLDERS", tmp_path / "dnsmasq")
    before = os.umask(0o077)
    try:
        Reservations(NETWORK).ensure()
    finally:
        os.umask(before)
    folder = tmp_path / "dnsmasq" / "souche-abc.reservations"
    assert [each.stat().st_mode & 0o777 for each in (folder.parent, folder)] == [0o755, 0o755]


@pytest.mark.parametrize(
    "later",
    [Reservation("aa:00:00:00:00:03", HERE.ip), Reservation(HERE.mac, "10.0.4.11", "another")],
    ids=["the address", "the MAC"],
)
def test_what_shares_something_is_replaced(known: Reservations, later: Reservation) -> None:
    known.add(ELSEWHERE)
    known.add(HERE)
    known.add(later)
    assert set(known.all()) == {ELSEWHERE, later}


def test_a_host_name_that_another_has_is_left_out(known: Reservations) -> None:
    known.add(HERE)
    known.add(Reservation(ELSEWHERE.mac, ELSEWHERE.ip, HERE.name))
    assert set(known.all()) == {HERE, Reservation(ELSEWHERE.mac, ELSEWHERE.ip)}


def test_what_is_discarded_is_gone_and_twice_is_harmless(known: Reservations) -> None:
    known.add(HERE)
    for _ in range(2):
        known.discard(HERE.mac)
    assert known.all() == []


@pytest.mark.parametrize("change", [lambda it: it.add(ELSEWHERE), lambda it: it.discard(HERE.mac)])
def test_dnsmasq_is_told(known: Reservations, request: pytest.FixtureRequest, change: object) -> None:
    known.add(HERE)
    process = request.getfixturevalue("running")
    change(known)  # type: ignore[operator]
    assert process.wait(timeout=10) == -signal.SIGHUP


def test_nobody_else_is_told(known: Reservations, stranger: "subprocess.Popen[bytes]") -> None:
    known.add(HERE)
    with pytest.raises(subprocess.TimeoutExpired):
        stranger.wait(timeout=0.3)


def test_a_folder_that_is_gone_is_a_failure(known: Reservations) -> None:
    known.remove()
    with pytest.raises(ComputeFailed, match=r"souche-abc\.reservations"):
        known.add(HERE)
    known.ensure()
    known.add(HERE)


@pytest.mark.parametrize("content", [b"", b"aa:00:00:00:00:02", b"\xff" * 8, b"a,b,c,d"])
def test_a_file_that_is_no_reservation_keeps_nobody_from_theirs(
    known: Reservations, tmp_path: Path, content: bytes
) -> None:
    """After a power failure a file may exist without its content. Before, no VM could be launched then."""
    folder = tmp_path / "souche-abc.reservations"
    (folder / "aa-00-00-00-00-02.host").write_bytes(content)
    known.add(HERE)
    assert known.all() == [HERE]
    known.add(ELSEWHERE)
    assert {each.mac for each in known.all()} == {HERE.mac, ELSEWHERE.mac}
