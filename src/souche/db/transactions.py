"""The part of the database's library that other packages know: the type of a transaction, and three errors.

They pass a transaction to the functions of `db`, and send no statement themselves (`.importlinter`, and
tests/test_statements.py).
"""

from typing import NewType, TypeAlias

import sqlalchemy as sa

Transaction = NewType("Transaction", sa.Connection)
"""An open transaction of the region's database."""

ConstraintBroken: TypeAlias = sa.exc.IntegrityError
"""A record broke a constraint: another transaction came first, or a record that it refers to is gone."""
ValueRefused: TypeAlias = sa.exc.DataError
"""The database does not accept a value."""
DatabaseFailed: TypeAlias = sa.exc.DatabaseError
"""Any error from the database, including these two."""
