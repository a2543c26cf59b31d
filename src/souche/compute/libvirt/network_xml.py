"""The XML of the region's network and of its DHCP reservations. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from xml.etree import ElementTree as ET

from souche.compute.libvirt.markup import parse, text
from souche.compute.libvirt.names import Names

DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"
METADATA_IP = "169.254.169.254"
PLACEHOLDER_MAC = "02:00:00:00:00:00"

ET.register_namespace("dnsmasq", DNSMASQ)


@dataclass(frozen=True)
class Reservation:
    """The address that DHCP gives to a MAC. `name` is the host name in the answer; None sends none."""

    mac: str
    ip: str
    name: str | None = None


def gateway(cidr: IPv4Network) -> IPv4Address:
    """The host's own address in the network: the first."""
    return cidr[1]


def network(names: Names, cidr: IPv4Network) -> str:
    """An isolated network: without <forward> libvirt lets nothing through the bridge.

    DHCP serves reservations only. The gateway's own, for a MAC that no guest has, keeps the service up while
    there is no guest. Option 121 (RFC 3442) routes the metadata address, and that alone, to the host; it
    stands in for a router option, and none is sent. No DNS: there is nothing to resolve in here.
    """
    root = ET.Element("network")
    ET.SubElement(root, "name").text = names.network
    ET.SubElement(root, "bridge", name=names.bridge, stp="off", delay="0")
    ET.SubElement(root, "dns", enable="no")
    own = ET.SubElement(root, "ip", address=str(gateway(cidr)), prefix=str(cidr.prefixlen))
    ET.SubElement(own, "dhcp").append(_host(Reservation(PLACEHOLDER_MAC, str(gateway(cidr)))))
    ET.SubElement(root, "ip", address=METADATA_IP, prefix="32")
    options = ET.SubElement(root, f"{{{DNSMASQ}}}options")
    route = f"dhcp-option=option:classless-static-route,{METADATA_IP}/32,{gateway(cidr)}"
    ET.SubElement(options, f"{{{DNSMASQ}}}option", value=route)
    return text(root)


def shape(xml: str) -> tuple[object, ...]:
    """What makes two networks the same to us. Leaves out what libvirt adds (UUID, MAC) and the
    reservations."""
    root = parse(xml)
    return (
        root.findtext("name"),
        [each.get("name") for each in root.iterfind("bridge")],
        [each.get("mode", "nat") for each in root.iterfind("forward")],
        [each.get("enable") for each in root.iterfind("dns")],
        [(each.get("address"), each.get("prefix")) for each in root.iterfind("ip")],
        [each.get("value") for each in root.iterfind(f"{{{DNSMASQ}}}options/{{{DNSMASQ}}}option")],
    )


def reservations(xml: str) -> list[Reservation]:
    """The reservations of a network, without the placeholder."""
    hosts = parse(xml).iterfind("ip/dhcp/host")
    found = (Reservation(each.get("mac", ""), each.get("ip", ""), each.get("name")) for each in hosts)
    return [each for each in found if each.mac != PLACEHOLDER_MAC]


def stale(present: Iterable[Reservation], wanted: Reservation) -> list[Reservation]:
    """Those that stand in the way of `wanted`: same MAC or same address."""
    return [each for each in present if each != wanted and (each.mac == wanted.mac or each.ip == wanted.ip)]


def host(reservation: Reservation) -> str:
    """A reservation as `virNetworkUpdate` takes it."""
    return text(_host(reservation))


def _host(reservation: Reservation) -> ET.Element:
    element = ET.Element("host", mac=reservation.mac, ip=reservation.ip)
    if reservation.name is not None:
        element.set("name", reservation.name)
    return element
