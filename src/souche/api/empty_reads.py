"""Read actions of resources that a region here never has: Nets and what belongs to them, load balancers, GPUs, users,
policies and the like. They answer empty lists, as the real service does for an account without any; clients call some
of them (clients.md, section 3)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from souche.api.protocol import dates, pages
from souche.api.protocol.dispatch import Call, Handler
from souche.model.accounts import Principal
from souche.value_refusals import BadValue

RESULTS_PER_PAGE: Final = 100  # the specification's default for the reads of users, groups and policies


def nothing(key: str) -> Handler:
    """A handler that answers an empty list under this key. Filters and pages are checked."""

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


def no_entities(key: str) -> Handler:
    """As `nothing`, for the reads of users, groups and policies, which count their pages by FirstItem (reference
    section 1, "Pagination")."""

    def read(call: Call) -> Mapping[str, object]:
        return {key: [], **_no_more(call)}

    return read


def read_api_access_policy(call: Call) -> Mapping[str, object]:
    """ReadApiAccessPolicy: access keys need no expiration date, and there is no second factor."""
    _check_signed(call.who)
    return {"ApiAccessPolicy": {"MaxAccessKeyExpirationSeconds": 0, "RequireTrustedEnv": False}}


def read_consumption_account(call: Call) -> Mapping[str, object]:
    """ReadConsumptionAccount: nothing is billed here, so there are no entries and no currency.

    Raises:
        BadValue: a date is not valid, or FromDate is not before ToDate.
    """
    _check_signed(call.who)
    begin, end = (_date(call.request, name) for name in ("FromDate", "ToDate"))
    if begin >= end:
        raise BadValue(parameter="FromDate", reason="it should be before ToDate.")
    return {"ConsumptionEntries": [], "Currency": None}


def _date(request: Mapping[str, object], name: str) -> datetime:
    date = dates.read(str(request[name]))
    if date is None:
        raise BadValue(parameter=name, reason="it is not a date in ISO 8601 form.")
    return date


def read_policy_versions(call: Call) -> Mapping[str, object]:
    """As `no_entities`; the specification has no MaxResultsTruncated in this answer."""
    said = _no_more(call)
    return {"PolicyVersions": [], "HasMoreItems": False, "MaxResultsLimit": said["MaxResultsLimit"]}


def read_entities_linked_to_policy(call: Call) -> Mapping[str, object]:
    """As `no_entities`, in one object; EntitiesType does not change that it is empty."""
    return {"PolicyEntities": {"Accounts": [], "Groups": [], "Users": [], "ItemsCount": 0, **_no_more(call)}}


def _no_more(call: Call) -> dict[str, object]:
    """The part of an answer that reports that no page follows."""
    _check_signed(call.who)
    limit = call.request.get("ResultsPerPage", RESULTS_PER_PAGE)
    return {"HasMoreItems": False, "MaxResultsLimit": limit, "MaxResultsTruncated": False}


EMPTY_CATALOG: Final[Mapping[str, object]] = {"Catalog": {"Entries": []}}


def read_public_catalog(_call: Call) -> Mapping[str, object]:
    """There are no prices: nothing is sold here."""
    return EMPTY_CATALOG


def read_catalog(call: Call) -> Mapping[str, object]:
    """As `read_public_catalog`, for the caller's account."""
    _check_signed(call.who)
    return EMPTY_CATALOG


def _check_signed(_who: Principal) -> None:
    """Reading `call.who` raises NotSigned for an unsigned request."""
