"""Key pairs."""

import re

from souche import ids
from souche.app import quotas
from souche.app.context.lookup import check_id
from souche.app.context.page import Page
from souche.app.context.region import Region
from souche.db import keypairs, tags
from souche.db.transactions import Transaction
from souche.formats import ssh_keys
from souche.model.accounts import Principal
from souche.model.keypairs import Keypair
from souche.model.query import Query
from souche.refusals import KeypairNameTaken, NoSuchKeypair
from souche.value_refusals import BadKeypairName

# Printable ASCII; spaces at the ends and `+` are kept (reference section 8).
NAME = re.compile(r"[\x20-\x7e]{1,255}")


def create(region: Region, who: Principal, name: str) -> tuple[Keypair, str]:
    """Make a key pair (RSA, 2048 bits). Only this answer has the private half, as PEM.

    Raises:
        BadKeypairName, KeypairNameTaken, TooManyKeypairs: see their messages.
    """
    _check_name(name)
    key, private_pem = ssh_keys.generate_rsa()
    return _keep(region, who, name, key), private_pem


def import_public_key(region: Region, who: Principal, name: str, public_key: bytes) -> Keypair:
    """Store a key pair that was made elsewhere, by its public half in any form that `formats/ssh_keys` reads.

    Raises:
        BadKeypairName, KeypairNameTaken, BadKey, TooManyKeypairs: see their messages.
    """
    _check_name(name)
    return _keep(region, who, name, ssh_keys.parse(public_key))


def import_if_missing(region: Region, who: Principal, name: str, public_key: bytes) -> Keypair:
    """The caller's key pair of this name and this public half, imported if it is missing.

    Raises:
        KeypairNameTaken: the caller's key pair of this name has another public half. Else as `import_public_key`.
    """
    with region.store.read() as connection:
        found = keypairs.named(connection, who.account_id, name)
    if found is None:
        return import_public_key(region, who, name, public_key)
    if found.fingerprint != ssh_keys.parse(public_key).fingerprint:
        raise KeypairNameTaken(name=name)
    return found


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise BadKeypairName(name=name)


def _keep(region: Region, who: Principal, name: str, key: ssh_keys.PublicKey) -> Keypair:
    keypair = Keypair(
        keypair_id=region.ids.new(ids.KEYPAIR),
        account_id=who.account_id,
        name=name,
        key_type=key.key_type,
        fingerprint=key.fingerprint,
        public_key=key.line(name),
        creation_date=region.clock.now(),
    )
    with region.begin() as work:
        if keypairs.named(work.connection, who.account_id, name) is not None:
            raise KeypairNameTaken(name=name)
        quotas.check(work, who, quotas.of_keypair())
        keypairs.insert(work.connection, keypair)
    return keypair


def find(region: Region, who: Principal, query: Query) -> Page[Keypair]:
    """The caller's key pairs that satisfy `query`."""
    with region.store.read() as connection:
        page, more = keypairs.find(connection, who.account_id, query)
        return Page(page, tags.of_resources(connection, [keypair.keypair_id for keypair in page]), more)


def public_key(connection: Transaction, who: Principal, name: str | None) -> str | None:
    """The public key for a VM launched with the caller's key pair of this name; empty without a name.

    Raises:
        NoSuchKeypair: there is none of this name.
    """
    if name is None:
        return None
    keypair = keypairs.named(connection, who.account_id, name)
    if keypair is None:
        raise NoSuchKeypair(keypair=name)
    return keypair.public_key


def delete_by_id(region: Region, who: Principal, keypair_id: str) -> None:
    """Delete the caller's key pair of this id.

    Raises:
        WrongIdPrefix, MalformedId, NoSuchKeypair: see their messages.
    """
    check_id(keypair_id, ids.KEYPAIR)
    with region.begin() as work:
        _delete(work.connection, keypairs.get(work.connection, who.account_id, keypair_id), keypair_id)


def delete_by_name(region: Region, who: Principal, name: str) -> None:
    """Delete the caller's key pair of this name.

    Raises:
        NoSuchKeypair: there is none.
    """
    with region.begin() as work:
        _delete(work.connection, keypairs.named(work.connection, who.account_id, name), name)


def _delete(connection: Transaction, keypair: Keypair | None, wanted: str) -> None:
    if keypair is None:
        raise NoSuchKeypair(keypair=wanted)
    tags.erase(connection, keypair.keypair_id)
    keypairs.erase(connection, keypair.keypair_id)
