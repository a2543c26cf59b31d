"""Indexes for the filters of ReadImages. `db/finder.py` says how they are chosen between."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FILTERED = {
    "images": (
        ("state",),
        ("description",),
        ("file_location",),
        ("architecture",),
        ("root_device_name",),
        ("tpm_mandatory",),
        ("secure_boot",),
    ),
    "image_mappings": (
        ("device_name", "image_id"),
        ("volume_size_gib", "image_id"),
        ("volume_type", "image_id"),
        ("delete_on_vm_deletion", "image_id"),
    ),
    "tags": (("key", "resource_id"),),
}


def upgrade() -> None:
    op.drop_index("ix_images_account_id_creation_date_image_id", "images")
    op.drop_index("ix_images_public_launchable_until_creation_date_image_id", "images")
    walk = ["creation_date", "image_id", "name"]
    op.create_index("ix_images_account_walk", "images", ["account_id", *walk])
    op.create_index("ix_images_public_walk", "images", ["public", "launchable_until", *walk])
    for table, indexes in _FILTERED.items():
        for columns in indexes:
            op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
