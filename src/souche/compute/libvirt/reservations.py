"""The DHCP reservations of a region: a file for each guest, in a folder that libvirt's dnsmasq reads.

`virNetworkUpdate` is not used: it removes and restores the network's firewall rules for every change, half a second for
each launch. dnsmasq(8), `--dhcp-hostsdir`: new files are read immediately; SIGHUP discards their contents and reads all
files again.
"""

import os
import re
import shutil
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from souche.errors import ComputeFailed

FOLDERS: Final = Path("/var/lib/libvirt/dnsmasq")
"""Next to dnsmasq's other files, where dnsmasq's user can read."""
LINE: Final = re.compile(r"(?P<mac>[0-9a-f:]{17}),(?P<ip>[0-9.]+)(,(?P<name>[^,\s]+))?\n?")
PROCESS_FILES: Final = Path("/run/libvirt/network")


@dataclass(frozen=True)
class Reservation:
    """The address that DHCP gives to a MAC. `name` is the host name in the answer; None sends none."""

    mac: str
    ip: str
    name: str | None = None

    def line(self) -> str:
        """The reservation in dnsmasq's form (`--dhcp-host`)."""
        return ",".join((self.mac, self.ip, *([self.name] if self.name else [])))


def folder(network: str) -> Path:
    """The folder with the reservations of a network."""
    return FOLDERS / f"{network}.reservations"


class Reservations:
    """The reservations of one network. Every method can be repeated, and called by several processes at the same time;
    all raise ComputeFailed."""

    def __init__(self, network: str) -> None:
        self._network = network
        self._folder = folder(network)

    def ensure(self) -> None:
        """Create the folder: dnsmasq does not start without it. libvirt creates the parent folders with its first
        network, which on a new machine is this one."""
        with self._failures():
            if not FOLDERS.exists():
                FOLDERS.mkdir(exist_ok=True)
                FOLDERS.chmod(0o755)
            self._folder.mkdir(exist_ok=True)
            self._folder.chmod(0o755)

    def all(self) -> list[Reservation]:
        """Every reservation."""
        with self._failures():
            return list(_read(self._folder.glob("*.host")))

    def add(self, wanted: Reservation) -> list[Reservation]:
        """Reserve an address. Reservations with the same address or MAC are replaced, and returned. A host name that
        another MAC has is left out: two guests with one name would get it alternately."""
        present = self.all()
        if any(each.name == wanted.name and each.mac != wanted.mac for each in present):
            wanted = Reservation(wanted.mac, wanted.ip)
        with self._failures():
            replaced = stale(present, wanted)
            for each in replaced:
                self._file(each.mac).unlink(missing_ok=True)
            if wanted not in present:
                self._write(wanted)
                self._reload()
        return replaced

    def discard(self, mac: str) -> None:
        """Remove the reservation of a MAC."""
        with self._failures(), suppress(FileNotFoundError):
            self._file(mac).unlink()
            self._reload()

    def remove(self) -> None:
        """Remove all reservations."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, mac: str) -> Path:
        return self._folder / f"{mac.replace(':', '-')}.host"

    def _write(self, wanted: Reservation) -> None:
        draft = self._folder / f".{os.getpid()}.{wanted.mac}"  # dnsmasq ignores dot files
        with draft.open("w") as file:
            file.write(f"{wanted.line()}\n")
            file.flush()
            os.fsync(file.fileno())  # a power failure must not leave an empty file
        draft.chmod(0o644)
        draft.rename(self._file(wanted.mac))

    def _reload(self) -> None:
        """Make dnsmasq read all files again. A stopped one reads them when it starts."""
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            process_id = int((PROCESS_FILES / f"{self._network}.pid").read_text())
            if f"/{self._network}.conf".encode() in Path(f"/proc/{process_id}/cmdline").read_bytes():
                os.kill(process_id, signal.SIGHUP)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ComputeFailed(reason=f"DHCP reservations in {self._folder}: {error.strerror}") from error


def stale(present: Iterable[Reservation], wanted: Reservation) -> list[Reservation]:
    """The reservations in conflict with `wanted`: the same MAC or the same address."""
    return [each for each in present if each != wanted and (each.mac == wanted.mac or each.ip == wanted.ip)]


def _read(files: Iterable[Path]) -> Iterator[Reservation]:
    """The valid reservations in the files. dnsmasq ignores the others too."""
    for file in files:
        with suppress(FileNotFoundError):  # the file was removed meanwhile
            line = LINE.fullmatch(file.read_text(errors="replace"))
            if line is not None:
                yield Reservation(**line.groupdict())
