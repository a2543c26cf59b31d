"""Key pairs on the wire."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Final

from souche.api.protocol import filters, pages
from souche.api.protocol.dispatch import Call
from souche.api.tags import resource_tags
from souche.app import keypairs
from souche.model.keypairs import Keypair
from souche.model.query import Position
from souche.model.tags import Tag
from souche.value_refusals import BadKey, MissingParameter

DEFAULT_RESULTS: Final = 100  # specification, ReadKeypairsRequest: "By default, `100`"


def create_keypair(call: Call) -> Mapping[str, object]:
    """CreateKeypair: makes a key pair and shows its private key, or imports one with PublicKey."""
    name = str(call.request["KeypairName"])
    if encoded := call.request.get("PublicKey"):
        imported = keypairs.import_public_key(call.region, call.who, name, _decoded(str(encoded)))
        return {"Keypair": _keypair(imported)}
    created, private_pem = keypairs.create(call.region, call.who, name)
    return {"Keypair": {**_keypair(created), "PrivateKey": private_pem}}


def read_keypairs(call: Call) -> Mapping[str, object]:
    """ReadKeypairs."""
    conditions = filters.conditions("ReadKeypairs", call.request)
    query = pages.query(call.request, conditions, DEFAULT_RESULTS)
    found = keypairs.find(call.region, call.who, query)
    shown = [_keypair(keypair, found.tags.get(keypair.keypair_id, ())) for keypair in found.resources]
    return {"Keypairs": shown, **pages.following(found.resources, _position, more=found.more)}


def delete_keypair(call: Call) -> Mapping[str, object]:
    """DeleteKeypair: by id, or by name when no id is given."""
    if keypair_id := call.request.get("KeypairId"):
        keypairs.delete_by_id(call.region, call.who, str(keypair_id))
    elif name := call.request.get("KeypairName"):
        keypairs.delete_by_name(call.region, call.who, str(name))
    else:
        raise MissingParameter(parameter="KeypairName")
    return {}


def _decoded(encoded: str) -> bytes:
    """The key's text: Base64, or the text itself, as people paste it. Every form of a key has a hyphen, and Base64 has
    none."""
    if "-" in encoded:
        return encoded.encode()
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise BadKey(reason="it is not encoded in base64.") from error


def _position(keypair: Keypair) -> Position:
    return Position(keypair.creation_date, keypair.keypair_id)


def _keypair(keypair: Keypair, tags: Sequence[Tag] = ()) -> dict[str, object]:
    return {
        "KeypairFingerprint": keypair.fingerprint,
        "KeypairId": keypair.keypair_id,
        "KeypairName": keypair.name,
        "KeypairType": keypair.key_type,
        "Tags": resource_tags(tags),
    }
