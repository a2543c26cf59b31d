"""API access rules; every account gets the one that lets all addresses in. `db/tables/` says what they mean."""

import json
import secrets

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

EVERYWHERE = ["0.0.0.0/0", "::/0"]


def upgrade() -> None:
    op.create_table(
        "api_access_rules",
        sa.Column("rule_id", sa.String(12), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("ip_ranges", sa.JSON, nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", name="pk_api_access_rules"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_api_access_rules_account_id_accounts"
        ),
    )
    op.create_index("ix_api_access_rules_account_id", "api_access_rules", ["account_id"])
    connection = op.get_bind()
    insert = sa.text(
        "INSERT INTO api_access_rules (rule_id, account_id, ip_ranges, description, creation_date)"
        " VALUES (:rule_id, :account_id, :ip_ranges, '', :creation_date)"
    )
    for account_id, creation_date in connection.execute(
        sa.text("SELECT account_id, creation_date FROM accounts")
    ).all():
        connection.execute(
            insert,
            {
                "rule_id": f"aar-{secrets.token_hex(4)}",
                "account_id": account_id,
                "ip_ranges": json.dumps(EVERYWHERE),
                "creation_date": creation_date,
            },
        )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
