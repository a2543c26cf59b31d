"""The key that signs the region's exports."""

from souche.app.context.region import Region
from souche.db import region as records
from souche.formats.companion import Signer


def signer(region: Region) -> Signer:
    """The region as a signer, as the companions of its exports name it."""
    with region.store.read() as connection:
        return Signer(records.region_id(connection), region.name, region.signing_key.public)
