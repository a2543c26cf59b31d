"""The dependants of an image or a snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Users:
    """The dependants of one kind: the ids of the caller's own, and how many others have (None: only the owner sees
    it)."""

    own: tuple[str, ...]
    others: int | None


@dataclass(frozen=True)
class Uses:
    """The dependants of a resource, by kind. `public` and `shared_with` (a number of accounts) are None for all but its
    owner."""

    resource_id: str
    users: Mapping[str, Users]
    public: bool | None
    shared_with: int | None
