"""The wanted state of a region's firewalls, in files. After a restart of this machine, or after another program has
flushed the tables, all firewalls are rebuilt from them.

    <home>/firewall/
        .lock           held while a process reads or changes anything here, or loads the tables
        generation      a number that grows before each change and each load
        <vm id>.json    a guest: its addresses, its security groups, its public IP
        groups/<id>.json  the rules of a security group
"""

import contextlib
import fcntl
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import structlog

from souche.compute.libvirt.firewall_rules import GuestFirewall, State
from souche.model.security_groups import Rule

UNKNOWN: Final = -1

log = structlog.get_logger()


class FirewallFiles:
    """Keeps `state` in step with the files. Call its methods under `locked`; each change is one small file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._groups = root / "groups"
        self._generation = UNKNOWN
        self.state = State()

    @contextlib.contextmanager
    def locked(self) -> Iterator[bool]:
        """Lock the files against threads and processes. Yields whether nobody else has changed or loaded anything since
        this object's last lock."""
        self._groups.mkdir(parents=True, exist_ok=True)
        with (self._root / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            present = self._read_generation()
            own = present == self._generation
            if not own:
                self.state = State(self._read_guests(), self._read_rules())
                self._generation = present
            yield own

    def look(self) -> State:
        """The current state of the files. Takes no lock, and creates nothing."""
        return State(self._read_guests(), self._read_rules())

    def advance(self) -> None:
        """Begin a new generation: the state of other objects is out of date."""
        self._generation += 1
        _replace(self._root / "generation", str(self._generation))

    def put_guest(self, guest: GuestFirewall) -> None:
        """Write a guest. An address and a public IP belong to one guest: another guest with the same address was
        removed outside of Souche and is dropped; another one with the same public IP loses it."""
        others = [each for each in self.state.guests.values() if each.vm_id != guest.vm_id]
        for other in others:
            if other.ip == guest.ip:
                self.remove_guest(other.vm_id)
            elif other.public_ip is not None and other.public_ip == guest.public_ip:
                self.put_guest(replace(other, public_ip=None))
        if self.state.guests.get(guest.vm_id) != guest:
            self.advance()
            _replace(self._root / f"{guest.vm_id}.json", json.dumps(asdict(guest)))
            self.state.guests[guest.vm_id] = guest

    def remove_guest(self, vm_id: str) -> None:
        """Remove a guest; a missing one is success."""
        if vm_id in self.state.guests:
            self.advance()
            (self._root / f"{vm_id}.json").unlink(missing_ok=True)
            del self.state.guests[vm_id]

    def put_rules(self, group_id: str, rules: Sequence[Rule]) -> None:
        """Write the rules of a group."""
        if self.state.rules.get(group_id) != tuple(rules):
            self.advance()
            _replace(self._groups / f"{group_id}.json", json.dumps([asdict(rule) for rule in rules]))
            self.state.rules[group_id] = tuple(rules)

    def remove_unused_rules(self) -> None:
        """Remove the rules of groups without guests."""
        used = {group_id for guest in self.state.guests.values() for group_id in guest.groups}
        for group_id in self.state.rules.keys() - used:
            self.advance()
            (self._groups / f"{group_id}.json").unlink(missing_ok=True)
            del self.state.rules[group_id]

    def _read_generation(self) -> int:
        """0 if there is none, or if a power failure left the file empty."""
        try:
            return int((self._root / "generation").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _read_guests(self) -> dict[str, GuestFirewall]:
        """Files of earlier releases name no groups: such a guest's firewall denies all until the sweep after the
        start."""
        return {
            path.stem: GuestFirewall(
                stored["vm_id"],
                stored["mac"],
                stored["ip"],
                tuple(stored.get("groups", ())),
                stored.get("public_ip"),
            )
            for path, stored in _read(self._root)
        }

    def _read_rules(self) -> dict[str, tuple[Rule, ...]]:
        return {path.stem: tuple(Rule(**each) for each in stored) for path, stored in _read(self._groups)}


def _read(folder: Path) -> Iterator[tuple[Path, Any]]:
    """Skips a file that a power failure has left empty: no guest has run since, and each is defined again before its
    start."""
    for path in sorted(folder.glob("*.json")):
        try:
            yield path, json.loads(path.read_bytes())
        except ValueError:
            log.warning("a firewall's file is damaged, it is made again", path=str(path))


def _replace(path: Path, text: str) -> None:
    """Replace a file atomically: readers see the old or the new file."""
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)
