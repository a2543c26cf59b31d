"""The region's firewalls on the host.

Loading the tables takes nft(8) about 15 ms, mostly in the kernel, so simultaneous changes are loaded together: each
caller waits for the load that contains its change. The cost of a load depends on the changes, not on the number of
guests.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from souche.compute.base import Firewalls
from souche.compute.libvirt import firewall_rules, public_routes
from souche.compute.libvirt.batches import Batches
from souche.compute.libvirt.firewall_files import FirewallFiles
from souche.compute.libvirt.firewall_rules import FAMILIES, AllowedRoutes, GuestFirewall, State
from souche.compute.libvirt.names import Names
from souche.errors import ComputeFailed, SystemFailure
from souche.run import run

NFT_SECONDS: Final = 30.0
SEEN_SECONDS: Final = 5.0
"""For this long after a load or a check, a start assumes that the tables exist."""
FORWARDING: Final = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE_NETFILTER: Final = Path("/proc/sys/net/bridge")

log = structlog.get_logger()


@dataclass(frozen=True)
class _Task:
    """One caller's request: a change of the files (which returns whether to rebuild everything), and tables that match
    the files."""

    change: Callable[[], bool]
    checks_tables: bool = False


class RegionFirewall:
    """Firewalls in files below `<home>/firewall/`. Every method raises ComputeFailed when nft refuses."""

    def __init__(self, home: Path, names: Names, routes: AllowedRoutes) -> None:
        self._files = FirewallFiles(home.resolve() / "firewall")
        self._names = names
        self._routes = routes
        self._batches = Batches(self._carry_out)
        self._loaded: State | None = None
        self._seen_at = 0.0

    def ensure(self) -> None:
        """Make the tables match the files, pass frames between guests to them, and keep traffic for public IPs on this
        machine."""
        if self._routes.public_range:
            public_routes.check_free(self._names.bridge, self._routes.public_range)
        _let_bridged_frames_pass(self._names.bridge)
        if self._routes.nat:
            FORWARDING.write_text("1")
        self._batches.do(_Task(lambda: True))

    def shelter(self, vm_id: str, mac: str, ip: str) -> None:
        """Install the guest's firewall: its previous groups and public IP, or deny all if it is new. In force with the
        next load: `protect`, or `secure` before its start."""
        with self._files.locked() as own:
            if not own:
                self._loaded = None
            known = self._files.state.guests.get(vm_id)
            before = (known.groups, known.public_ip) if known else ()
            self._files.put_guest(GuestFirewall(vm_id, mac, ip, *before))

    def protect(self, wanted: Callable[[], Firewalls]) -> None:
        """See `Hypervisor.protect`."""
        self._batches.do(_Task(lambda: self._note(wanted())))

    def secure(self, vm_id: str) -> None:
        """Put a guest's firewall into force before its start. Something else may have flushed the tables, so they are
        checked, unless they were checked just now.

        Raises:
            ComputeFailed: the guest has none.
        """
        _let_bridged_frames_pass(self._names.bridge)
        self._keep_public_range_here()
        self._batches.do(_Task(lambda: self._require(vm_id), checks_tables=True))

    def forget(self, vm_id: str) -> None:
        """Remove a guest's firewall; a missing one is success."""
        self._batches.do(_Task(lambda: self._remove(vm_id)))

    def look(self) -> Firewalls:
        """The wanted firewalls of guests and groups. Takes no lock and creates nothing."""
        state = self._files.look()
        leading = {vm_id: guest.public_ip for vm_id, guest in state.guests.items() if guest.public_ip}
        groups = {vm_id: guest.groups for vm_id, guest in state.guests.items()}
        return Firewalls(groups, state.rules, public_ips=leading)

    def is_loaded(self) -> bool:
        """Whether the tables exist."""
        return self._are_there()

    def remove(self) -> None:
        """Remove the tables, and the routes."""
        if self._routes.public_range:
            public_routes.remove(self._routes.public_range)
        with self._files.locked():
            self._files.advance()
            self._loaded = None
            _nft(firewall_rules.removal(self._names))

    def _note(self, wanted: Firewalls) -> bool:
        for vm_id, groups in wanted.guests.items():
            known = self._files.state.guests.get(vm_id)
            if known is not None:
                public_ip = wanted.public_ips.get(vm_id)
                self._files.put_guest(replace(known, groups=tuple(sorted(groups)), public_ip=public_ip))
        for group_id, rules in wanted.groups.items():
            self._files.put_rules(group_id, rules)
        if wanted.from_scratch:
            self._files.remove_unused_rules()
        return wanted.from_scratch

    def _require(self, vm_id: str) -> bool:
        if vm_id not in self._files.state.guests:
            raise ComputeFailed(reason=f"{vm_id} has no firewall: define it first")
        return False

    def _remove(self, vm_id: str) -> bool:
        self._files.remove_guest(vm_id)
        return False

    def _carry_out(self, tasks: Sequence[_Task]) -> dict[int, Exception]:
        errors: dict[int, Exception] = {}
        everything = False
        with self._files.locked() as own:
            if not own:
                self._loaded = None
            for place, task in enumerate(tasks):
                try:
                    everything |= task.change()
                except Exception as error:
                    errors[place] = error
            self._load(everything=everything, checks_tables=any(task.checks_tables for task in tasks))
        return errors

    def _keep_public_range_here(self) -> None:
        """While there is no bridge, the firewall refuses traffic for the range."""
        if self._routes.public_range is None:
            return
        try:
            public_routes.ensure(self._names.bridge, self._routes.gateway, self._routes.public_range)
        except (ComputeFailed, OSError) as error:
            log.warning("public IPs lead to no guest", reason=str(error))

    def _load(self, *, everything: bool, checks_tables: bool) -> None:
        """Bring the tables to the state of the files: by the difference from the loaded state, or from scratch."""
        state, loaded = self._files.state, self._loaded
        self._loaded = None  # unknown until nft has succeeded
        if everything:
            self._keep_public_range_here()
        if everything or loaded is None or not self._load_change(loaded, state, checks_tables=checks_tables):
            self._files.advance()
            _nft(firewall_rules.ruleset(self._names, self._routes, state))
            self._seen_at = time.monotonic()
        self._loaded = State(dict(state.guests), dict(state.rules))

    def _load_change(self, loaded: State, state: State, *, checks_tables: bool) -> bool:
        """Load the change, if that is possible. Returns whether the tables match the files; False: load them from
        scratch."""
        script = firewall_rules.change(self._names, loaded, state)
        if not script:
            return not checks_tables or self._are_there()
        try:
            self._files.advance()
            _nft(script)
        except ComputeFailed as error:
            log.warning("the firewalls were changed by others, they are made again", reason=str(error))
            return False
        self._seen_at = time.monotonic()
        return True

    def _are_there(self) -> bool:
        """Whether both tables exist; checked at most every few seconds."""
        if time.monotonic() - self._seen_at > SEEN_SECONDS:
            listed = _run_nft(["list", "tables"]).decode().splitlines()
            if not all(f"table {family} {self._names.table}" in listed for family in FAMILIES):
                return False
            self._seen_at = time.monotonic()
        return True


def _let_bridged_frames_pass(bridge: str) -> None:
    """Make the kernel's br_netfilter pass frames between the bridge's ports to the table of the family ip. Its switch
    exists once the module is loaded."""
    switch = Path("/sys/class/net", bridge, "bridge/nf_call_iptables")
    if not BRIDGE_NETFILTER.exists():
        with contextlib.suppress(SystemFailure):
            run(["modprobe", "br_netfilter"], timeout_seconds=NFT_SECONDS)
    if not BRIDGE_NETFILTER.exists():
        log.warning("no br_netfilter: security groups do not filter traffic between guests of this machine")
        return
    switch.write_text("1")


def _nft(script: str) -> None:
    _run_nft(["-f", "-"], script)


def _run_nft(arguments: Sequence[str], script: str | None = None) -> bytes:
    try:
        return run(
            ["nft", *arguments],
            stdin=None if script is None else script.encode(),
            timeout_seconds=NFT_SECONDS,
        )
    except SystemFailure as error:
        raise ComputeFailed(reason=f"the firewall cannot be set: {error}") from error
