"""The XML of the region's network. Pure."""

from xml.etree import ElementTree as ET

from souche.compute.libvirt.firewall_rules import AllowedRoutes
from souche.compute.libvirt.markup import parse, text
from souche.compute.libvirt.names import Names
from souche.compute.libvirt.reservations import folder

DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"
METADATA_IP = "169.254.169.254"
ROUTES = "dhcp-option=option:classless-static-route,"
PLACEHOLDER_MAC = "02:00:00:00:00:00"

ET.register_namespace("dnsmasq", DNSMASQ)


def network(names: Names, routes: AllowedRoutes) -> str:
    """An isolated network: without <forward>, libvirt forwards nothing through the bridge. If guests may connect
    outside, libvirt leaves forwarding to the region's own firewall, and guests get a default route and this machine's
    resolver.

    DHCP serves reservations only (`reservations`). The gateway's own reservation, for a MAC that no guest has, makes
    libvirt start the service. Option 121 (RFC 3442) routes only the metadata address and public IPs to the host. It
    replaces a router option, which is not sent. If guests may not connect outside, there is no DNS: there are no names
    to resolve.
    """
    root = ET.Element("network")
    ET.SubElement(root, "name").text = names.network
    ET.SubElement(root, "bridge", name=names.bridge, stp="off", delay="0")
    if routes.nat:
        ET.SubElement(root, "forward", mode="open")
    ET.SubElement(root, "dns", enable="yes" if routes.nat else "no")
    own = ET.SubElement(root, "ip", address=str(routes.gateway), prefix=str(routes.cidr.prefixlen))
    dhcp = ET.SubElement(own, "dhcp")
    ET.SubElement(dhcp, "host", mac=PLACEHOLDER_MAC, ip=str(routes.gateway))
    ET.SubElement(root, "ip", address=METADATA_IP, prefix="32")
    options = ET.SubElement(root, f"{{{DNSMASQ}}}options")
    routed = (f"{METADATA_IP}/32", routes.public_range, "0.0.0.0/0" if routes.nat else None)
    dhcp_routes = ",".join(f"{each},{routes.gateway}" for each in routed if each)
    for value in (f"{ROUTES}{dhcp_routes}", f"dhcp-hostsdir={folder(names.network)}"):
        ET.SubElement(options, f"{{{DNSMASQ}}}option", value=value)
    return text(root)


def essence(xml: str) -> tuple[object, ...]:
    """As `shape`, without the parts that may differ until no guest runs: NAT, names and routes."""
    name, bridges, _forward, _dns, addresses, options = shape(xml)
    assert isinstance(options, list)
    return name, bridges, addresses, [each for each in options if not each.startswith(ROUTES)]


def shape(xml: str) -> tuple[object, ...]:
    """The parts of a network that must be equal for Souche. Leaves out libvirt's additions (UUID, MAC)."""
    root = parse(xml)
    return (
        root.findtext("name"),
        [each.get("name") for each in root.iterfind("bridge")],
        [each.get("mode", "nat") for each in root.iterfind("forward")],
        [each.get("enable") for each in root.iterfind("dns")],
        [(each.get("address"), each.get("prefix")) for each in root.iterfind("ip")],
        [each.get("value") for each in root.iterfind(f"{{{DNSMASQ}}}options/{{{DNSMASQ}}}option")],
    )
