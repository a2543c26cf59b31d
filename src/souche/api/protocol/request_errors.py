"""Errors in a request before its use-case: in its path, credentials or shape, and unsupported parameters. They use
names of the wire, so they are here and not in `souche.refusals`.
"""

from typing import Final

from souche.errors import Denied, Invalid, NotFound, QuotaExceeded
from souche.refusals import OperationNotSupported

RETRY_SECONDS: Final = 5
"""after which a client may resend a request that was over its account's limits"""


class WrongServicePath(NotFound):
    """The requested service path '{path}' is not found (expected: /api/v1/<Action>)."""


class WrongMethod(Denied):
    """The method {method} is not allowed here: every action is a POST."""


class UnknownAction(NotFound):
    """The action '{action}' doesn't exist in {api}."""


class BodyTooLarge(Invalid):
    """The body of the request is larger than {limit} bytes."""


class TooManyRequests(QuotaExceeded):
    """Request rate exceeded: too many requests of one caller are under way. Try again in {seconds} seconds."""


class TooManyConnections(QuotaExceeded):
    """Too many connections are open from this address. Try again in {seconds} seconds."""


class TooManyBodies(QuotaExceeded):
    """Too many large requests are under way from this address. Try again in {seconds} seconds."""


class TooSlow(Invalid):
    """The request arrived too slowly: at least {bytes_per_second} bytes a second are expected."""


class BodyCutOff(Invalid):
    """The connection ended before the body of the request."""


class MalformedBody(Invalid):
    """The body of the request is not a JSON object: {reason}"""


class UnknownParameter(Invalid):
    """The parameter '{parameter}' is unknown. {hint}"""


class WrongJsonType(Invalid):
    """The parameter '{parameter}' should be of the type {expected}, not {found}."""


class CredentialsRefused(Denied):
    """The caller's credentials are not accepted."""


class NotSigned(CredentialsRefused):
    """The request is not signed: an Authorization header with OSC4-HMAC-SHA256 or AWS4-HMAC-SHA256 is
    required."""


class MalformedAuthorization(CredentialsRefused):
    """The Authorization header cannot be read: expected '<OSC4|AWS4>-HMAC-SHA256 Credential=<access
    key>/<date>/<region>/<service>/<osc4|aws4>_request, SignedHeaders=<names>, Signature=<64 hex digits>'."""


class HeaderNotSigned(CredentialsRefused):
    """The signature does not cover a required header: {reason}"""


class WrongScopeDate(CredentialsRefused):
    """The Credential has the date '{scope_date}', and the request {date}: they must be equal."""


class WrongClock(CredentialsRefused):
    """The request is dated {date}, and this region's clock says {now}: at most {past} seconds in the past and
    {future} in the future are accepted. Check the client's clock."""


class UnknownAccessKey(CredentialsRefused):
    """The access key '{access_key_id}' is not known in this region."""


class WrongCredentials(CredentialsRefused):
    """The access key is inactive or expired, or the signature does not match its secret key."""


class KeyLocked(CredentialsRefused):
    """Too many failed attempts with this access key in a row: it is locked for {seconds} seconds."""


class AddressRefused(CredentialsRefused):
    """The account's API access rules do not allow requests from {address}."""


class PasswordNotAllowed(CredentialsRefused):
    """A login and password are not accepted: {reason}. Sign the call with an access key."""


class NoSuchSubnet(NotFound):
    """The SubnetId '{subnet_id}' doesn't exist."""


class NoSuchNet(NotFound):
    """The NetId '{net_id}' doesn't exist."""


class NoSuchNic(NotFound):
    """The NicId '{nic_id}' doesn't exist."""


class BadPageToken(Invalid):
    """The NextPageToken does not come from this action."""


class ActionNotSupported(OperationNotSupported):
    """Souche does not support the action '{action}' (docs/compatibility.md)."""


class ParameterNotSupported(OperationNotSupported):
    """Souche does not support the parameter '{parameter}' (docs/compatibility.md)."""
