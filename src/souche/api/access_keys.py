"""Access keys on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from souche.api.protocol import dates, filters
from souche.api.protocol.dispatch import Call
from souche.api.protocol.request_errors import ParameterNotSupported
from souche.app import access_keys
from souche.model.accounts import AccessKey
from souche.model.query import Condition, Query
from souche.value_refusals import BadValue

STATES: Final = {"ACTIVE": True, "INACTIVE": False}


def create_access_key(call: Call) -> Mapping[str, object]:
    """CreateAccessKey: the one answer that shows a secret key."""
    _refuse_user(call.request)
    expiration_date = _expiration_date(call.request)
    key, secret = access_keys.create(call.region, call.who, expiration_date, _text(call.request, "Tag"))
    return {"AccessKey": {**_access_key(key), "SecretKey": secret}}


def read_access_keys(call: Call) -> Mapping[str, object]:
    """ReadAccessKeys: the specification has no pages here."""
    _refuse_user(call.request)
    conditions = filters.conditions("ReadAccessKeys", call.request)
    if tag := _text(call.request, "Tag"):
        conditions += (Condition("tag", [tag]),)
    found = access_keys.find(call.region, call.who, Query(conditions))
    return {"AccessKeys": [_access_key(key) for key in found]}


def update_access_key(call: Call) -> Mapping[str, object]:
    """UpdateAccessKey."""
    _refuse_user(call.request)
    changes = access_keys.Changes(
        active=_active(call.request),
        expiration_date=_expiration_date(call.request),
        clear_expiration_date=call.request.get("ClearExpirationDate") is True,
        tag=_text(call.request, "Tag"),
        clear_tag=call.request.get("ClearTag") is True,
    )
    key = access_keys.update(call.region, call.who, str(call.request["AccessKeyId"]), changes)
    return {"AccessKey": _access_key(key)}


def delete_access_key(call: Call) -> Mapping[str, object]:
    """DeleteAccessKey."""
    _refuse_user(call.request)
    access_keys.delete(call.region, call.who, str(call.request["AccessKeyId"]))
    return {}


def _refuse_user(request: Mapping[str, Any]) -> None:
    if request.get("UserName"):
        raise ParameterNotSupported(parameter="UserName")  # there are no EIM users, only accounts


def _active(request: Mapping[str, Any]) -> bool | None:
    state = request.get("State")
    if state is not None and state not in STATES:
        raise BadValue(parameter="State", reason="ACTIVE or INACTIVE is expected.")
    return None if state is None else STATES[state]


def _expiration_date(request: Mapping[str, Any]) -> datetime | None:
    text = _text(request, "ExpirationDate")
    if text is None:
        return None
    date = dates.read(text)
    if date is None:
        raise BadValue(parameter="ExpirationDate", reason="it is not a date in ISO 8601 form.")
    return date


def _text(request: Mapping[str, Any], name: str) -> str | None:
    return request.get(name) or None


def _access_key(key: AccessKey) -> dict[str, object]:
    optional = {
        "ExpirationDate": dates.shown_with_offset(key.expiration_date) if key.expiration_date else None,
        "Tag": key.tag,
    }
    return {
        "AccessKeyId": key.access_key_id,
        "CreationDate": dates.shown_with_offset(key.creation_date),
        "LastModificationDate": dates.shown_with_offset(key.last_modification_date),
        "State": "ACTIVE" if key.active else "INACTIVE",
        **{name: value for name, value in optional.items() if value is not None},
    }
