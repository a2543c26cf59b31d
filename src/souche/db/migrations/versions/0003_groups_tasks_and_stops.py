"""Security groups, volume update tasks and the stops of VMs. `db/tables/` says what they mean."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _security_groups()
    _security_group_rules()
    _vm_security_groups()
    _volume_update_tasks()
    _vm_stops()


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")


def _security_groups() -> None:
    op.create_table(
        "security_groups",
        sa.Column("security_group_id", sa.String(11), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("security_group_id", name="pk_security_groups"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_security_groups_account_id"
        ),
        sa.UniqueConstraint("account_id", "name", name="uq_security_groups_account_id_name"),
    )
    op.create_index(
        "ix_security_groups_account_id_creation_date_security_group_id",
        "security_groups",
        ["account_id", "creation_date", "security_group_id"],
    )


def _security_group_rules() -> None:
    op.create_table(
        "security_group_rules",
        sa.Column("security_group_id", sa.String(11), nullable=False),
        sa.Column("protocol", sa.String(8), nullable=False),
        sa.Column("from_port", sa.Integer, nullable=False),
        sa.Column("to_port", sa.Integer, nullable=False),
        sa.Column("source", sa.String(18), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint(
            "security_group_id", "protocol", "from_port", "to_port", "source", name="pk_security_group_rules"
        ),
        sa.ForeignKeyConstraint(
            ["security_group_id"],
            ["security_groups.security_group_id"],
            name="fk_security_group_rules_security_group_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_security_group_rules_source", "security_group_rules", ["source"])


def _vm_security_groups() -> None:
    op.create_table(
        "vm_security_groups",
        sa.Column("vm_id", sa.String(10), nullable=False),
        sa.Column("security_group_id", sa.String(11), nullable=False),
        sa.PrimaryKeyConstraint("vm_id", "security_group_id", name="pk_vm_security_groups"),
        sa.ForeignKeyConstraint(
            ["vm_id"], ["vms.vm_id"], name="fk_vm_security_groups_vm_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["security_group_id"],
            ["security_groups.security_group_id"],
            name="fk_vm_security_groups_security_group_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_vm_security_groups_security_group_id", "vm_security_groups", ["security_group_id"])


def _volume_update_tasks() -> None:
    op.create_table(
        "volume_update_tasks",
        sa.Column("task_id", sa.String(19), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("volume_id", sa.String(12), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("origin_size_gib", sa.Integer, nullable=False),
        sa.Column("origin_volume_type", sa.String(16), nullable=False),
        sa.Column("origin_iops", sa.Integer),
        sa.Column("target_size_gib", sa.Integer, nullable=False),
        sa.Column("target_volume_type", sa.String(16), nullable=False),
        sa.Column("target_iops", sa.Integer),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.Column("completion_date", sa.String(24)),
        sa.PrimaryKeyConstraint("task_id", name="pk_volume_update_tasks"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_volume_update_tasks_account_id"
        ),
    )
    op.create_index("ix_volume_update_tasks_volume_id", "volume_update_tasks", ["volume_id"])
    op.create_index(
        "ix_volume_update_tasks_account_id_creation_date_task_id",
        "volume_update_tasks",
        ["account_id", "creation_date", "task_id"],
    )


def _vm_stops() -> None:
    op.create_table(
        "vm_stops",
        sa.Column("vm_id", sa.String(10), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("state_reason", sa.Text, nullable=False),
        sa.Column("stop_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("vm_id", "generation", name="pk_vm_stops"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_vm_stops_account_id"),
    )
    op.create_index(
        "ix_vm_stops_account_id_stop_date_vm_id", "vm_stops", ["account_id", "stop_date", "vm_id"]
    )
