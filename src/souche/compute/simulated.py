"""Guests that exist only as records: for fast tests, and for machines without a hypervisor. Nothing runs, and states
change immediately. Each guest's record is a file, so that other processes of the region, and a restarted server, know
which guests "run"."""

import contextlib
import fcntl
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypedDict

import structlog

from souche.compute.base import Firewalls, Guest, GuestNetwork, PowerState
from souche.compute.inspection import ComputeState, SeenGuest
from souche.errors import ComputeFailed
from souche.model.disks import DiskFormat, DiskSource, FileSource, GuestDisk, GuestHold, MemorySource
from souche.model.security_groups import Rule
from souche.refusals import NoConsole

Disks = Mapping[str, DiskSource]
log = structlog.get_logger()

NOTICE = b"This guest is simulated: it has no console, because nothing runs.\r\n"
NO_CONSOLE = "the region's guests are simulated."


class SourceRecord(TypedDict):
    """A source in a file. `format` is None for a disk of the simulated store. A file in the home is named from there,
    so that a home can be moved or copied."""

    name: str
    format: DiskFormat | None


@dataclass(frozen=True)
class Record:
    """A guest's record. By volume id: the disks of its next start, and its open ones (None: it is off). `groups` are
    its security groups; `public_ip` leads to it."""

    defined: Disks
    private_ip: str
    open: Disks | None = None
    groups: tuple[str, ...] = ()
    panicked: bool = False
    halted: bool = False
    public_ip: str | None = None

    def attached(self, volume_id: str, source: DiskSource) -> "Record":
        opened = None if self.open is None else {volume_id: source, **self.open}
        return replace(self, defined={**self.defined, volume_id: source}, open=opened)

    def detached(self, volume_id: str) -> "Record":
        opened = self.open and _without(self.open, volume_id)
        return replace(self, defined=_without(self.defined, volume_id), open=opened)

    def switched(self, sources: Disks) -> "Record":
        opened = {**(self.open or {}), **sources}
        return replace(self, defined={**self.defined, **sources}, open=opened)


