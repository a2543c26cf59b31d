"""The XML of the region's network. Pure."""

from ipaddress import IPv4Address, IPv4Network
from xml.etree import ElementTree as ET

from souche.compute.libvirt.markup import parse, text
from souche.compute.libvirt.names import Names
from souche.compute.libvirt.reservations import folder

DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"
METADATA_IP = "169.254.169.254"
ROUTES = "dhcp-option=option:classless-static-route,"
PLACEHOLDER_MAC = "02:00:00:00:00:00"

ET.register_namespace("dnsmasq", DNSMASQ)


def gateway(cidr: IPv4Network) -> IPv4Address:
    """The host's own address in the network: the first."""
    return cidr[1]


def network(names: Names, cidr: IPv4Network, public_range: IPv4Network | None = None) -> str:
    """An isolated network: without <forward> libvirt lets nothing through the bridge.

    DHCP serves reservations only (`reservations`). The gateway's own, for a MAC that no guest has, makes libvirt
    start the service. Option 121 (RFC 3442) routes the metadata address and public IPs, and these alone, to the host;
    it stands in for a router option, and none is sent. No DNS: there is nothing to resolve in here.
    """
    root = ET.Element("network")
    ET.SubElement(root, "name").text = names.network
    ET.SubElement(root, "bridge", name=names.bridge, stp="off", delay="0")
    ET.SubElement(root, "dns", enable="no")
    own = ET.SubElement(root, "ip", address=str(gateway(cidr)), prefix=str(cidr.prefixlen))
    dhcp = ET.SubElement(own, "dhcp")
    ET.SubElement(dhcp, "host", mac=PLACEHOLDER_MAC, ip=str(gateway(cidr)))
    ET.SubElement(root, "ip", address=METADATA_IP, prefix="32")
    options = ET.SubElement(root, f"{{{DNSMASQ}}}options")
    routes = ",".join(f"{each},{gateway(cidr)}" for each in (f"{METADATA_IP}/32", public_range) if each)
    for value in (f"{ROUTES}{routes}", f"dhcp-hostsdir={folder(names.network)}"):
        ET.SubElement(options, f"{{{DNSMASQ}}}option", value=value)
    return text(root)


def essence(xml: str) -> tuple[object, ...]:
    """As `shape`, without what guests that run do not notice before they ask for their addresses again: the routes."""
    *rest, options = shape(xml)
    assert isinstance(options, list)
    return (*rest, [each for each in options if not each.startswith(ROUTES)])


def shape(xml: str) -> tuple[object, ...]:
    """What makes two networks the same to us. Leaves out what libvirt adds (UUID, MAC)."""
    root = parse(xml)
    return (
        root.findtext("name"),
        [each.get("name") for each in root.iterfind("bridge")],
        [each.get("mode", "nat") for each in root.iterfind("forward")],
        [each.get("enable") for each in root.iterfind("dns")],
        [(each.get("address"), each.get("prefix")) for each in root.iterfind("ip")],
        [each.get("value") for each in root.iterfind(f"{{{DNSMASQ}}}options/{{{DNSMASQ}}}option")],
    )
