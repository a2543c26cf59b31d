"""Notices to accounts about images that they use. `db/tables/` says what it means.

Who uses an image of another account's is taken from the VMs and the copies that are there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

USERS = (
    "SELECT DISTINCT images.image_id, vms.account_id FROM vms JOIN images ON images.image_id = vms.image_id "
    "WHERE vms.account_id <> images.account_id UNION SELECT DISTINCT images.image_id, copies.account_id "
    "FROM images AS copies JOIN images ON images.image_id = copies.source_image_id "
    "WHERE copies.account_id <> images.account_id"
)


def upgrade() -> None:
    op.create_table(
        "image_users",
        sa.Column(
            "image_id", sa.String(12), sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("account_id", sa.String(12), sa.ForeignKey("accounts.account_id"), primary_key=True),
    )
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.String(48), primary_key=True),
        sa.Column("account_id", sa.String(12), sa.ForeignKey("accounts.account_id"), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("image_id", sa.String(12), nullable=False),
        sa.Column("image_name", sa.String(255), nullable=False),
        sa.Column("owner_id", sa.String(12), nullable=False),
        sa.Column("date", sa.String(24), nullable=False),
        sa.Column("usable_until", sa.String(24)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("successor_id", sa.String(12)),
    )
    op.create_index("ix_notices_account_id_date_notice_id", "notices", ["account_id", "date", "notice_id"])
    op.create_index("ix_notices_owner_id_account_id_date", "notices", ["owner_id", "account_id", "date"])
    op.create_index("ix_notices_image_id_event", "notices", ["image_id", "event"])
    op.execute(f"INSERT INTO image_users (image_id, account_id) {USERS}")


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
