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

# Whose readings can be bounded in time, and so be done on the event loop. A thread for each costs more than the reading
# itself, as Python's threads take turns: those of ReadImages took three times as long by threads.
BRIEF: Final = frozenset({"ReadImages"})

# For how long others may have to wait meanwhile: two turns of a thread, which Python gives 5 ms each.
MOST_SECONDS: Final = 2 * sys.getswitchinterval()

_encoder = msgspec.json.Encoder()


def encoded(answer: object) -> bytes:
    """As JSON."""
    return _encoder.encode(answer)


def recall(
    action: Action, region: Region, principal: Principal | None, body: bytes, request_id: str
) -> bytes | None:
    """The answer to the same question of the same account, when it is known and still true. Takes microseconds."""
    if principal is None or action.name not in REPEATABLE:
        return None
    kept = region.store.memo.get((action.name, principal.account_id, body))
    return None if kept is None else _signed(kept, request_id)


def is_brief(action: Action, body: bytes) -> bool:
    """Whether `at_once` is worth a try."""
    return action.name in BRIEF and len(body) <= SHORT_BODY


def at_once(
    action: Action, region: Region, principal: Principal | None, body: bytes, request_id: str
) -> bytes | None:
    """As `answer`, when that takes some milliseconds at most; else None, and nothing is done."""
    if not is_brief(action, body):
        return None
    try:
        return answer(action, region.hurried(MOST_SECONDS), principal, body, request_id)
    except OutOfTime:
        return None


def answer(
    action: Action, region: Region, principal: Principal | None, body: bytes, request_id: str
) -> bytes:
    """Do the action; as `dispatch`, whose errors it raises."""
    if principal is None or action.name not in REPEATABLE:
        return encoded(dispatch(action, region, principal, body, request_id))
    version = region.store.memo.version()
    found = dispatch(action, region, principal, body, request_id)
    del found["ResponseContext"]
    text = encoded(found)
    region.store.memo.put((action.name, principal.account_id, body), text, version, len(body) + len(text))
    return _signed(text, request_id)


def _signed(text: bytes, request_id: str) -> bytes:
    """The answer with its context."""
    context = encoded({"ResponseContext": {"RequestId": request_id}})
    return context if text == b"{}" else context[:-1] + b"," + text[1:]
