"""Public IPs, and the range that a region has them from. `db/tables/` says what they mean."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("region", sa.Column("public_range", sa.String(18)))
    op.create_table(
        "public_ips",
        sa.Column("public_ip_id", sa.String(17), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("public_ip", sa.String(15), nullable=False),
        sa.Column("vm_id", sa.String(10)),
        sa.Column("link_id", sa.String(17)),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("public_ip_id", name="pk_public_ips"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_public_ips_account_id_accounts"
        ),
        sa.ForeignKeyConstraint(["vm_id"], ["vms.vm_id"], name="fk_public_ips_vm_id_vms"),
        sa.UniqueConstraint("public_ip", name="uq_public_ips_public_ip"),
        sa.UniqueConstraint("vm_id", name="uq_public_ips_vm_id"),
        sa.UniqueConstraint("link_id", name="uq_public_ips_link_id"),
    )
    op.create_index(
        "ix_public_ips_account_id_creation_date_public_ip_id",
        "public_ips",
        ["account_id", "creation_date", "public_ip_id"],
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
