"""The life of an official image: deprecated, withdrawn, and restored."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from souche.model.images import Image

GRACE_DAYS: Final = 30
MOST_GRACE_DAYS: Final = 3650
"""how long a withdrawn image can be launched by its ID: the default and the maximum"""


class LifeState(StrEnum):
    """`deprecated`: listed, until the date of its withdrawal. `withdrawn`: no longer listed."""

    AVAILABLE = "available"
    DEPRECATED = "deprecated"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Life:
    """The record of the end of an official image's life.

    It is withdrawn on `deprecation_date`, was withdrawn at `withdrawal_date`, and is deleted `grace_days` after that
    day. From `closing_date` on only its owner can launch it; `public` and `granted` (account ids) are its permissions
    before.
    """

    image_id: str
    grace_days: int
    deprecation_date: datetime | None = None
    withdrawal_date: datetime | None = None
    successor_id: str | None = None
    reason: str = ""
    closing_date: datetime | None = None
    public: bool = False
    granted: tuple[str, ...] = ()

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to withdraw the image."""
        return (
            self.withdrawal_date is None
            and self.deprecation_date is not None
            and self.deprecation_date <= now
        )

    @property
    def deletion_date(self) -> datetime | None:
        """When a withdrawn image is deleted."""
        return self.withdrawal_date and self.withdrawal_date + timedelta(days=self.grace_days)


@dataclass(frozen=True)
class LivingImage:
    """An official image with the record of its life. An image that an earlier Souche withdrew has no record.
    `verified_on`: the date of its last successful boot."""

    image: Image
    life: Life | None
    verified_on: datetime | None = None

    @property
    def state(self) -> str:
        """A word for it: of the image while it is made or when it failed, else of its life."""
        if self.image.state != "available":
            return self.image.state.value
        if self.image.launchable_until is not None:
            return LifeState.WITHDRAWN.value
        if self.life is not None and self.life.deprecation_date is not None:
            return LifeState.DEPRECATED.value
        return LifeState.AVAILABLE.value

    @property
    def is_closed(self) -> bool:
        """Whether only its owner can launch it."""
        return self.life is not None and self.life.closing_date is not None

    @property
    def launchable_until(self) -> datetime | None:
        """Until when others can launch a withdrawn image by its id."""
        if self.life is not None and self.life.closing_date is not None:
            return self.life.closing_date
        return self.image.launchable_until
