"""The region for the operator's commands, beside its server or without one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from souche.cli.composition import Administered
from souche.compute.base import GuestNetwork
from souche.config import GIB, SETTINGS, host_and_port, letters_of
from souche.errors import Unavailable
from souche.home import Facts, Home, NotServed
from souche.main import guest_network, public_range
from souche.main.databases import open_store
from souche.main.regions import allow_list, make_region, make_room
from souche.main.remote_workflows import RemoteWorkflows
from souche.objects.addresses import AllowList
from souche.objects.fetch import Fetcher
from souche.objects.urls import parse_url
from souche.recipes import debian
from souche.signing import PublicKey
from souche.storage.qcow2.driver import Qcow2Store


@contextmanager
def administer(path: Path, *, make: bool = False) -> Iterator[Administered]:
    """The region in a home folder for the operator's commands, beside its server or without one. `make`: where there
    is none, one is made.

    Raises:
        NotServed: there is none, and none is to be made.
    """
    home = Home(path.resolve())
    if not (make or home.database.exists() or home.region_id.exists()):
        raise NotServed(home=home.path)
    home.make()
    with open_store(home) as store:
        network = GuestNetwork(guest_network.known(home, store), "")
        fetcher = Fetcher(told_allow_list(home))
        facts = home.told()
        name, oos_endpoint = str(facts.get("Region") or ""), str(facts.get("Oos") or "")
        region = make_region(
            home,
            name,
            "",
            store,
            network,
            _no_console,
            fetcher,
            RemoteWorkflows(store),
            oos_endpoint,
            make_room(home, reserve_bytes_of(facts)),
            keeps_objects=facts.get("OosListen") is not None,
            public_range=public_range.known(home, store),
            subregion_letters=letters_of(str(facts.get("Subregions") or "a")),
            required_keys=tuple(map(PublicKey.read, str(facts.get("RequireSigned") or "").split())),
        )
        yield Administered(
            region,
            Qcow2Store(home.path),
            home.staging,
            finish=lambda operation_id: _offline().finish(home, region, operation_id),
            ensure_bucket=lambda bucket, account_id: _offline().ensure_bucket(
                home, region, bucket, account_id
            ),
            is_served=home.is_served,
            examine=lambda image_id, wait: _offline().examine(home, region, image_id, wait=wait),
            verify=lambda image_id, mode: _offline().verify(home, region, image_id, mode),
            boots=lambda: _offline().boots(home),
            updating=home.update,
            builder=debian,
            fetcher_of=lambda url: Fetcher(told_allow_list(home, url)),
        )


def _offline() -> ModuleType:
    """It imports every driver, which most commands need not."""
    from souche.main import offline

    return offline


def told_allow_list(home: Home, url: str = "") -> AllowList:
    """What the server said that imports may come from, whatever its address is; and the host of a URL of the
    operator's."""
    facts = home.told()
    named = str(facts.get("AllowImport") or "").split(",")
    endpoints = [host_and_port("AllowImport", each) for each in named if each]
    if url:
        target = parse_url(url, "the URL")
        endpoints.append((target.host, target.port))
    return allow_list(endpoints, str(facts.get("Oos") or ""))


def reserve_bytes_of(facts: Facts) -> int:
    """What the server said that it keeps free, or what it will by default."""
    default = next(setting.default for setting in SETTINGS if setting.key == "reserve_gib")
    return int(float(facts.get("ReserveGib") or default) * GIB)


def _no_console(vm_id: str) -> bytes:
    raise Unavailable(what=f"the console of {vm_id}", reason="this process has no hypervisor")
