"""The firewalls of all guests of a region, as one script of nft(8). Pure.

One transaction replaces both of the region's tables, so that at no moment a guest is open, and what a script has no
chain for is gone:

- family `ip`: what may begin from outside, for everything that goes to a guest's address through the bridge, from
  other guests (bridged frames pass here by br_netfilter) and from this machine. Of what a guest begins itself nothing
  is refused, and the answers come in. DHCP's answers come from the region.
- family `bridge`: a guest speaks by its own MAC and its own address only (the question for an address by DHCP
  excepted), and only IPv4 and ARP.

Not by libvirt's nwfilter: that runs some 70 commands one by one for each change of a guest (1 to 1.5 s seen where this
takes 20 ms), and does not see what this machine sends to a guest (OUTPUT has no --physdev-out).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, collapse_addresses

from souche.compute.libvirt.names import Names
from souche.model.firewall import ANY, EVERYWHERE, Passage

FAMILIES = ("ip", "bridge")
BEFORE_FILTER = -10  # of libvirt and of others, which are at 0
BEFORE_IP = -300  # bridged frames go to the family ip at 0


@dataclass(frozen=True)
class Shelter:
    """A guest, and what it lets in."""

    vm_id: str
    mac: str
    ip: str
    inbound: tuple[Passage, ...] = ()


def ruleset(names: Names, gateway: IPv4Address, shelters: Sequence[Shelter]) -> str:
    """The script that leaves exactly these firewalls."""
    lines = list(_replaced(names))
    lines += [f"table ip {names.table} {{", *_ip_table(names, gateway, shelters), "}"]
    lines += [f"table bridge {names.table} {{", *_bridge_table(names, shelters), "}"]
    return "\n".join([*lines, ""])


def removal(names: Names) -> str:
    """The script that leaves nothing."""
    return "\n".join([*_replaced(names), ""])


def _replaced(names: Names) -> Iterator[str]:
    """A table is declared before it is deleted: one that is not there is no error then."""
    for family in FAMILIES:
        yield f"table {family} {names.table}"
        yield f"delete table {family} {names.table}"


def _ip_table(names: Names, gateway: IPv4Address, shelters: Sequence[Shelter]) -> Iterator[str]:
    for shelter in shelters:
        yield from _chain(_chain_name(shelter), _inbound(gateway, shelter.inbound))
    jumps = ", ".join(f"{shelter.ip} : jump {_chain_name(shelter)}" for shelter in shelters)
    yield from _chain("guests", [f"ip daddr vmap {{ {jumps} }}"] if jumps else [])
    for hook in ("forward", "output"):
        begins = f"type filter hook {hook} priority {BEFORE_FILTER}; policy accept;"
        yield from _chain(hook, [begins, f'oifname "{names.bridge}" jump guests'])


def _inbound(gateway: IPv4Address, inbound: Sequence[Passage]) -> Iterator[str]:
    yield "ct state established,related accept"
    yield f"ip saddr {gateway} udp sport 67 udp dport 68 accept"
    for passage in inbound:
        if passage.sources:
            yield " ".join([*_from(passage.sources), *_traffic(passage), "accept"])
    yield "drop"


def _from(sources: Sequence[str]) -> list[str]:
    ranges = [
        str(each) for each in collapse_addresses(IPv4Network(source, strict=False) for source in sources)
    ]
    if EVERYWHERE in ranges:
        return []
    return ["ip saddr", ranges[0] if len(ranges) == 1 else f"{{ {', '.join(ranges)} }}"]


def _traffic(passage: Passage) -> list[str]:
    match passage.protocol:
        case "-1":
            return []
        case "icmp":
            named = {"type": passage.first, "code": passage.last}
            matches = [f"icmp {name} {number}" for name, number in named.items() if number != ANY]
            return matches or ["ip protocol icmp"]
        case protocol:
            return [f"{protocol} dport {passage.first}-{passage.last}"]


def _bridge_table(names: Names, shelters: Sequence[Shelter]) -> Iterator[str]:
    for shelter in shelters:
        yield from _chain(_chain_name(shelter), _spoken(shelter))
    jumps = ", ".join(f'"{names.port(shelter.vm_id)}" : jump {_chain_name(shelter)}' for shelter in shelters)
    begins = f"type filter hook prerouting priority {BEFORE_IP}; policy accept;"
    yield from _chain("ports", [begins, *([f"iifname vmap {{ {jumps} }}"] if jumps else [])])


def _spoken(shelter: Shelter) -> Iterator[str]:
    yield f"ether saddr != {shelter.mac} drop"
    yield f"ip saddr {shelter.ip} accept"
    yield "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept"
    yield f"arp saddr ether {shelter.mac} arp saddr ip {{ 0.0.0.0, {shelter.ip} }} accept"
    yield "drop"


def _chain(name: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"  chain {name} {{"
    for rule in rules:
        yield f"    {rule}"
    yield "  }"


def _chain_name(shelter: Shelter) -> str:
    return shelter.vm_id.replace("-", "_")
