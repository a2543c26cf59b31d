"""The one place for JSON that was answered before: above `app`, because only `api` knows JSON.

Clients that wait for something send the same Read request many times (Terraform, Packer and the SDKs poll). The whole
answer holds until anything is committed. Elsewhere a commit changes few resources: the JSON of each of the others
still holds.
"""

from collections.abc import Callable, Hashable

import msgspec

from souche.cache import CommitCache, VersionCache


class JsonCache:
    """`answers`: whole answers, without their context, by action, account and body, until the next commit.
    `resources`: the JSON of one resource, by the version of its row."""

    def __init__(self, change_mark: Callable[[], Hashable]) -> None:
        """`change_mark`: `db/store.Store.change_mark`."""
        self.answers = CommitCache(change_mark)
        self.resources: VersionCache[msgspec.Raw] = VersionCache()
