"""The fields of an image that its copies do not take over."""

from typing import Final

OWN_OF_A_COPY: Final = frozenset(
    (
        *("image_id", "account_id", "account_alias", "name", "creation_date", "file_location", "permissions"),
        *("source_image_id", "source_vm_id", "lineage", "family", "launchable_until"),
        *("mappings", "state", "state_message", "sealed_location"),
    )
)
