"""The data removed to make a clean image."""

from dataclasses import dataclass, replace
from datetime import datetime

from souche.model.image_reports import without_user


@dataclass(frozen=True)
class CleaningResult:
    """One change. `code` is that of the finding that it removes, or names a trace that no report looks for. `path` is
    the guest's. `user` is the owner, if others than the image's owner must not learn that name."""

    code: str
    path: str
    text: str
    user: str | None = None


@dataclass(frozen=True)
class Cleaned:
    """The changes of an engine to disks. `refused` is the reason why it changed nothing; empty: it did not refuse."""

    engine: str
    os: str
    done: tuple[CleaningResult, ...]
    refused: str = ""


@dataclass(frozen=True)
class Cleaning:
    """The record of a clean image: its source, its date, and its changes."""

    image_id: str
    source_image_id: str
    date: datetime
    engine: str
    done: tuple[CleaningResult, ...]


def without_users(cleaning: Cleaning) -> Cleaning:
    """The record as others than the image's owner see it: without the names of users and their folders."""
    return replace(cleaning, done=tuple(map(_hidden, cleaning.done)))


def _hidden(done: CleaningResult) -> CleaningResult:
    path, text = without_user(done.path, done.text, done.user)
    return CleaningResult(done.code, path, text)
