"""The libvirt hypervisor. See `compute/base.py` and `storage.base.LiveDisks` for the contract of each method."""

import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import libvirt

from souche.compute.base import Firewalls, Guest, GuestNetwork, PowerState
from souche.compute.libvirt import accelerator as accelerators
from souche.compute.libvirt import (
    console,
    domain_xml,
    domains,
    firmware,
    guest_sockets,
    host_paths,
    live_disks,
    qemu_capabilities,
)
from souche.compute.libvirt.accelerator import Accelerator
from souche.compute.libvirt.bindings import Domain, Host
from souche.compute.libvirt.connection import Connection, find
from souche.compute.libvirt.disk_xml import file_of
from souche.compute.libvirt.events import Events
from souche.compute.libvirt.firewall import RegionFirewall
from souche.compute.libvirt.firewall_rules import AllowedRoutes
from souche.compute.libvirt.host_paths import GuestFiles
from souche.compute.libvirt.names import Names, home_tag
from souche.compute.libvirt.network import RegionNetwork
from souche.errors import ComputeFailed
from souche.model.disks import DiskSource, GuestDisk, GuestHold
from souche.refusals import NoConsole

OFF_STATES = {libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_NOSTATE}


class LibvirtHypervisor:
    """Guests of the region in `home`, on the libvirt at `uri`, in an isolated network with the addresses
    `cidr`, and with public IPs of `public_range`; None: without. With `nat` guests reach what
    this machine reaches.

    `tag` (1 to 12 small letters and digits) distinguishes the region's names from another's on the same machine; by
    default it is derived from the home's path. With `accelerator` None the driver determines it, which takes up to 65
    seconds once per process. A guest that has not restarted within `reboot_grace_seconds` after the request is reset.

    Needs root: the network's addresses, DHCP leases and console logs belong to root.

    Raises:
        ComputeFailed: QEMU's user cannot reach files below `home`.
    """

    def __init__(
        self,
        home: Path,
        cidr: str,
        public_range: str | None = None,
        *,
        nat: bool = False,
        tag: str | None = None,
        uri: str = "qemu:///system",
        accelerator: Accelerator | None = None,
        reboot_grace_seconds: float = 30.0,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        host_paths.require_traversable(home)
        self._names = Names(tag or home_tag(home))
        self._routes = AllowedRoutes(
            IPv4Network(cidr), IPv4Network(public_range) if public_range else None, nat=nat
        )
        self._accelerator = accelerator or accelerators.detect()
        self._reboot_grace_seconds = reboot_grace_seconds
        self._files = GuestFiles(home)
        self._network = RegionNetwork(self._names, self._routes)
        # Serializes the operations on a guest's disks.
        self._disks_of: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._firewall = RegionFirewall(home, self._names, self._routes)
        self._unused_capabilities: tuple[str, ...] = ()
        self._connection = Connection(uri, self._prepare)
        self._events = Events(self._names, self.power_states)

    @property
    def accelerator(self) -> str:
        return self._accelerator

    @property
    def network(self) -> GuestNetwork:
        return GuestNetwork(str(self._routes.cidr), str(self._routes.gateway))

    @property
    def bridge(self) -> str:
        """The host's interface in the guests' network; it exists after `prepare`."""
        return self._names.bridge

    def prepare(self) -> None:
        """Connect, and create and start the network. The first call of any other method does the same."""
        with self._connection.calling("prepare"):
            return

    def define(self, guest: Guest) -> None:
        for disk in guest.disks:
            host_paths.require_traversable(file_of(disk.source).path.parent)
        self._files.prepare(guest.vm_id)
        self._firewall.shelter(guest.vm_id, guest.mac_address.lower(), guest.private_ip)
        with self._connection.calling(f"define {guest.vm_id}") as host:
            xml = domain_xml.domain(guest, self._placement(guest))
            known = self._find(host, guest.vm_id)
            before = domain_xml.reservation(_defined(known)) if known is not None else None
            host.defineXML(xml)  # without validation, which takes longer than the rest
            wanted = domain_xml.reservation(xml)
            if before is not None and before != wanted:
                self._network.release(host, before)
            if wanted is not None:
                self._network.reserve(host, wanted)

    def protect(self, wanted: Callable[[], Firewalls]) -> None:
        self._firewall.protect(wanted)

    def start(self, vm_id: str) -> None:
        with self._connection.calling(f"start {vm_id}") as host:
            self._start(host, self._known(host, vm_id), vm_id)

    def resume(self, vm_id: str) -> None:
        with self._connection.calling(f"resume {vm_id}") as host:
            domain = self._find(host, vm_id)
            if domain is not None:
                domains.resume_halted(domain)

    def shut_down(self, vm_id: str, timeout_seconds: float) -> None:
        with self._connection.calling(f"shut down {vm_id}") as host:
            domain = self._find(host, vm_id)
            if domain is not None:
                self._unplug_early_panic(domain, vm_id)
                domains.shut_down(domain, timeout_seconds)

    def power_off(self, vm_id: str) -> None:
        with self._connection.calling(f"power off {vm_id}") as host:
            domain = self._find(host, vm_id)
            if domain is not None:
                domains.power_off(domain)

    def reboot(self, vm_id: str) -> None:
        with self._connection.calling(f"reboot {vm_id}") as host:
            domain = self._known(host, vm_id)
            if self._unplug_early_panic(domain, vm_id):
                self._start(host, domain, vm_id)
            else:
                domains.reboot(host, domain, self._reboot_grace_seconds)

    def remove(self, vm_id: str) -> None:
        """The definition is removed last: it records what else to remove."""
        with self._connection.calling(f"remove {vm_id}") as host:
            domain = self._find(host, vm_id)
            if domain is not None:
                domains.power_off(domain)
                reservation = domain_xml.reservation(_defined(domain))
                if reservation is not None:
                    self._network.release(host, reservation)
                host_paths.remove_libvirt_logs(domain.name())
                domains.forget(domain)
        self._firewall.forget(vm_id)
        self._files.remove(vm_id)
        self._disks_of.pop(vm_id, None)

    def attach(self, vm_id: str, disk: GuestDisk) -> None:
        host_paths.require_traversable(file_of(disk.source).path.parent)
        with self._connection.calling(f"attach {disk.volume_id} to {vm_id}") as host:
            live_disks.attach(self._known(host, vm_id), disk)

    def detach(self, vm_id: str, volume_id: str) -> None:
        with self._connection.calling(f"detach {volume_id} from {vm_id}") as host, self._disks_of[vm_id]:
            domain = self._find(host, vm_id)
            if domain is not None:
                live_disks.stop_shortening(domain)
                live_disks.detach(domain, volume_id)

    def resize_disk(self, vm_id: str, volume_id: str, size_bytes: int) -> None:
        with self._connection.calling(f"resize {volume_id} of {vm_id}") as host, self._disks_of[vm_id]:
            domain = self._known(host, vm_id)
            live_disks.stop_shortening(domain)
            live_disks.resize(domain, volume_id, size_bytes)

    def shorten_disks(self, vm_id: str, most_files: int) -> None:
        with self._connection.calling(f"shorten the disks of {vm_id}") as host, self._disks_of[vm_id]:
            domain = self._find(host, vm_id)
            if domain is not None:
                live_disks.shorten(domain, most_files)

    def power_states(self) -> Mapping[str, PowerState]:
        with self._connection.calling("list guests") as host:
            stats = host.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
            named = [(self._names.vm_id(domain.name()), values) for domain, values in stats]
        return {
            vm_id: self._with_early_panic(vm_id, _power_state(values["state.state"], values["state.reason"]))
            for vm_id, values in named
            if vm_id is not None
        }

    def console(self, vm_id: str) -> bytes:
        return console.tail(self._files.console(vm_id))

    @contextmanager
    def serial(self, vm_id: str) -> Iterator[socket.socket]:
        with self._connection.calling(f"open the console of {vm_id}") as host:
            path = domain_xml.serial_socket(self._running(host, vm_id).XMLDesc())
        if path is None:
            without = (
                "stop and start it: an earlier version of Souche started it, or the home's path is too long."
            )
            raise NoConsole(vm_id=vm_id, reason=without)
        with guest_sockets.connected(vm_id, path) as serial:
            yield serial

    def screenshot(self, vm_id: str) -> bytes:
        with self._connection.calling(f"take a screenshot of {vm_id}") as host:
            return domains.screenshot(host, self._running(host, vm_id))

    def watch(self, changed: Callable[[str], None]) -> None:
        self._events.watch(changed)
        self.prepare()

    def close(self) -> None:
        self._events.close()
        self._connection.close()

    def open_disks(self, vm_id: str) -> Mapping[str, DiskSource] | None:
        with self._connection.calling(f"list the disks of {vm_id}") as host:
            domain = self._find(host, vm_id)
            running = live_disks.running_views(domain) if domain is not None else None
            return None if running is None else {id_: view.source for id_, view in running.items()}

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        with self._connection.calling(f"switch the disks of {vm_id}") as host, self._disks_of[vm_id]:
            domain = self._known(host, vm_id)
            live_disks.stop_shortening(domain)
            return live_disks.switch(domain, sources)

    def remove_network(self) -> None:
        """Remove the region's network and its firewalls, before the region itself is removed. The next call creates the
        network again, and the next start of a guest the firewalls."""
        with self._connection.calling("remove the network") as host:
            self._network.remove(host)
        self._firewall.remove()

    def _prepare(self, host: Host) -> None:
        self._network.ensure(host, guests_run=self._guests_run(host))
        self._firewall.ensure()
        self._unused_capabilities = qemu_capabilities.dispensable(host)
        self._events.subscribe(host)

    def _guests_run(self, host: Host) -> bool:
        active = host.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        return any(self._names.vm_id(domain.name()) is not None for domain in active)

    def _start(self, host: Host, domain: Domain, vm_id: str) -> None:
        self._unplug_early_panic(domain, vm_id)
        if not domain.isActive() or domains.has_panicked(domain):
            self._make_ready(host, domain, vm_id)
        domains.power_on(domain)

    def _with_early_panic(self, vm_id: str, power: PowerState) -> PowerState:
        """Add panics that libvirt does not know: it only knows those that a guest reports by pvpanic."""
        early = power is PowerState.RUNNING and console.ends_in_panic(self._files.console(vm_id))
        return PowerState.PANICKED if early else power

    def _unplug_early_panic(self, domain: Domain, vm_id: str) -> bool:
        """Power off a guest that hangs although libvirt reports it as running. Returns whether it did."""
        early = bool(domain.isActive()) and console.ends_in_panic(self._files.console(vm_id))
        if early:
            domains.power_off(domain)
        return early

    def _make_ready(self, host: Host, domain: Domain, vm_id: str) -> None:
        """Create the objects that a start relies on, in case another program removed them."""
        self._network.ensure(host, guests_run=self._guests_run(host))
        self._firewall.secure(vm_id)
        defined = _defined(domain)
        reservation = domain_xml.reservation(defined)
        if reservation is not None:
            self._network.reserve(host, reservation)
        self._files.prepare(vm_id)
        done, wanted = domain_xml.secure_boot(defined)
        if (done, wanted) != ("none", "none"):
            firmware.apply_secure_boot(self._files.nvram(vm_id), done, wanted)
        console.forget_turned_over(self._files.console(vm_id))

    def _placement(self, guest: Guest) -> domain_xml.Placement:
        return domain_xml.Placement(
            names=self._names,
            accelerator=self._accelerator,
            console=self._files.console(guest.vm_id),
            nvram=self._files.nvram(guest.vm_id),
            cache=live_disks.cache_mode(guest.disks[0].source),
            serial=self._files.serial(guest.vm_id),
            screen=self._files.screen(guest.vm_id),
            unused_capabilities=self._unused_capabilities,
        )

    def _find(self, host: Host, vm_id: str) -> Domain | None:
        return find(host, self._names.domain(vm_id))

    def _running(self, host: Host, vm_id: str) -> Domain:
        domain = self._find(host, vm_id)
        if domain is None or not domain.isActive():
            raise NoConsole(vm_id=vm_id, reason="it does not run.")
        return domain

    def _known(self, host: Host, vm_id: str) -> Domain:
        domain = self._find(host, vm_id)
        if domain is None:
            raise ComputeFailed(reason=f"there is no guest {vm_id}")
        return domain


def _defined(domain: Domain) -> str:
    return domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)


def _power_state(state: int, reason: int) -> PowerState:
    """For a guest that is off, libvirt knows whether it powered itself off (on its own or on request)."""
    if state == libvirt.VIR_DOMAIN_CRASHED:
        return PowerState.PANICKED
    if domains.is_halted(state, reason):
        return PowerState.HALTED
    if state not in OFF_STATES:
        return PowerState.RUNNING
    return PowerState.OFF if reason == libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN else PowerState.LOST
