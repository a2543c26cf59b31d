"""What other rooms know of the database's library: the type of a transaction, and three errors.

They pass a transaction to the functions of `db`, and send no statement themselves (`.importlinter`, and
tests/test_statements.py).
"""

from typing import NewType, TypeAlias

import sqlalchemy as sa

Transaction = NewType("Transaction", sa.Connection)
"""An open transaction of the region's database."""

ConstraintBroken: TypeAlias = sa.exc.IntegrityError
"""A record broke a constraint: another transaction came in between, or a record that it names is gone."""
ValueRefused: TypeAlias = sa.exc.DataError
"""A value that the database does not take."""
DatabaseFailed: TypeAlias = sa.exc.DatabaseError
"""Any error that the database gives, these two among them."""
