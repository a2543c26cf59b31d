"""API access rules."""

from dataclasses import asdict

import sqlalchemy as sa

from souche.db import query as engine
from souche.db.schema import api_access_rules as rules
from souche.model.api_access_rules import ApiAccessRule


def insert(connection: sa.Connection, rule: ApiAccessRule) -> None:
    """Add a rule."""
    connection.execute(rules.insert().values(asdict(rule)))


def of_account(connection: sa.Connection, account_id: str) -> list[ApiAccessRule]:
    """The rules of an account, oldest first."""
    select = rules.select().where(rules.c.account_id == account_id)
    found = connection.execute(select.order_by(rules.c.creation_date, rules.c.rule_id))
    return [_rule(row) for row in found]


def update(connection: sa.Connection, rule: ApiAccessRule) -> None:
    """Replace the contents of a rule."""
    connection.execute(rules.update().where(rules.c.rule_id == rule.rule_id).values(asdict(rule)))


def erase(connection: sa.Connection, rule_id: str) -> None:
    """Remove a rule."""
    connection.execute(rules.delete().where(rules.c.rule_id == rule_id))


def _rule(row: engine.AnyRow) -> ApiAccessRule:
    return ApiAccessRule(
        rule_id=row.rule_id,
        account_id=row.account_id,
        ip_ranges=tuple(row.ip_ranges),
        description=row.description,
        creation_date=row.creation_date,
    )
