"""The region's firewalls on the host.

What each guest lets in is kept in a file of its own, so that after a restart of this machine, or when something else
has flushed the tables, all of them can be made again.
"""

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import structlog

from souche.compute.base import Firewalls
from souche.compute.libvirt import firewall_rules, network_xml
from souche.compute.libvirt.firewall_rules import Shelter
from souche.compute.libvirt.names import Names
from souche.errors import ComputeFailed, SystemFailure
from souche.model.firewall import Passage
from souche.run import run

NFT_SECONDS = 30.0
BRIDGE_NETFILTER = Path("/proc/sys/net/bridge")

log = structlog.get_logger()


class RegionFirewall:
    """Shelters in files below `<home>/firewall/`. Every method raises ComputeFailed when nft refuses."""

    def __init__(self, home: Path, names: Names, cidr: IPv4Network) -> None:
        self._root = home.resolve() / "firewall"
        self._names = names
        self._gateway = network_xml.gateway(cidr)

    def ensure(self) -> None:
        """Make the tables as the files say, and let the frames between guests pass them."""
        _let_bridged_frames_pass(self._names.bridge)
        with self._locked():
            self._apply()

    def shelter(self, vm_id: str, mac: str, ip: str) -> None:
        """Shelter a guest, which lets in what it did before, if it is known, and else nothing. An address has one
        guest: the shelter of another that was removed behind our back goes."""
        with self._locked():
            known = self._read(vm_id)
            for other in self._all():
                if other.ip == ip and other.vm_id != vm_id:
                    self._file(other.vm_id).unlink(missing_ok=True)
            self._write(Shelter(vm_id, mac, ip, known.inbound if known else ()))
            self._apply()

    def protect(self, wanted: Callable[[], Firewalls]) -> None:
        """See `Hypervisor.protect`."""
        with self._locked():
            for vm_id, inbound in wanted().items():
                known = self._read(vm_id)
                if known is not None:
                    self._write(replace(known, inbound=tuple(inbound)))
            self._apply()

    def forget(self, vm_id: str) -> None:
        """Remove a guest's firewall; gone already is success."""
        with self._locked():
            self._file(vm_id).unlink(missing_ok=True)
            self._apply()

    def remove(self) -> None:
        """Remove the tables."""
        with self._locked():
            _nft(firewall_rules.removal(self._names))

    def _apply(self) -> None:
        _nft(firewall_rules.ruleset(self._names, self._gateway, self._all()))

    def _all(self) -> list[Shelter]:
        return [_shelter(json.loads(path.read_bytes())) for path in sorted(self._root.glob("*.json"))]

    def _file(self, vm_id: str) -> Path:
        return self._root / f"{vm_id}.json"

    def _read(self, vm_id: str) -> Shelter | None:
        try:
            return _shelter(json.loads(self._file(vm_id).read_bytes()))
        except FileNotFoundError:
            return None

    def _write(self, shelter: Shelter) -> None:
        """Readers see the file before or after, never in between."""
        partial = self._root / f"{shelter.vm_id}.partial"
        partial.write_text(json.dumps(asdict(shelter)))
        partial.replace(self._file(shelter.vm_id))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time, among threads and processes."""
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _let_bridged_frames_pass(bridge: str) -> None:
    """The kernel's br_netfilter shows the table of the family ip what goes from one port of the bridge to another. Its
    switch is there once the module is."""
    switch = Path("/sys/class/net", bridge, "bridge/nf_call_iptables")
    if not BRIDGE_NETFILTER.exists():
        with contextlib.suppress(SystemFailure):
            run(["modprobe", "br_netfilter"], timeout_seconds=NFT_SECONDS)
    if not BRIDGE_NETFILTER.exists():
        log.warning("no br_netfilter: guests of this machine reach each other whatever their security groups")
        return
    switch.write_text("1")


def _nft(script: str) -> None:
    try:
        run(["nft", "-f", "-"], stdin=script.encode(), timeout_seconds=NFT_SECONDS)
    except SystemFailure as error:
        raise ComputeFailed(reason=f"the firewall cannot be set: {error}") from error


def _shelter(stored: Mapping[str, Any]) -> Shelter:
    passages = tuple(Passage(**{**each, "sources": tuple(each["sources"])}) for each in stored["inbound"])
    return Shelter(**{**stored, "inbound": passages})
