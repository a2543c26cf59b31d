"""The firewalls of all guests of a region, as scripts of nft(8). Pure.

A script is one transaction, so a guest is never open. `ruleset` replaces both tables of the region. `change` updates
them from one state to another; its length depends only on the differences. A guest is some elements of sets and maps. A
security group is a chain of rules and a set of its members' addresses.

- family `ip`: filters new connections to guests' addresses through the bridge, from other guests (br_netfilter passes
  bridged frames here) and from this machine. Connections that a guest opens are allowed, with their replies. DHCP's
  replies come from the region. A map leads from an address to the chain of its guest's combination of groups, which
  jumps to the chain of each group and drops the rest. Before that, packets from this machine and guests to a public IP
  are translated to its guest's address. Untranslated packets to the public range are refused, on any route. Guests'
  packets are forwarded to guests only, unless guests may connect outside.
- family `bridge`: a guest sends only from its own MAC and address (except for DHCP requests), and only IPv4 and ARP.

libvirt's nwfilter is not used: it runs about 70 commands, one by one, for each change of a guest (1 to 1.5 s seen; this
takes 20 ms), and does not filter packets from this machine to a guest (OUTPUT has no --physdev-out).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from typing import Final

from souche.compute.libvirt.names import Names
from souche.model.firewall import ANY, EVERYWHERE
from souche.model.security_groups import Rule

FAMILIES: Final = ("ip", "bridge")
DESTINATION_NAT: Final = -100
SOURCE_NAT: Final = 100
LINK_LOCAL: Final = "169.254.0.0/16"
BEFORE_FILTER: Final = -10  # libvirt's filters and others have priority 0
BEFORE_IP: Final = -300  # bridged frames reach the family ip at priority 0
NOTHING: Final = "in_no_group"


@dataclass(frozen=True)
class AllowedRoutes:
    """Where packets of a region may go: to guests in `cidr`, to public IPs of `public_range`, and with `nat` from
    guests to everything that this machine reaches, with this machine as source; never to link-local addresses."""

    cidr: IPv4Network
    public_range: IPv4Network | None = None
    nat: bool = False

    @property
    def gateway(self) -> IPv4Address:
        """This machine's own address in the guests' network: the first."""
        return self.cidr[1]


@dataclass(frozen=True)
class GuestFirewall:
    """A guest's address, its security groups, and its public IP."""

    vm_id: str
    mac: str
    ip: str
    groups: tuple[str, ...] = ()
    public_ip: str | None = None


@dataclass
class State:
    """The guests by VM id, and the rules of groups by group id. Unchanged parts are the same objects in two states, so
    states are quick to compare."""

    guests: dict[str, GuestFirewall] = field(default_factory=dict)
    rules: dict[str, tuple[Rule, ...]] = field(default_factory=dict)


def ruleset(names: Names, routes: AllowedRoutes, state: State) -> str:
    """The script that replaces both tables by these firewalls."""
    lines = [*_replaced(names), *_ip_table(names, routes), *_bridge_table(names)]
    return "\n".join(lines) + "\n" + change(names, State(), state)


def removal(names: Names) -> str:
    """The script that removes both tables."""
    return "\n".join([*_replaced(names), ""])


def change(names: Names, before: State, after: State) -> str:
    """The script that changes the tables from one state to another; empty if both are equal. nft refuses it if the
    tables do not match `before`.

    Chains of groups, and of combinations of them, stay when their last guest leaves: nothing jumps to them.
    """
    gone = [guest for vm_id, guest in before.guests.items() if after.guests.get(vm_id) is not guest]
    new = [guest for vm_id, guest in after.guests.items() if before.guests.get(vm_id) is not guest]
    changed = {
        group_id: rules for group_id, rules in after.rules.items() if before.rules.get(group_id) is not rules
    }
    lines = [
        *_elements(names, "delete", gone),
        *_group_chains(names, changed, {group_id for guest in new for group_id in guest.groups}),
        *_combinations(names, new),
        *_elements(names, "add", new),
    ]
    return "\n".join([*lines, ""]) if lines else ""


