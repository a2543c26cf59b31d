"""Bucket policies: those that a client may send, translated so that SeaweedFS 4.48 enforces them exactly.

SeaweedFS accepts any policy, but enforces only parts: it knows one of the forms of an account's name, some conditions
never hold, and a `Deny` of everything also locks out the owner. So a policy is parsed here. Its elements in `OBEYED`
are passed on, with each action by its name. Valid elements that would not be enforced are refused as not implemented,
all others as malformed. tests/http/s3/test_policies.py tries every action against the real server.

Source: S3, "Bucket policies", "Policies and permissions in Amazon S3" and IAM, "JSON policy elements".
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, TypeAlias

from souche.errors import Invalid

Json: TypeAlias = Any
AccountOf: TypeAlias = Callable[[str], str | None]
"""Finds the account with this id or name; None if there is none."""

MOST_BYTES: Final = 20 * 1024
"""maximum length of a policy (S3, "Bucket policies")"""
VERSIONS: Final = frozenset({"2012-10-17", "2008-10-17"})
EVERYBODY: Final = "*"
ARN: Final = "arn:aws:s3:::"
OF_OBJECTS: Final = frozenset(
    {
        "AbortMultipartUpload",
        "DeleteObject",
        "DeleteObjectTagging",
        "GetObject",
        "GetObjectTagging",
        "ListMultipartUploadParts",
        "PutObject",
        "PutObjectTagging",
    }
)
OF_BUCKETS: Final = frozenset(
    {
        "DeleteBucket",
        "GetBucketLocation",
        "GetBucketVersioning",
        "ListBucket",
        "ListBucketMultipartUploads",
        "ListBucketVersions",
        "PutBucketVersioning",
    }
)
OBEYED: Final = OF_OBJECTS | OF_BUCKETS
TO_EVERYBODY: Final = frozenset({"GetObject", "ListBucket"})
"""Actions that SeaweedFS permits to callers without a key if a policy does. It refuses all others."""
NAME: Final = re.compile(r"[A-Za-z*?]+")
ACCOUNT: Final = re.compile(r"[0-9]{12}")
USER_ARN: Final = re.compile(r"arn:aws:iam::(?P<account>[0-9]{12})?:(?:root|user/(?P<user>[^/*?]+))")
PREFIX: Final = "s3:prefix"
COMPARISONS: Final = frozenset({"StringEquals", "StringLike"})
ELEMENTS: Final = frozenset({"Version", "Id", "Statement"})
NOT_OBEYED: Final = ("NotPrincipal", "NotAction", "NotResource")
PARTS: Final = frozenset({"Sid", "Effect", "Principal", "Action", "Resource", "Condition", *NOT_OBEYED})


class MalformedPolicy(Invalid):
    """The policy is not valid: {reason}"""


class PolicyNotObeyed(Invalid):
    """This object store does not support the policy: {reason}"""


def obeyed(document: bytes, bucket: str, account_of: AccountOf) -> bytes:
    """The policy of a bucket as SeaweedFS obeys it.

    Raises:
        MalformedPolicy, PolicyNotObeyed.
    """
    policy = _read(document)
    _check_elements(policy, ELEMENTS, "the policy")
    if policy.get("Version", "2008-10-17") not in VERSIONS:
        raise MalformedPolicy(reason="Version is 2012-10-17, or 2008-10-17")
    statements = _listed(policy.get("Statement"), "Statement", dict)
    made = [_statement(each, bucket, account_of) for each in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": made}).encode()


def _read(document: bytes) -> Mapping[str, Json]:
    if len(document) > MOST_BYTES:
        raise MalformedPolicy(reason=f"it has more than {MOST_BYTES} bytes")
    try:
        policy = json.loads(document.decode(), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise MalformedPolicy(reason="it is not JSON") from error
    if not isinstance(policy, dict):
        raise MalformedPolicy(reason="it is not a JSON object")
    return policy


def _distinct(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise MalformedPolicy(reason="an element occurs twice")
    return made


def _statement(statement: Mapping[str, Json], bucket: str, account_of: AccountOf) -> dict[str, Json]:
    _check_elements(statement, PARTS, "a statement")
    for part in NOT_OBEYED:
        if part in statement:
            raise PolicyNotObeyed(reason=f"{part} is not supported")
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise MalformedPolicy(reason="Effect must be Allow or Deny")
    resources = [_resource(each, bucket) for each in _listed(statement.get("Resource"), "Resource", str)]
    actions = sorted(_actions(_listed(statement.get("Action"), "Action", str), resources))
    made = {
        "Effect": effect,
        "Principal": _principal(statement.get("Principal"), account_of),
        "Action": [f"s3:{each}" for each in actions],
        "Resource": resources,
    }
    if effect == "Allow" and made["Principal"] == EVERYBODY and not TO_EVERYBODY.issuperset(actions):
        allowed = " and ".join(f"s3:{each}" for each in sorted(TO_EVERYBODY))
        raise PolicyNotObeyed(
            reason=f"only {allowed} can be allowed to everybody (*); name accounts for other actions"
        )
    if "Condition" in statement:
        made["Condition"] = _condition(statement["Condition"], effect, actions)
    return made


def _principal(principal: Json, account_of: AccountOf) -> Json:
    """SeaweedFS treats every identity as a user of the account 000000000000."""
    if principal == EVERYBODY:
        return EVERYBODY
    if not isinstance(principal, dict) or not principal or not principal.keys() <= {"AWS", "CanonicalUser"}:
        raise MalformedPolicy(reason="Principal must be * or name accounts by AWS or CanonicalUser")
    named = [name for kind, names in principal.items() for name in _listed(names, kind, str)]
    if EVERYBODY in _listed(principal.get("AWS", "none"), "AWS", str):
        return EVERYBODY
    return {"AWS": [f"arn:aws:iam::000000000000:user/{_account(each, account_of)}" for each in named]}


def _account(principal: str, account_of: AccountOf) -> str:
    """An account by its id, by `arn:aws:iam::ID:root`, or as the one user of itself (`…:user/ID`, `…:user/NAME`, with
    or without its id before). Accounts here have no users of their own."""
    arn = USER_ARN.fullmatch(principal)
    if arn is None:
        found = account_of(principal) if ACCOUNT.fullmatch(principal) else None
    else:
        found = account_of(arn["user"] or arn["account"] or "")
        if arn["account"] not in (None, found):
            found = None
    if found is None:
        raise MalformedPolicy(reason=f"invalid principal in policy: {principal}")
    return found


def _resource(resource: str, bucket: str) -> str:
    name, slash, key = resource.removeprefix(ARN).partition("/")
    if not resource.startswith(ARN) or name != bucket or (slash and not key):
        raise MalformedPolicy(
            reason=f"a resource must be {ARN}{bucket} or {ARN}{bucket}/KEYS, not {resource}"
        )
    if "${" in resource:
        raise PolicyNotObeyed(reason="policy variables are not supported")
    return resource


def _actions(named: Sequence[str], resources: Sequence[str]) -> set[str]:
    """The actions of a statement, each by its name."""
    found: set[str] = set()
    whole, keys = (any(("/" in each) is inside for each in resources) for inside in (False, True))
    for action in named:
        service, _, name = ("s3:*" if action == EVERYBODY else action).partition(":")
        if service.lower() != "s3" or NAME.fullmatch(name) is None:
            raise MalformedPolicy(reason=f"there is no action {action}")
        meant = _matching(name)
        if not meant:
            raise PolicyNotObeyed(reason=f"the action {action} is not supported")
        applying = {each for each in meant if (keys if each in OF_OBJECTS else whole)}
        if not applying:
            raise MalformedPolicy(
                reason=f"the action {action} does not apply to any resource of its statement"
            )
        found |= applying
    return found


def _matching(name: str) -> set[str]:
    """The actions that match a name, case-insensitively; * and ? stand for letters. fnmatch does not backtrack over
    several *, as a regular expression would: a name of forty * would keep it busy for years."""
    return {each for each in OBEYED if fnmatchcase(each.lower(), name.lower())}


def _condition(condition: Json, effect: str, actions: Sequence[str]) -> Json:
    """`s3:prefix` for a list, in a statement that allows listing. SeaweedFS never compares a list without a prefix with
    an empty one."""
    if not isinstance(condition, dict):
        raise MalformedPolicy(reason="Condition must be a JSON object")
    for comparison, keys in condition.items():
        if comparison not in COMPARISONS or not isinstance(keys, dict) or keys.keys() != {PREFIX}:
            raise PolicyNotObeyed(
                reason=f"only the conditions StringEquals and StringLike of {PREFIX} are supported"
            )
        if "" in _listed(keys[PREFIX], PREFIX, str) or "${" in str(keys[PREFIX]):
            raise PolicyNotObeyed(reason=f"an empty {PREFIX} and policy variables are not supported")
    if effect != "Allow" or not {"ListBucket", "ListBucketVersions"}.issuperset(actions):
        raise PolicyNotObeyed(
            reason=f"{PREFIX} is supported only in statements that allow only s3:ListBucket"
        )
    return condition


def _listed(value: Json, name: str, kind: type) -> list[Json]:
    """One or several values, as a non-empty list."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, kind) for each in values):
        raise MalformedPolicy(reason=f"{name} is missing, empty or of another type")
    return values


def _check_elements(holder: Mapping[str, Json], known: frozenset[str], where: str) -> None:
    if unknown := sorted(holder.keys() - known):
        raise MalformedPolicy(reason=f"{where} has no element {unknown[0]}")
