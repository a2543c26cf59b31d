"""Answers as they go over the wire, and those that are given again while nothing has changed.

Clients that wait for something ask the same question many times (Terraform, Packer and the SDKs poll by Read
actions). As long as nothing was committed to the database, the answer is the same but for its request id.
"""

import sys
from typing import Final

import msgspec

from souche.api.dispatch import SHORT_BODY, Action, dispatch
from souche.app.region import Region
from souche.errors import OutOfTime
from souche.model.accounts import Principal

# Whose answers are made of nothing but the database, the caller's account and the request: not of the clock, a
# guest, or a file. Others must not be here.
REPEATABLE: Final = frozenset(
    {
        "ReadImages",
        "ReadKeypairs",
        "ReadPublicIps",
        "ReadSecurityGroups",
        "ReadSnapshots",
        "ReadTags",
        "ReadVms",
        "ReadVmsState",
        "ReadVolumes",
    }
)

# Reads that take a time limit, and so can run on the event loop. A thread for each costs more than the read itself,
# since Python's threads take turns: ReadImages took three times as long in threads.
ON_EVENT_LOOP: Final = frozenset({"ReadImages"})

# Every other request waits as long: two turns of a thread, which Python gives 5 ms each.
LOOP_SECONDS: Final = 2 * sys.getswitchinterval()

_encoder = msgspec.json.Encoder()


def encoded(answer: object) -> bytes:
    """As JSON."""
    return _encoder.encode(answer)


def cached(
    action: Action, region: Region, principal: Principal | None, body: bytes, request_id: str
) -> bytes | None:
    """The answer to the same request of the same account, if it is cached and nothing was committed since. Takes
    microseconds."""
    if principal is None or action.name not in REPEATABLE:
        return None
    kept = region.store.memo.get((action.name, principal.account_id, body))
    return None if kept is None else _signed(kept, request_id)


def fits_event_loop(action: Action, body: bytes) -> bool:
    """Whether the request may be tried on the event loop."""
    return action.name in ON_EVENT_LOOP and len(body) <= SHORT_BODY


def answer_on_event_loop(
    action: Action, region: Region, principal: Principal | None, body: bytes, request_id: str
) -> bytes | None:
    """As `answer`, if that takes no longer than LOOP_SECONDS; else None."""
    try:
        return answer(action, region, principal, body, request_id, time_limit=LOOP_SECONDS)
    except OutOfTime:
        return None


def answer(
    action: Action,
    region: Region,
    principal: Principal | None,
    body: bytes,
    request_id: str,
    *,
    time_limit: float | None = None,
) -> bytes:
    """Do the action; as `dispatch`, whose errors it raises."""
    if principal is None or action.name not in REPEATABLE:
        return encoded(dispatch(action, region, principal, body, request_id, time_limit=time_limit))
    version = region.store.memo.version()
    found = dispatch(action, region, principal, body, request_id, time_limit=time_limit)
    del found["ResponseContext"]
    text = encoded(found)
    region.store.memo.put((action.name, principal.account_id, body), text, version, len(body) + len(text))
    return _signed(text, request_id)


def _signed(text: bytes, request_id: str) -> bytes:
    """The answer with its context."""
    context = encoded({"ResponseContext": {"RequestId": request_id}})
    return context if text == b"{}" else context[:-1] + b"," + text[1:]
