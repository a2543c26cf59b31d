"""The region as its server recorded it, for processes beside the server."""

from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

from souche.app.context.region import Region
from souche.compute.base import GuestNetwork
from souche.config import BY_KEY, host_and_port, letters_of
from souche.db.store import Store
from souche.faults import Faults
from souche.home import Facts, Home
from souche.main import guest_network, public_range
from souche.main.regions import allow_list, make_region, make_room
from souche.main.remote_workflows import RemoteWorkflows
from souche.objects.addresses import AllowList
from souche.objects.fetch import Fetcher
from souche.objects.urls import parse_url
from souche.room import GIB
from souche.signing import PublicKey


def served_region(home: Home, store: Store, console: Callable[[str], bytes]) -> Region:
    """The region for use-cases in a process that runs no operations. It has no endpoint, and no gate on sharing."""
    facts = home.server_facts()
    cidr = guest_network.known(home, store)
    return make_region(
        home,
        str(facts.get("Region") or ""),
        "",
        store,
        GuestNetwork(cidr, str(IPv4Network(cidr)[1])),
        console,
        server_fetcher(home),
        RemoteWorkflows(store),
        str(facts.get("Oos") or ""),
        make_room(home, reserve_bytes_of(facts)),
        keeps_objects=facts.get("OosListen") is not None,
        public_range=public_range.known(home, store),
        subregion_letters=letters_of(str(facts.get("Subregions") or "a")),
        required_keys=tuple(map(PublicKey.read, str(facts.get("RequireSigned") or "").split())),
        faults=Faults(home.faults) if facts.get("AllowFaults") else None,
    )


def server_fetcher(home: Home, url: str = "") -> Fetcher:
    """Downloads with the server's rules, and also from the host of the operator's `url`."""
    trusted = home.server_facts().get("TlsTrusted")
    return Fetcher(server_allow_list(home, url), trusted=Path(str(trusted)) if trusted else None)


def server_allow_list(home: Home, url: str = "") -> AllowList:
    """The server's allow list for imports, and the host of the operator's `url`."""
    facts = home.server_facts()
    named = str(facts.get("AllowImport") or "").split(",")
    endpoints = [host_and_port("AllowImport", each) for each in named if each]
    if url:
        target = parse_url(url, "the URL")
        endpoints.append((target.host, target.port))
    return allow_list(endpoints, str(facts.get("Oos") or ""))


def reserve_bytes_of(facts: Facts) -> int:
    """The server's reserve, or the default one."""
    return int(float(facts.get("ReserveGib") or BY_KEY["reserve_gib"].default) * GIB)
