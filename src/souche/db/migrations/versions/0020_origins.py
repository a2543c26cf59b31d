"""How an image's disks were captured, what VMs took from their images, and the tags that an export carries."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("consistency", sa.JSON))
    op.add_column("export_tasks", sa.Column("image_tags", sa.JSON))
    op.create_table(
        "vm_taken_attributes",
        sa.Column("vm_id", sa.String(10), nullable=False),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["vm_id"], ["vms.vm_id"], name="fk_vm_taken_attributes_vm_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("vm_id", name="pk_vm_taken_attributes"),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
