"""The region's network as XML."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from souche.compute.libvirt import network_xml
from souche.compute.libvirt.firewall_rules import AllowedRoutes
from souche.compute.libvirt.names import Names

NAMES = Names("abc")
WAYS = AllowedRoutes(IPv4Network("10.0.4.0/22"), IPv4Network("198.19.7.0/24"))

# As libvirt 9.0 gives it back.
ROUTES = "169.254.169.254/32,10.0.4.1,198.19.7.0/24,10.0.4.1"
KEPT = f"""
<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>souche-abc</name>
  <uuid>a41eb4fe-2fdf-49cc-b067-bda5db3dee30</uuid>
  <bridge name='souabc' stp='off' delay='0'/>
  <mac address='52:54:00:d5:fb:2f'/>
  <dns enable='no'/>
  <ip address='10.0.4.1' prefix='22'>
    <dhcp>
      <host mac='02:00:00:00:00:00' ip='10.0.4.1'/>
    </dhcp>
  </ip>
  <ip address='169.254.169.254' prefix='32'>
  </ip>
  <dnsmasq:options>
    <dnsmasq:option value='dhcp-option=option:classless-static-route,{ROUTES}'/>
    <dnsmasq:option value='dhcp-hostsdir=/var/lib/libvirt/dnsmasq/souche-abc.reservations'/>
  </dnsmasq:options>
</network>
"""


def test_network() -> None:
    assert network_xml.network(NAMES, WAYS) == (
        '<network xmlns:dnsmasq="http://libvirt.org/schemas/network/dnsmasq/1.0">'
        "<name>souche-abc</name>"
        '<bridge name="souabc" stp="off" delay="0" />'
        '<dns enable="no" />'
        '<ip address="10.0.4.1" prefix="22">'
        '<dhcp><host mac="02:00:00:00:00:00" ip="10.0.4.1" /></dhcp>'
        "</ip>"
        '<ip address="169.254.169.254" prefix="32" />'
        "<dnsmasq:options>"
        '<dnsmasq:option value="dhcp-option=option:classless-static-route,'
        '169.254.169.254/32,10.0.4.1,198.19.7.0/24,10.0.4.1" />'
        '<dnsmasq:option value="dhcp-hostsdir=/var/lib/libvirt/dnsmasq/souche-abc.reservations" />'
        "</dnsmasq:options>"
        "</network>"
    )


def test_what_libvirt_adds_makes_no_other_network() -> None:
    assert network_xml.shape(KEPT) == network_xml.shape(network_xml.network(NAMES, WAYS))


def test_a_way_out_is_a_default_route_and_names() -> None:
    """What gets through is the firewall's to say: libvirt has no rules for an open network."""
    nat = network_xml.network(NAMES, replace(WAYS, nat=True))
    assert '<forward mode="open" /><dns enable="yes" />' in nat
    assert "198.19.7.0/24,10.0.4.1,0.0.0.0/0,10.0.4.1" in nat
    assert network_xml.essence(nat) == network_xml.essence(KEPT)


def test_other_routes_leave_the_network_of_guests_that_run() -> None:
    other = network_xml.network(NAMES, AllowedRoutes(WAYS.cidr, IPv4Network("198.19.8.0/24")))
    assert network_xml.shape(other) != network_xml.shape(KEPT)
    assert network_xml.essence(other) == network_xml.essence(KEPT)
    assert network_xml.essence(KEPT.replace("prefix='22'", "prefix='24'")) != network_xml.essence(KEPT)
    assert network_xml.essence(KEPT.replace("hostsdir", "optsdir")) != network_xml.essence(KEPT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<dns enable='no'/>", "<dns enable='no'/><forward mode='nat'/>"),
        ("prefix='22'", "prefix='24'"),
        (",10.0.4.1'", ",10.0.4.2'"),
    ],
)
def test_another_network_is_told(before: str, after: str) -> None:
    assert network_xml.shape(KEPT.replace(before, after)) != network_xml.shape(KEPT)
