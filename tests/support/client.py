"""A client of a region's API without HTTP. It uses the same dispatch, checks every answer against the specification,
and compares it with the cached answer, if there is one, and with an answer made without cached resources."""

import json
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from souche.api import actions
from souche.api.protocol import errors
from souche.api.protocol.answers import ON_EVENT_LOOP, Answers, encoded
from souche.api.protocol.dispatch import dispatch
from souche.api.protocol.json_cache import JsonCache
from souche.app.context.region import Region
from souche.db.store import Store
from souche.errors import OutOfSpace, UserError
from souche.model.accounts import Principal
from tests.wire.answers import check_answer, check_error


@lru_cache(maxsize=8)
def _cache(store: Store) -> JsonCache:
    return JsonCache(store.change_mark)


def answers_of(region: Region) -> Answers:
    """The cache of a region. All its clients share it, as in a server."""
    return Answers(region, _cache(region.store))


@dataclass(frozen=True)
class Client:
    """Calls actions as one account."""

    region: Region
    who: Principal

    def __call__(self, action: str, **request: object) -> dict[str, Any]:
        """The answer of an action, without the ResponseContext."""
        told = self._dispatch(action, request)
        check_answer(action, told)
        del told["ResponseContext"]
        return told

    def refusal(self, action: str, **request: object) -> "Refusal":
        """The refusal of an action. The test fails if the action succeeds."""
        try:
            told_instead = self._dispatch(action, request)
        except (UserError, OutOfSpace) as error:
            envelope = errors.envelope(error)
            check_error({**envelope, "ResponseContext": {"RequestId": str(uuid.UUID(int=0))}})
            told: Any = envelope["Errors"]
            row = errors.row(type(error))
            return Refusal(row.status, told[0]["Type"], told[0]["Code"], told[0]["Details"])
        raise AssertionError(told_instead)

    def _dispatch(self, action: str, request: dict[str, object]) -> dict[str, Any]:
        body = json.dumps(request).encode()
        question = (actions.outscale_action(action), self.who, body, str(uuid.UUID(int=1)))
        answers = answers_of(self.region)
        cached = answers.cached(*question)
        told: dict[str, Any] = json.loads(answers.answer(*question))
        assert cached is None or json.loads(cached) == told, "a cached answer holds no more"
        if action in ON_EVENT_LOOP:
            assert told == self._without_cache(action, body), "the JSON of a resource holds no more"
        return told

    def _without_cache(self, action: str, body: bytes) -> dict[str, Any]:
        """The answer of a Read action when nothing is cached."""
        question = (self.region, self.who, body, str(uuid.UUID(int=1)))
        return json.loads(encoded(dispatch(actions.outscale_action(action), *question)))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Refusal:
    """An error as clients see it."""

    status: int
    type: str
    code: str
    details: str

    @property
    def row(self) -> tuple[int, str, str]:
        return self.status, self.type, self.code


def denied(code: int) -> tuple[int, str, str]:
    return 401, "AccessDenied", str(code)


def parameter(code: int) -> tuple[int, str, str]:
    return 400, "InvalidParameter", str(code)


def value(code: int) -> tuple[int, str, str]:
    return 400, "InvalidParameterValue", str(code)


def absent(code: int) -> tuple[int, str, str]:
    return 400, "InvalidResource", str(code)


def missing(code: int) -> tuple[int, str, str]:
    return 400, "MissingParameter", str(code)


def unsupported(code: int) -> tuple[int, str, str]:
    return 400, "OperationNotSupported", str(code)


def state(code: int) -> tuple[int, str, str]:
    return 409, "InvalidState", str(code)


def conflict(code: int) -> tuple[int, str, str]:
    return 409, "ResourceConflict", str(code)
