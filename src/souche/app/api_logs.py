"""The API calls of an account, as the audit log has them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from souche.app.context.region import Region
from souche.audit_reader import AuditPage, Place, Wanted, date_of
from souche.model.accounts import Principal
from souche.refusals import NoAuditFile

INTERVAL: Final = timedelta(hours=48)
"""shown if a request gives one end of the interval, or none (specification, FiltersApiLog)"""


@dataclass(frozen=True)
class Calls:
    """Which calls are wanted: between two dates, those that `matches` takes, `most` of them, from a place on."""

    after: datetime | None
    before: datetime | None
    matches: Callable[[Mapping[str, Any]], bool]
    most: int
    start: Place | None = None


def find(region: Region, who: Principal, wanted: Calls) -> AuditPage:
    """The caller's calls, the newest first.

    Raises:
        NoAuditFile: the region has no audit log in a file.
    """
    if region.api_logs is None:
        raise NoAuditFile
    before, after = wanted.before, wanted.after
    if before is None:
        before = region.clock.now() if after is None else moved(after, INTERVAL)
    first, last = after or moved(before, -INTERVAL), before

    def matches(line: Mapping[str, Any]) -> bool:
        return date_of(line) <= last and wanted.matches(line)

    return region.api_logs.find(Wanted(who.account_id, first, matches, wanted.most), wanted.start)


def moved(date: datetime, by: timedelta) -> datetime:
    """A date moved by a time, within the years 1 to 9999."""
    try:
        return date + by
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if by > timedelta() else datetime.min.replace(tzinfo=UTC)
