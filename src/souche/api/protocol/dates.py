"""Dates as the API reads and shows them: ISO 8601, in UTC, with milliseconds."""

from datetime import UTC, datetime


def read(text: str) -> datetime | None:
    """The instant of a date-time or a date, in milliseconds, as the region keeps it. A date alone means its first
    instant; without an offset, UTC. None if the text is not a date.
    """
    try:
        date = datetime.fromisoformat(text)
        instant = (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def shown(date: datetime) -> str:
    """`2010-10-01T12:34:56.789Z`."""
    return _digits(date) + "Z"


def shown_with_offset(date: datetime) -> str:
    """`2010-10-01T12:34:56.789+0000`, as access keys show their dates (specification, ReadAccessKeys)."""
    return _digits(date) + "+0000"


def _digits(date: datetime) -> str:
    return date.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
