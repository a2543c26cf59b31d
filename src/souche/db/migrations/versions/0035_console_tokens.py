"""Tokens for the consoles of VMs. `db/schema.py` says what they are."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "console_tokens",
        sa.Column("vm_id", sa.String(10), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expiration_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("vm_id", name="pk_console_tokens"),
        sa.ForeignKeyConstraint(
            ["vm_id"], ["vms.vm_id"], name="fk_console_tokens_vm_id_vms", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("digest", name="uq_console_tokens_digest"),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
