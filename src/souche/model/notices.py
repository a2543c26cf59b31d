"""Notices to accounts about images that they launched, copied or were granted."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Event(StrEnum):
    """An event of an image. `replaced`: an update of its family withdrew it. `restored`: a withdrawal or a deprecation
    was undone."""

    UNSHARED = "unshared"
    WITHDRAWN = "withdrawn"
    DEPRECATED = "deprecated"
    REPLACED = "replaced"
    DELETED = "deleted"
    RESTORED = "restored"


@dataclass(frozen=True)
class Announcement:
    """An event of an image, its date, until when the image can still be used (None: not stated, or it cannot), the
    reason, and the image to use instead."""

    event: Event
    date: datetime
    reason: str = ""
    usable_until: datetime | None = None
    successor_id: str | None = None


@dataclass(frozen=True)
class Notice:
    """An announcement to one account. An account has one of each kind of event of an image: the last."""

    notice_id: str
    account_id: str
    event: Event
    image_id: str
    image_name: str
    owner_id: str
    date: datetime
    usable_until: datetime | None
    reason: str
    successor_id: str | None
