"""From a request's credentials to its caller.

Source: reference section 1, "Authentication", and section 12: an unknown key is refused as unknown, as on the real
service. An inactive key, an expired one and a wrong secret are refused with the same words, after the same work.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias

from souche.api.protocol.dispatch import Access
from souche.api.protocol.request_errors import (
    AddressRefused,
    CredentialsRefused,
    HeaderNotSigned,
    KeyLocked,
    MalformedAuthorization,
    NotSigned,
    PasswordNotAllowed,
    UnknownAccessKey,
    WrongClock,
    WrongCredentials,
    WrongScopeDate,
)
from souche.clock import Clock
from souche.http import signature
from souche.http.attempts import Attempts
from souche.http.signature import Signature, SignedRequest
from souche.model.accounts import Principal

PAST: Final = timedelta(minutes=5)
FUTURE: Final = timedelta(seconds=3)  # the real service accepted 2 seconds and refused 4
TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"
FORM: Final = re.compile("[0-9]{8}T[0-9]{6}Z")
DATE_HEADERS: Final = ("x-osc-date", "x-amz-date")


class KnownKey(Protocol):
    """An access key as the check needs it."""

    @property
    def account_id(self) -> str: ...

    @property
    def secret(self) -> str: ...

    @property
    def active(self) -> bool: ...

    @property
    def expired(self) -> bool: ...


class KeyLookup(Protocol):
    """Finds an access key; None if there is none of this id. Every request calls it: be fast."""

    def __call__(self, access_key_id: str, /) -> KnownKey | None: ...


MayCall: TypeAlias = Callable[[str, str], bool]
"""whether an account's requests are accepted from an address; must be fast: every signed request calls it"""


def everybody(_account_id: str, _address: str) -> bool:
    """Admits every address."""
    return True


class Authenticator:
    """Identifies the sender of a request."""

    def __init__(
        self, keys: KeyLookup, clock: Clock, attempts: Attempts, may_call: MayCall = everybody
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._attempts = attempts
        self._may_call = may_call

    def caller(self, access: Access, request: SignedRequest) -> Principal | None:
        """The caller of an action with this access. An action without credentials is open to anyone: bad credentials
        count as no credentials there (None).

        Raises:
            CredentialsRefused: the action needs credentials, and these are not valid.
        """
        try:
            return self._principal(access, request)
        except CredentialsRefused:
            if access is Access.NONE:
                return None
            raise

    def _principal(self, access: Access, request: SignedRequest) -> Principal:
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise NotSigned
        if authorization[:6].lower() == "basic ":
            raise PasswordNotAllowed(reason=_why_no_password(access))
        signed = signature.parse(authorization)
        if signed is None:
            raise MalformedAuthorization
        timestamp = _timestamp(request)
        now = self._clock.now()
        _check_clock(timestamp, now)
        _check_coverage(signed)
        if signed.date != timestamp[:8]:
            raise WrongScopeDate(scope_date=signed.date, date=timestamp[:8])
        return self._check_signature(signed, request, timestamp, now)

    def _check_signature(
        self, signed: Signature, request: SignedRequest, timestamp: str, now: datetime
    ) -> Principal:
        key_id = signed.access_key_id
        failures = self._attempts.of(key_id)
        if seconds := failures.seconds_locked(now):
            raise KeyLocked(seconds=seconds)
        known = self._keys(key_id)
        if known is None:  # without a secret, there is nothing to guess
            raise UnknownAccessKey(access_key_id=key_id)
        if not self._may_call(known.account_id, request.address):
            # Checked before the signature: from other addresses, a guess neither shows a hit nor locks the key.
            raise AddressRefused(address=request.address)
        proven = signature.matches(signed, request, timestamp, known.secret)
        if not proven or not known.active or known.expired:
            # Checked again: simultaneous guesses all passed the first check before any was counted.
            if seconds := self._attempts.failed(key_id, now):
                raise KeyLocked(seconds=seconds)
            raise WrongCredentials
        if failures.count and (seconds := self._attempts.forget(key_id, now)):
            raise KeyLocked(seconds=seconds)
        return Principal(known.account_id, key_id)


def _timestamp(request: SignedRequest) -> str:
    """The date in the string to sign, whichever header has it."""
    for name in DATE_HEADERS:
        if name in request.headers:
            return request.headers[name]
    raise HeaderNotSigned(reason="there is neither an X-Osc-Date nor an X-Amz-Date header.")


def _instant(timestamp: str) -> datetime:
    """As `strptime` with TIMESTAMP reads it, in a tenth of the time.

    Raises:
        ValueError: it is of another form, or no date.
    """
    if not FORM.fullmatch(timestamp):
        raise ValueError
    return datetime.fromisoformat(timestamp)


def _check_clock(timestamp: str, now: datetime) -> None:
    try:
        sent = _instant(timestamp)
    except ValueError as error:
        raise HeaderNotSigned(reason="X-Osc-Date should have the form 20260131T235959Z.") from error
    if not -FUTURE <= now - sent <= PAST:
        raise WrongClock(
            date=timestamp, now=now.strftime(TIMESTAMP), past=PAST.seconds, future=FUTURE.seconds
        )


def _check_coverage(signed: Signature) -> None:
    """A signature without the host would be valid for any other server too."""
    if "host" not in signed.signed_headers:
        raise HeaderNotSigned(reason="the SignedHeaders must include the Host header.")


def _why_no_password(access: Access) -> str:
    if access is Access.PASSWORD:
        return "Souche's accounts have no passwords"
    return "this call takes signatures only"
