"""ReadQuotas."""

from collections.abc import Mapping
from typing import Any, Final, cast

from souche.api import types
from souche.api.protocol import static_pages
from souche.api.protocol.dispatch import Call
from souche.app import quotas
from souche.model.quotas import Usage

TYPE: Final = "global"  # no quota applies to a single resource

FILTERS: Final[static_pages.Fields[Usage]] = {
    "Collections": lambda usage: usage.quota.collection,
    "QuotaNames": lambda usage: usage.quota.name,
    "QuotaTypes": lambda _: TYPE,
    "ShortDescriptions": lambda usage: usage.quota.short_description,
}


def read_quotas(call: Call) -> Mapping[str, object]:
    """The quotas of the caller's account, under the one type that has any."""
    request = cast("Mapping[str, Any]", call.request)
    account_id = call.who.account_id
    found = static_pages.select(quotas.usage(call.region, account_id), request.get("Filters", {}), FILTERS)
    rows, following = static_pages.page(found, request)
    shown = [_view(usage, account_id) for usage in rows]
    return {"QuotaTypes": [{"QuotaType": TYPE, "Quotas": shown}] if shown else [], **following}


def _view(usage: Usage, account_id: str) -> types.Quota:
    return {
        "AccountId": account_id,
        "Description": usage.quota.description,
        "MaxValue": usage.limit,
        "Name": usage.quota.name,
        "QuotaCollection": usage.quota.collection,
        "ShortDescription": usage.quota.short_description,
        "UsedValue": usage.used,
    }
