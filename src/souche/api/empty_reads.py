"""Read actions of what a region here has none of: Nets and what belongs to them, load balancers, GPUs and the like.
They answer empty lists, as the real service does to an account that has none; clients read them on their way
(clients.md, section 3)."""

from collections.abc import Mapping
from typing import Final

from souche.api import pages
from souche.api.dispatch import Call, Handler
from souche.model.accounts import Principal


def nothing(key: str) -> Handler:
    """The handler that answers an empty list under this key. Filters and pages are checked, and find nothing."""

    def read(call: Call) -> Mapping[str, object]:
        _check_signed(call.who)
        pages.query(call.request, ())
        return {key: []}

    return read


def nothing_for_everybody(key: str) -> Handler:
    """As `nothing`, for the actions that need no credentials."""

    def read(call: Call) -> Mapping[str, object]:
        pages.query(call.request, ())
        return {key: []}

    return read


EMPTY_CATALOG: Final[Mapping[str, object]] = {"Catalog": {"Entries": []}}


def read_public_catalog(_call: Call) -> Mapping[str, object]:
    """No prices: nothing is sold here."""
    return EMPTY_CATALOG


def read_catalog(call: Call) -> Mapping[str, object]:
    """As `read_public_catalog`, for the caller's account."""
    _check_signed(call.who)
    return EMPTY_CATALOG


def _check_signed(_who: Principal) -> None:
    """To ask a call for the caller refuses who has not signed."""
