"""Inspects a region's objects in libvirt and on this machine. Creates no network, folder or firewall."""

from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path

import libvirt

from souche.compute.inspection import ComputeState, SeenGuest
from souche.compute.libvirt import live_disks
from souche.compute.libvirt.bindings import Domain, Host
from souche.compute.libvirt.connection import Connection
from souche.compute.libvirt.firewall import RegionFirewall
from souche.compute.libvirt.firewall_rules import AllowedRoutes
from souche.compute.libvirt.names import Names, home_tag
from souche.compute.libvirt.reservations import Reservations


class LibvirtInspector:
    """A `ComputeInspector` of the region in `home`, on the libvirt at `uri`."""

    def __init__(
        self,
        home: Path,
        cidr: str,
        *,
        tag: str | None = None,
        uri: str = "qemu:///system",
    ) -> None:
        self._names = Names(tag or home_tag(home))
        self._firewall = RegionFirewall(home, self._names, AllowedRoutes(IPv4Network(cidr)))
        self._connection = Connection(uri, _nothing)

    def inspect(self) -> ComputeState:
        with self._connection.calling("list guests") as host:
            guests = dict(self._guests(host))
        reserved = {each.mac: each.ip for each in Reservations(self._names.network).all()}
        return ComputeState(guests, reserved, self._firewall.look(), self._firewall.is_loaded())

    def close(self) -> None:
        self._connection.close()

    def _guests(self, host: Host) -> Mapping[str, SeenGuest]:
        domains = ((self._names.vm_id(domain.name()), domain) for domain in host.listAllDomains())
        return {vm_id: _seen(domain) for vm_id, domain in domains if vm_id is not None}


def _seen(domain: Domain) -> SeenGuest:
    try:
        views = live_disks.running_views(domain)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        views = None  # the domain was removed meanwhile
    return SeenGuest(None if views is None else {each: view.source for each, view in views.items()})


def _nothing(_host: Host) -> None:
    """An inspection prepares nothing."""
