"""The region's isolated network on the host, with its reservations and leases. Created if it is missing."""

import shutil

import libvirt
import structlog

from souche.compute.libvirt import network_xml
from souche.compute.libvirt.bindings import Host, Network
from souche.compute.libvirt.firewall_rules import AllowedRoutes
from souche.compute.libvirt.names import Names
from souche.compute.libvirt.reservations import PROCESS_FILES, Reservation, Reservations
from souche.compute.libvirt.waiting import wait_until
from souche.errors import ComputeFailed, SystemFailure
from souche.run import run

RELEASE_SECONDS = 2.0

log = structlog.get_logger()


class RegionNetwork:
    """Every method takes the open connection and raises `libvirtError`, for the caller to translate."""

    def __init__(self, names: Names, routes: AllowedRoutes) -> None:
        self._names = names
        self._routes = routes
        self._reservations = Reservations(names.network)

    def ensure(self, host: Host, *, guests_run: bool) -> Network:
        """Create the network, or replace one with another definition, and start it. While guests use a network that
        differs only in routes, names or NAT, it stays: the firewall decides what passes. It also stays for a driver
        without public IPs, which is no server's: a server listens for guests on the network's bridge.

        Raises:
            ComputeFailed: it has another definition, and guests use it.
        """
        self._reservations.ensure()
        wanted = network_xml.network(self._names, self._routes)
        network = _find(host, self._names.network)
        if network is not None and network_xml.shape(network.XMLDesc()) != network_xml.shape(wanted):
            similar = network_xml.essence(network.XMLDesc()) == network_xml.essence(wanted)
            if similar and self._routes.public_range is None:
                _start(network)
                return network
            if guests_run and similar:
                log.info(
                    "the changed routes of the network take effect at the next start without running guests",
                    network=self._names.network,
                )
                return network
            if guests_run:
                raise ComputeFailed(reason=f"the network {self._names.network} differs from the settings")
            log.info("network replaced", network=self._names.network)
            _remove(network)
            network = None
        network = network or host.networkDefineXML(wanted)
        _start(network)
        return network

    def remove(self, host: Host) -> None:
        """Remove the network, and the empty directory and PID file that libvirt leaves behind."""
        network = _find(host, self._names.network)
        if network is not None:
            _remove(network)
        shutil.rmtree(PROCESS_FILES / self._names.network, ignore_errors=True)
        (PROCESS_FILES / f"{self._names.network}.pid").unlink(missing_ok=True)
        self._reservations.remove()

    def reserve(self, host: Host, wanted: Reservation) -> None:
        """Reserve `wanted.ip` for `wanted.mac` in DHCP. dnsmasq refuses an address whose lease belongs to another MAC,
        so the lease of a guest that was removed outside of Souche is released. The previous reservation shows such a
        guest too, because libvirt learns of leases late."""
        network = host.networkLookupByName(self._names.network)
        former = {each.mac for each in self._reservations.add(wanted) if each.ip == wanted.ip}
        former |= {lease["mac"] for lease in network.DHCPLeases() if lease["ipaddr"] == wanted.ip}
        if network.isActive():
            for mac in former - {wanted.mac}:
                self._end_lease(network, wanted.ip, mac)

    def release(self, host: Host, reservation: Reservation) -> None:
        """Remove the reservation, and the lease if the guest took one: otherwise dnsmasq would refuse the address to
        another MAC until the lease expires.

        Raises:
            ComputeFailed: the lease stays.
        """
        network = host.networkLookupByName(self._names.network)
        self._reservations.discard(reservation.mac)
        if network.isActive():
            self._end_lease(network, reservation.ip, reservation.mac)
        # Otherwise dnsmasq is not running; `reserve` ends the lease before the address is used again.

    def _end_lease(self, network: Network, ip: str, mac: str) -> None:
        """Release a lease, even if libvirt does not show it yet: dnsmasq answers the guest first and notifies libvirt
        later, and a datagram may be lost. The client's identifier is left out: dnsmasq then finds the lease by MAC
        (dnsmasq 2.90, `lease_find_by_client`)."""

        def ended() -> bool:
            self._send_release(ip, mac)
            return not any(lease["ipaddr"] == ip for lease in network.DHCPLeases(mac))

        if not wait_until(ended, RELEASE_SECONDS):
            raise ComputeFailed(reason=f"dnsmasq keeps the lease of {ip} by {mac}")

    def _send_release(self, ip: str, mac: str) -> None:
        try:
            run(["dhcp_release", self._names.bridge, ip, mac], timeout_seconds=10)
        except SystemFailure as error:
            raise ComputeFailed(reason=str(error)) from error


def _find(host: Host, name: str) -> Network | None:
    try:
        return host.networkLookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
            return None
        raise


def _start(network: Network) -> None:
    """Several processes of the region may do this at the same time: all but the first find it started."""
    if network.isActive():
        return
    try:
        network.create()
    except libvirt.libvirtError:
        if not network.isActive():
            raise


def _remove(network: Network) -> None:
    if network.isActive():
        network.destroy()
    network.undefine()
