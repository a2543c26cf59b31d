"""Regions as use-cases see them, served or not."""

from collections.abc import Callable, Iterable
from pathlib import Path

from souche import small_file
from souche.app.context.region import Region, ShareGate, Workflows
from souche.audit_reader import AuditReader
from souche.clock import SystemClock
from souche.compute.base import GuestNetwork
from souche.config import BadSetting
from souche.db.store import Store
from souche.faults import Faults
from souche.home import Home
from souche.ids import IdSource
from souche.objects.addresses import AllowList
from souche.objects.fetch import Fetcher
from souche.objects.urls import parse_url
from souche.room import Room, room_of
from souche.signing import BadPublicKey, PublicKey, SigningKey, read_public_keys
from souche.small_file import TooLarge
from souche.vault import Vault


def open_signing_key(home: Home) -> SigningKey:
    """The key that the region's exports are signed with.

    Raises:
        SigningKeyDamaged.
    """
    return SigningKey.open(home.signing_key, Vault.open(home.vault_key))


def read_required_keys(file: str) -> tuple[PublicKey, ...]:
    """The public keys in a file of `--require-signed`.

    Raises:
        BadSetting: it cannot be read, has anything else, or has no key.
    """
    if not file:
        return ()
    try:
        keys = read_public_keys(small_file.read(Path(file)).decode())
    except OSError as error:
        raise BadSetting(flag="--require-signed", reason=f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise BadSetting(flag="--require-signed", reason=f"{file} is not text") from error
    except TooLarge as error:
        raise BadSetting(flag="--require-signed", reason=str(error)) from error
    except BadPublicKey as error:
        raise BadSetting(flag="--require-signed", reason=f"{file}: {error}") from error
    if not keys:
        raise BadSetting(flag="--require-signed", reason=f"there is no public key in {file}")
    return keys


def allow_list(named: Iterable[tuple[str, int]], own_oos: str) -> AllowList:
    """Addresses that imports may use in addition to public ones: the operator's list, and the region's own store."""
    target = parse_url(own_oos, "--oos-endpoint") if own_oos else None
    own = [(target.host, target.port)] if target else []
    return AllowList(frozenset([*named, *own]))


def make_room(home: Home, reserve_bytes: int) -> Room:
    """The free space of the media of a home, whose folders may be on several."""
    return room_of(list(home.media().values()), reserve_bytes)


def make_region(
    home: Home,
    name: str,
    endpoint: str,
    store: Store,
    network: GuestNetwork,
    console: Callable[[str], bytes],
    fetcher: Fetcher,
    workflows: Workflows,
    oos_endpoint: str,
    room: Room,
    *,
    keeps_objects: bool,
    subregion_letters: tuple[str, ...],
    public_range: str,
    share_gate: ShareGate = "off",
    required_keys: tuple[PublicKey, ...] = (),
    faults: Faults | None = None,
    api_logs: AuditReader | None = None,
) -> Region:
    """A region as use-cases see it."""
    return Region(
        name=name,
        endpoint=endpoint,
        store=store,
        network=network,
        console=console,
        clock=SystemClock(),
        ids=IdSource(),
        vault=Vault.open(home.vault_key),
        signing_key=open_signing_key(home),
        fetcher=fetcher,
        workflows=workflows,
        oos_endpoint=oos_endpoint,
        room=room,
        keeps_objects=keeps_objects,
        subregion_letters=subregion_letters,
        public_range=public_range,
        share_gate=share_gate,
        required_keys=required_keys,
        faults=faults,
        api_logs=api_logs,
    )
