"""API access rules on the wire."""

from collections.abc import Mapping
from typing import Any

from souche.api.protocol import filters
from souche.api.protocol.dispatch import Call
from souche.api.protocol.request_errors import ParameterNotSupported
from souche.app import api_access_rules
from souche.app.api_access_rules import Changes
from souche.model.api_access_rules import ApiAccessRule


def create_api_access_rule(call: Call) -> Mapping[str, object]:
    """CreateApiAccessRule: by ranges of addresses. There are no certificate authorities here (ReadCas is empty)."""
    _refuse_certificates(call.request)
    made = api_access_rules.create(
        call.region, call.who, _ranges(call.request), str(call.request.get("Description") or "")
    )
    return {"ApiAccessRule": _rule(made)}


def read_api_access_rules(call: Call) -> Mapping[str, object]:
    """ReadApiAccessRules: the specification has no pages here."""
    wanted = filters.given_values(call.request)
    found = api_access_rules.find(call.region, call.who)
    return {"ApiAccessRules": [_rule(rule) for rule in found if _is_wanted(rule, wanted)]}


def update_api_access_rule(call: Call) -> Mapping[str, object]:
    """UpdateApiAccessRule: omitted fields stay."""
    _refuse_certificates(call.request)
    description = call.request.get("Description")
    changes = Changes(_ranges(call.request) or None, None if description is None else str(description))
    rule_id = str(call.request["ApiAccessRuleId"])
    return {"ApiAccessRule": _rule(api_access_rules.update(call.region, call.who, rule_id, changes))}


def delete_api_access_rule(call: Call) -> Mapping[str, object]:
    """DeleteApiAccessRule."""
    api_access_rules.delete(call.region, call.who, str(call.request["ApiAccessRuleId"]))
    return {}


def _ranges(request: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(request.get("IpRanges") or ())


def _refuse_certificates(request: Mapping[str, Any]) -> None:
    for name in ("CaIds", "Cns"):
        if request.get(name):
            raise ParameterNotSupported(parameter=name)


def _is_wanted(rule: ApiAccessRule, wanted: Mapping[str, list[Any]]) -> bool:
    has = {
        "ApiAccessRuleIds": {rule.rule_id},
        "Descriptions": {rule.description},
        "IpRanges": set(rule.ip_ranges),
        "CaIds": set[str](),
        "Cns": set[str](),
    }
    return all(not values or has[name] & set(values) for name, values in wanted.items())


def _rule(rule: ApiAccessRule) -> dict[str, object]:
    return {
        "ApiAccessRuleId": rule.rule_id,
        "CaIds": [],
        "Cns": [],
        "Description": rule.description,
        "IpRanges": list(rule.ip_ranges),
    }
