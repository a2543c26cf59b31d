"""Finds pages of a noun that accounts share (images, snapshots), also by the owner's id or alias.

A condition on owners decides in which scopes the rows are: the caller's rows are all among its own, those of other
accounts only among the others. A scope without such a row is not read: that would take as long as it has rows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from souche.db import query as engine
from souche.db import tags
from souche.db.finder import Finder
from souche.db.schema import accounts
from souche.db.store import Reader
from souche.model.query import Condition, PageRow, Query

ID: Final = "account_id"
ALIAS: Final = "account_alias"

_OF_ALIASES = Finder(
    sa.select(accounts.c.account_id),
    {ALIAS: accounts.c.alias},
    engine.Order(accounts.c.creation_date, accounts.c.account_id),
)


class SharedFinder:
    """Finders of one select, for each choice of scopes. The first scope has the caller's own rows, and all of these.
    The field `account_id` is the owner; queries may name it by its alias as `account_alias`."""

    def __init__(
        self,
        select: engine.AnySelect,
        fields: engine.Fields,
        order: engine.Order,
        scopes: Sequence[engine.Scope],
    ) -> None:
        self._all = Finder(select, fields, order, scopes)
        self._own = Finder(select, fields, order, scopes[:1])
        self._others = Finder(select, fields, order, scopes[1:])

    def find(
        self, transaction: Reader | sa.Connection, query: Query, caller: str
    ) -> tuple[Sequence[engine.AnyRow], bool]:
        """As `Finder.find`."""
        query = _with_ids(transaction, query)
        return self._chosen(query, caller).find(transaction, query, caller=caller)

    def find_page(
        self, transaction: Reader | sa.Connection, query: Query, caller: str
    ) -> tuple[list[PageRow], bool]:
        """As `Finder.find_page`."""
        query = _with_ids(transaction, query)
        return self._chosen(query, caller).find_page(transaction, query, caller=caller)

    def _chosen(self, query: Query, caller: str) -> Finder:
        if tags.asked_by(query):
            return self._own
        owners = [set(each.values) for each in query.conditions if each.field == ID]
        if not owners:
            return self._all
        wanted = set.intersection(*owners)
        if wanted <= {caller}:
            return self._own
        return self._all if caller in wanted else self._others


def _with_ids(transaction: Reader | sa.Connection, query: Query) -> Query:
    """The query with the accounts' ids in place of their aliases."""
    if all(each.field != ALIAS for each in query.conditions):
        return query
    conditions = [_by_id(transaction, each) if each.field == ALIAS else each for each in query.conditions]
    return replace(query, conditions=tuple(conditions))


def _by_id(transaction: Reader | sa.Connection, condition: Condition) -> Condition:
    rows, _ = _OF_ALIASES.find(transaction, Query((condition,)))
    return Condition(ID, [row.account_id for row in rows])