def _replaced(names: Names) -> Iterator[str]:
    """A table is declared before it is deleted, so deleting a missing one is no error."""
    for family in FAMILIES:
        yield f"table {family} {names.table}"
        yield f"delete table {family} {names.table}"


def _ip_table(names: Names, routes: AllowedRoutes) -> Iterator[str]:
    yield f"table ip {names.table} {{"
    yield "  map guests { type ipv4_addr : verdict; }"
    yield "  map public_ips { type ipv4_addr : ipv4_addr; }"
    yield from _chain(
        "guests",
        [
            "ct state established,related accept",
            f"ip saddr {routes.gateway} udp sport 67 udp dport 68 accept",
            "ip daddr vmap @guests",
        ],
    )
    for hook, source in (("prerouting", f'iifname "{names.bridge}" '), ("output", "")):
        begins = f"type nat hook {hook} priority {DESTINATION_NAT}; policy accept;"
        yield from _chain(f"public_{hook}", [begins, f"{source}dnat to ip daddr map @public_ips"])
    public = routes.public_range
    nowhere = [f"ip daddr {public} reject with icmp type host-unreachable"] if public else []
    rules = {
        "forward": list(_forwarded(names, routes)),
        "output": [f'oifname "{names.bridge}" icmp type redirect drop'],  # would bypass the translation
    }
    for hook, own in rules.items():
        begins = f"type filter hook {hook} priority {BEFORE_FILTER}; policy accept;"
        yield from _chain(hook, [begins, *nowhere, *own, f'oifname "{names.bridge}" jump guests'])
    if routes.nat:
        begins = f"type nat hook postrouting priority {SOURCE_NAT}; policy accept;"
        yield from _chain(
            "way_out", [begins, f'ip saddr {routes.cidr} oifname != "{names.bridge}" masquerade']
        )
    yield "}"


def _forwarded(names: Names, routes: AllowedRoutes) -> Iterator[str]:
    """The guests' traffic to the outside of their bridge, and its replies."""
    out = f'iifname "{names.bridge}" oifname != "{names.bridge}"'
    if not routes.nat:
        yield f"{out} drop"
        return
    yield f"{out} ip daddr {LINK_LOCAL} drop"
    yield f'iifname != "{names.bridge}" oifname "{names.bridge}" ct state != {{ established, related }} drop'


def _bridge_table(names: Names) -> Iterator[str]:
    yield f"table bridge {names.table} {{"
    yield "  set ports { type ifname; }"
    yield "  set macs { type ifname . ether_addr; }"
    yield "  set addresses { type ifname . ether_addr . ipv4_addr; }"
    yield from _chain(
        "guest",
        [
            "iifname . ether saddr != @macs drop",
            "iifname . ether saddr . ip saddr @addresses accept",
            "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
            "iifname . arp saddr ether . arp saddr ip @addresses accept",
            "arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs accept",
            "drop",
        ],
    )
    begins = f"type filter hook prerouting priority {BEFORE_IP}; policy accept;"
    yield from _chain("ports", [begins, "iifname @ports jump guest"])
    yield "}"


