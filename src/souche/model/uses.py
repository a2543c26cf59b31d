"""What depends on an image or a snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Users:
    """Of one kind: the ids of the caller's, and how many others have (None: only the owner is told)."""

    own: tuple[str, ...]
    others: int | None


@dataclass(frozen=True)
class Uses:
    """By kind, what depends on a resource. `public` and `shared_with` (a number of accounts) are None to all but its
    owner."""

    resource_id: str
    users: Mapping[str, Users]
    public: bool | None
    shared_with: int | None
