"""Souche's own ReadRegionKey."""

from collections.abc import Mapping
from typing import Final

from souche.api.protocol import schemas
from souche.api.protocol.dispatch import Call
from souche.app import region_keys

SCHEMA: Final = schemas.of_request({})


def read_region_key(call: Call) -> Mapping[str, object]:
    """The public key that the region's exports are signed with."""
    signer = region_keys.signer(call.region)
    return {
        "RegionKey": {
            "RegionId": signer.region_id,
            "RegionName": signer.region,
            "PublicKey": signer.key.text,
            "KeyFingerprint": signer.key.fingerprint,
        }
    }
