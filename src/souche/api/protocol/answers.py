"""Answers as they go over the wire: from the cache, or by doing the action."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from souche.api.protocol.dispatch import SHORT_BODY, Action, dispatch
from souche.api.protocol.json_cache import JsonCache
from souche.app.context.region import Region
from souche.cache import OVERHEAD_BYTES
from souche.errors import OutOfTime
from souche.model.accounts import Principal

# Their answers depend only on the database, the caller's account and the request: not on the clock, a guest or a file.
# Add no other action here.
CACHED: Final = frozenset(
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

# Reads with a time limit can run on the event loop. A thread costs more than the read itself, because Python's threads
# take turns: ReadImages took three times as long in threads.
ON_EVENT_LOOP: Final = frozenset({"ReadImages", "ReadSnapshots", "ReadVms", "ReadVolumes"})

# Their answers are JSON texts of single resources, which `JsonCache.resources` has too. Such an answer is cached as the
# list of these texts: a copy of 16 KiB took 20 us of each request, mostly waiting for memory.
PAGES: Final = ON_EVENT_LOOP

# All other requests wait for this time: two turns of a thread, of 5 ms each by Python's default.
LOOP_SECONDS: Final = 2 * sys.getswitchinterval()

_encoder = msgspec.json.Encoder()


def encoded(answer: object) -> bytes:
    """As JSON."""
    return _encoder.encode(answer)


def fits_event_loop(action: Action, body: bytes) -> bool:
    """Whether the request may be tried on the event loop."""
    return action.name in ON_EVENT_LOOP and len(body) <= SHORT_BODY


@dataclass(frozen=True)
class Answers:
    """Answers the requests to a region."""

    region: Region
    cache: JsonCache

    def cached(
        self, action: Action, principal: Principal | None, body: bytes, request_id: str
    ) -> bytes | None:
        """The cached answer to the same request of the same account, if nothing was committed since. Takes
        microseconds."""
        if principal is None or action.name not in CACHED:
            return None
        kept = self.cache.answers.get((action.name, principal.account_id, body))
        if kept is None:
            return None
        return _with_context(kept, request_id) if isinstance(kept, bytes) else _joined(kept, request_id)

    def on_event_loop(
        self, action: Action, principal: Principal | None, body: bytes, request_id: str
    ) -> bytes | None:
        """As `answer`, if that takes no longer than LOOP_SECONDS; else None."""
        try:
            return self.answer(action, principal, body, request_id, time_limit=LOOP_SECONDS)
        except OutOfTime:
            return None

    def answer(
        self,
        action: Action,
        principal: Principal | None,
        body: bytes,
        request_id: str,
        *,
        time_limit: float | None = None,
    ) -> bytes:
        """Run the action. Raises as `dispatch` does."""
        is_cached = principal is not None and action.name in CACHED
        mark = self.cache.answers.mark() if is_cached else None
        answer = dispatch(
            action, self.region, principal, body, request_id, cache=self.cache, time_limit=time_limit
        )
        if principal is None or not is_cached:
            return encoded(answer)
        del answer["ResponseContext"]
        if action.name in PAGES:
            text = _joined(answer, request_id)
            kept: object = answer
        else:
            kept = encoded(answer)
            text = _with_context(kept, request_id)
        key = (action.name, principal.account_id, body)
        self.cache.answers.put(key, kept, mark, len(body) + len(text) + OVERHEAD_BYTES)
        return text


def _joined(answer: Mapping[str, object], request_id: str) -> bytes:
    """The text of a page."""
    return encoded({"ResponseContext": {"RequestId": request_id}, **answer})


def _with_context(text: bytes, request_id: str) -> bytes:
    context = encoded({"ResponseContext": {"RequestId": request_id}})
    return context if text == b"{}" else context[:-1] + b"," + text[1:]
