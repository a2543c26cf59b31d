"""Shared by all tables: dates, and the metadata with the names of constraints."""

from datetime import UTC, datetime

import sqlalchemy as sa


class UtcDate(sa.types.TypeDecorator[datetime]):
    """`2026-11-24T10:00:00.000Z` in the database, an aware datetime in the code."""

    impl = sa.String(24)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else utc_text(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromisoformat(value)


def utc_text(date: datetime) -> str:
    """A date as the database keeps it and as the API shows it (reference: ISO 8601, milliseconds, Z)."""
    return date.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