class SimulatedHypervisor:
    """Records below `<home>/simulated-guests/`. See `compute/base.py` and `storage.base.LiveDisks` for the
    contracts."""

    def __init__(self, home: Path, cidr: str) -> None:
        self._home = home
        self._root = home / "simulated-guests"
        self._groups = self._root / "groups"
        self._groups.mkdir(parents=True, exist_ok=True)
        self._cidr = IPv4Network(cidr)

    @staticmethod
    def is_at(home: Path) -> bool:
        """Whether a region in `home` has simulated guests."""
        return (home / "simulated-guests").is_dir()

    @property
    def accelerator(self) -> str:
        return "none"

    @property
    def network(self) -> GuestNetwork:
        return GuestNetwork(str(self._cidr), str(self._cidr[1]))

    def define(self, guest: Guest) -> None:
        defined = {disk.volume_id: disk.source for disk in guest.disks}
        with self._locked():
            known = self._read(guest.vm_id)
            known = known or Record(defined, guest.private_ip)
            self._write(guest.vm_id, replace(known, defined=defined, private_ip=guest.private_ip))

    def protect(self, wanted: Callable[[], Firewalls]) -> None:
        with self._locked():
            firewalls = wanted()
            for vm_id, groups in firewalls.guests.items():
                known = self._read(vm_id)
                if known is not None:
                    public_ip = firewalls.public_ips.get(vm_id)
                    self._lead_nowhere_else(public_ip, vm_id)
                    self._write(vm_id, replace(known, groups=tuple(sorted(groups)), public_ip=public_ip))
            for group_id, rules in firewalls.groups.items():
                if self._rules(group_id) != list(rules):
                    _replace(self._groups / f"{group_id}.json", [asdict(rule) for rule in rules])

    def _lead_nowhere_else(self, public_ip: str | None, vm_id: str) -> None:
        if public_ip is None:
            return
        for other_id in {path.stem for path in self._root.glob("*.json")} - {vm_id}:
            other = self._known(other_id)
            if other.public_ip == public_ip:
                self._write(other_id, replace(other, public_ip=None))

    def inspect(self) -> ComputeState:
        """See `ComputeInspector`."""
        records = {path.stem: self._read(path.stem) for path in sorted(self._root.glob("*.json"))}
        known = {vm_id: record for vm_id, record in records.items() if record is not None}
        return ComputeState(
            guests={vm_id: SeenGuest(record.open) for vm_id, record in known.items()},
            reservations=None,
            firewalls=Firewalls(
                {vm_id: record.groups for vm_id, record in known.items()},
                {path.stem: tuple(self._rules(path.stem)) for path in self._groups.glob("*.json")},
                public_ips={
                    vm_id: record.public_ip for vm_id, record in known.items() if record.public_ip is not None
                },
            ),
        )

    def inbound(self, vm_id: str) -> frozenset[Rule] | None:
        """The traffic that the guest would accept, for tests, with members as addresses; None for an unknown guest."""
        known = self._read(vm_id)
        if known is None:
            return None
        rules = [rule for group_id in known.groups for rule in self._rules(group_id)]
        return frozenset(each for rule in rules for each in self._by_address(rule))

    def _rules(self, group_id: str) -> list[Rule]:
        """None for an unknown group, and for a damaged file: the next sweep writes it again."""
        try:
            return [Rule(**each) for each in json.loads((self._groups / f"{group_id}.json").read_bytes())]
        except (FileNotFoundError, ValueError, TypeError):
            return []

    def _by_address(self, rule: Rule) -> list[Rule]:
        if rule.source_group is None:
            return [rule]
        records = [self._read(path.stem) for path in self._root.glob("*.json")]
        members = [record.private_ip for record in records if record and rule.source_group in record.groups]
        return [replace(rule, source=f"{address}/32") for address in members]

    def start(self, vm_id: str) -> None:
        with self._locked():
            known = self._known(vm_id)
            if known.open is None or known.panicked:
                known = replace(known, open=known.defined, panicked=False)
            self._write(vm_id, replace(known, halted=False))

    def panic(self, vm_id: str) -> None:
        """Simulates a panic of the guest, for tests."""
        with self._locked():
            self._write(vm_id, replace(self._running(vm_id), panicked=True))

    def halt(self, vm_id: str) -> None:
        """Simulates a guest on a full medium, for tests."""
        with self._locked():
            self._write(vm_id, replace(self._running(vm_id), halted=True))

    def resume(self, vm_id: str) -> None:
        with self._locked():
            known = self._read(vm_id)
            if known is not None and known.halted:
                self._write(vm_id, replace(known, halted=False))

    def shut_down(self, vm_id: str, timeout_seconds: float) -> None:  # noqa: ARG002  it obeys at once
        self.power_off(vm_id)

    def power_off(self, vm_id: str) -> None:
        with self._locked():
            known = self._read(vm_id)
            if known is not None:
                self._write(vm_id, replace(known, open=None, panicked=False, halted=False))

    def reboot(self, vm_id: str) -> None:
        self._running(vm_id)
        self.start(vm_id)

    def remove(self, vm_id: str) -> None:
        with self._locked():
            self._file(vm_id).unlink(missing_ok=True)

    def attach(self, vm_id: str, disk: GuestDisk) -> None:
        with self._locked():
            self._write(vm_id, self._known(vm_id).attached(disk.volume_id, disk.source))

    def detach(self, vm_id: str, volume_id: str) -> None:
        with self._locked():
            known = self._read(vm_id)
            if known is not None:
                self._write(vm_id, known.detached(volume_id))

    def resize_disk(self, vm_id: str, volume_id: str, size_bytes: int) -> None:  # noqa: ARG002  a record has no size
        if volume_id not in (self._running(vm_id).open or {}):
            raise ComputeFailed(reason=f"{vm_id} has no disk {volume_id}")

    def shorten_disks(self, vm_id: str, most_files: int) -> None:
        """Simulated guests have no backing chains."""

    def power_states(self) -> Mapping[str, PowerState]:
        with self._locked():
            records = {path.stem: self._read(path.stem) for path in self._root.glob("*.json")}
        return {vm_id: _power_state(record) for vm_id, record in records.items() if record is not None}

    def console(self, vm_id: str) -> bytes:
        known = self._read(vm_id)
        return b"" if known is None or known.open is None else NOTICE

    def serial(self, vm_id: str) -> AbstractContextManager[socket.socket]:
        raise NoConsole(vm_id=vm_id, reason=NO_CONSOLE)

    def screenshot(self, vm_id: str) -> bytes:
        raise NoConsole(vm_id=vm_id, reason=NO_CONSOLE)

    def watch(self, changed: Callable[[str], None]) -> None:
        """Does nothing: a simulated guest never changes by itself."""

    def close(self) -> None:
        """Does nothing: there is no connection."""

    def open_disks(self, vm_id: str) -> Disks | None:
        known = self._read(vm_id)
        return None if known is None else known.open

    def switch_disks(self, vm_id: str, sources: Disks) -> GuestHold:
        with self._locked():
            running = self._running(vm_id)
            if not sources.keys() <= (running.open or {}).keys():
                raise ComputeFailed(reason=f"{vm_id} does not run with the disks {sorted(sources)}")
            self._write(vm_id, running.switched(sources))
        return GuestHold(0.0, quiesced=False)

    def _file(self, vm_id: str) -> Path:
        return self._root / f"{vm_id}.json"

    def _known(self, vm_id: str) -> Record:
        known = self._read(vm_id)
        if known is None:
            raise ComputeFailed(reason=f"there is no guest {vm_id}")
        return known

    def _running(self, vm_id: str) -> Record:
        known = self._known(vm_id)
        if known.open is None:
            raise ComputeFailed(reason=f"{vm_id} does not run")
        return known

    def _read(self, vm_id: str) -> Record | None:
        """None for a missing or damaged record: its guest counts as removed, and its VM can be started again."""
        try:
            return self._parse(json.loads(self._file(vm_id).read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("a simulated guest's record is damaged", vm_id=vm_id, reason=type(error).__name__)
            return None

    def _parse(self, stored: dict[str, Any]) -> Record:
        opened = stored["open"]
        return Record(
            defined=_sources(self._home, stored["defined"]),
            private_ip=stored.get("private_ip", ""),
            open=None if opened is None else _sources(self._home, opened),
            groups=tuple(stored.get("groups", ())),
            panicked=stored.get("panicked", False),
            halted=stored.get("halted", False),
            public_ip=stored.get("public_ip"),
        )

    def _write(self, vm_id: str, record: Record) -> None:
        opened = None if record.open is None else _stored(self._home, record.open)
        stored = {"defined": _stored(self._home, record.defined), "open": opened}
        facts = {
            "private_ip": record.private_ip,
            "groups": record.groups,
            "panicked": record.panicked,
            "halted": record.halted,
            "public_ip": record.public_ip,
        }
        _replace(self._file(vm_id), stored | facts)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the records against threads and processes."""
        with (self._root / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _power_state(record: Record) -> PowerState:
    if record.panicked:
        return PowerState.PANICKED
    if record.halted:
        return PowerState.HALTED
    return PowerState.OFF if record.open is None else PowerState.RUNNING


def _without(disks: Disks, volume_id: str) -> Disks:
    return {each: source for each, source in disks.items() if each != volume_id}


def _stored(home: Path, disks: Disks) -> dict[str, SourceRecord]:
    return {volume_id: _source_record(home, source) for volume_id, source in disks.items()}


def _source_record(home: Path, source: DiskSource) -> SourceRecord:
    match source:
        case FileSource(path, format_):
            return {
                "name": str(path.relative_to(home) if path.is_relative_to(home) else path),
                "format": format_,
            }
        case MemorySource(name):
            return {"name": name, "format": None}


def _sources(home: Path, stored: Mapping[str, SourceRecord]) -> dict[str, DiskSource]:
    return {volume_id: _source(home, record) for volume_id, record in stored.items()}


def _source(home: Path, record: SourceRecord) -> DiskSource:
    if record["format"] is None:
        return MemorySource(record["name"])
    return FileSource(home / record["name"], record["format"])


def _replace(path: Path, stored: object) -> None:
    """Replace a file atomically: readers see the old or the new file."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(stored))
    partial.replace(path)