def _chain(name: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"  chain {name} {{"
    for rule in rules:
        yield f"    {rule}"
    yield "  }"


def _elements(names: Names, verb: str, guests: Sequence[GuestFirewall]) -> Iterator[str]:
    """The elements of guests in sets and maps; those of one set together, which nft reads much faster."""
    by_set: defaultdict[str, list[str]] = defaultdict(list)
    for guest in guests:
        port = f'"{names.port(guest.vm_id)}"'
        by_set[f"ip {names.table} guests"].append(f"{guest.ip} : jump {_combination(guest.groups)}")
        by_set[f"bridge {names.table} ports"].append(port)
        by_set[f"bridge {names.table} macs"].append(f"{port} . {guest.mac}")
        by_set[f"bridge {names.table} addresses"].append(f"{port} . {guest.mac} . {guest.ip}")
        if guest.public_ip is not None:
            by_set[f"ip {names.table} public_ips"].append(f"{guest.public_ip} : {guest.ip}")
        for group_id in guest.groups:
            by_set[f"ip {names.table} {_members(group_id)}"].append(guest.ip)
    for name, elements in by_set.items():
        yield f"{verb} element {name} {{ {', '.join(elements)} }}"


def _group_chains(
    names: Names, changed: Mapping[str, Sequence[Rule]], joined: Collection[str]
) -> Iterator[str]:
    """The chains of the groups with changed rules; and for groups that guests have joined, chains that only need to
    exist."""
    rules = [rule for of_group in changed.values() for rule in of_group]
    meant = {rule.source_group for rule in rules if rule.source_group is not None}
    for group_id in sorted({*joined, *meant}):
        yield f"add set ip {names.table} {_members(group_id)} {{ type ipv4_addr; }}"
    for group_id in sorted({*joined, *changed}):
        yield f"add chain ip {names.table} {_group_chain(group_id)}"
    for group_id, of_group in sorted(changed.items()):
        yield f"flush chain ip {names.table} {_group_chain(group_id)}"
        for line in _let_in(of_group):
            yield f"add rule ip {names.table} {_group_chain(group_id)} {line}"


def _combinations(names: Names, guests: Sequence[GuestFirewall]) -> Iterator[str]:
    for groups in sorted({guest.groups for guest in guests}):
        chain = f"ip {names.table} {_combination(groups)}"
        yield f"add chain {chain}"
        yield f"flush chain {chain}"
        for group_id in groups:
            yield f"add rule {chain} jump {_group_chain(group_id)}"
        yield f"add rule {chain} drop"


def _let_in(rules: Iterable[Rule]) -> Iterator[str]:
    """The rules of a group. Ranges for the same traffic are one set, in which nft refuses overlapping ranges."""
    by_traffic: defaultdict[str, list[str]] = defaultdict(list)
    for rule in rules:
        by_traffic[_traffic(rule)].append(
            rule.source if rule.source_group is None else f"@{_members(rule.source_group)}"
        )
    for traffic, sources in by_traffic.items():
        for source in _sources(sources):
            yield " ".join(part for part in (source, traffic, "accept") if part)


def _sources(sources: Sequence[str]) -> Iterator[str]:
    ranges = [IPv4Network(each, strict=False) for each in sources if not each.startswith("@")]
    collapsed = [str(each) for each in collapse_addresses(ranges)]
    if EVERYWHERE in collapsed:
        yield ""
        return
    if collapsed:
        yield f"ip saddr {{ {', '.join(collapsed)} }}" if len(collapsed) > 1 else f"ip saddr {collapsed[0]}"
    for members in sources:
        if members.startswith("@"):
            yield f"ip saddr {members}"


def _traffic(rule: Rule) -> str:
    match rule.protocol:
        case "-1":
            return ""
        case "icmp":
            named = {"type": rule.from_port, "code": rule.to_port}
            matches = [f"icmp {name} {number}" for name, number in named.items() if number != ANY]
            return " ".join(matches) or "ip protocol icmp"
        case protocol:
            return f"{protocol} dport {rule.from_port}-{rule.to_port}"


def _members(group_id: str) -> str:
    return f"members_{group_id.replace('-', '_')}"


def _group_chain(group_id: str) -> str:
    return f"group_{group_id.replace('-', '_')}"


def _combination(groups: tuple[str, ...]) -> str:
    """The chain of the guests in exactly these groups."""
    if len(groups) < 2:
        return f"in_{groups[0].replace('-', '_')}" if groups else NOTHING
    return f"in_{sha256(' '.join(groups).encode()).hexdigest()[:16]}"
