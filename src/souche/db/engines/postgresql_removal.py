"""Removes a region's tables from a PostgreSQL database, and nothing else."""

from collections.abc import Iterable
from typing import Final

import psycopg
import sqlalchemy as sa

from souche.errors import SystemFailure

REFUSALS: Final = (psycopg.errors.DependentObjectsStillExist, psycopg.errors.InsufficientPrivilege)


class RemovalRefused(SystemFailure):
    """PostgreSQL does not remove the region's tables from the database {database}: {reason}. Nothing was removed."""


# `CreateTrigger` gives a trigger and its function one name; a trigger of the operator's own may call any function.
_FUNCTIONS: Final = sa.text(
    """
    SELECT DISTINCT quote_ident(proname) FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid AND proname = tgname
    WHERE relnamespace = quote_ident(current_schema())::regnamespace AND pronamespace = relnamespace
    AND relname = ANY(:tables)
    """
)


def remove(connection: sa.Connection, tables: Iterable[str], database: str) -> None:
    """Drop those of the tables that are in the connection's schema, with their triggers' functions, in its transaction.
    `database` is its name for people.

    Raises:
        RemovalRefused: something else depends on one of them, such as a view, or the role does not own it.
    """
    there = sorted(set(tables) & set(sa.inspect(connection).get_table_names()))
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    functions = connection.execute(_FUNCTIONS, {"tables": there}).scalars().all()
    try:
        _drop(connection, "TABLE", [f'{schema}."{name}"' for name in there])
        _drop(connection, "FUNCTION", [f"{schema}.{name}()" for name in functions])
    except sa.exc.DBAPIError as error:
        if not isinstance(error.orig, REFUSALS):
            raise
        diag = error.orig.diag
        said = "; ".join(filter(None, (diag.message_primary, diag.message_detail)))
        raise RemovalRefused(database=database, reason=said.replace("\n", "; ")) from None


def _drop(connection: sa.Connection, kind: str, names: list[str]) -> None:
    if names:
        connection.exec_driver_sql(f"DROP {kind} {', '.join(names)}")
