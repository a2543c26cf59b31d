"""Certificates for tests, each from its own authority."""

from datetime import UTC, datetime
from pathlib import Path

from souche.clock import Clock, SystemClock
from souche.main.self_signed import SelfSigned
from tests.support.region import ManualClock

LONG_AGO = ManualClock(datetime(2020, 1, 1, tzinfo=UTC))
"""the certificates of this date have expired"""


def certificate(folder: Path, *names: str, clock: Clock | None = None) -> SelfSigned:
    """A certificate for this machine, its key, and the authority, in a folder."""
    return SelfSigned(folder, names, clock or SystemClock())
