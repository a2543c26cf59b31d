"""The requests that the door answers itself: creating and deleting buckets, and their policies. Called by threads."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog

from souche.app import buckets
from souche.app.context.region import Region
from souche.errors import SoucheError, SystemFailure
from souche.formats.bucket_policy import MalformedPolicy, PolicyNotObeyed
from souche.http.auth import KeyLookup
from souche.http.s3 import bodies, routes, signing
from souche.http.s3.answers import Answer, Refused
from souche.http.s3.heads import Request
from souche.http.s3.routes import Target
from souche.model.accounts import Principal
from souche.objects.base import BadBucketName, BucketAccessRefused, NoSuchBucket
from souche.objects.names import flaw_of_key
from souche.objects.oos import AccountOos
from souche.quota_refusals import TooManyBuckets
from souche.refusals import BucketIsYours, BucketTaken, NoBucketPolicy, NotBucketOwner

CODES: Final[Mapping[type[SoucheError], str]] = {
    BadBucketName: "InvalidBucketName",
    BucketAccessRefused: "BucketAlreadyExists",
    BucketIsYours: "BucketAlreadyOwnedByYou",
    BucketTaken: "BucketAlreadyExists",
    MalformedPolicy: "MalformedPolicy",
    NoBucketPolicy: "NoSuchBucketPolicy",
    NoSuchBucket: "NoSuchBucket",
    NotBucketOwner: "AccessDenied",
    PolicyNotObeyed: "NotImplemented",
    TooManyBuckets: "TooManyBuckets",
}
AWAY: Final = Refused("ServiceUnavailable", "The object store cannot be reached at the moment; try again.")

Made = TypeVar("Made")

log = structlog.get_logger()


@dataclass(frozen=True)
class Desk:
    """`keys` finds the accounts' access keys."""

    region: Region
    oos: AccountOos
    keys: KeyLookup
    making: threading.Lock = field(default_factory=threading.Lock)
    """Serializes the creation of buckets: if two accounts want a name, the second is told that it is taken."""

    def owner(self, bucket: str) -> str | None:
        """The account of a bucket; None: there is no such bucket.

        Raises:
            Refused: the store is away.
        """
        self.wait_for_store()
        return self._refusing(lambda: self.oos.owner(bucket))

    def wait_for_store(self) -> None:
        """Wait until the store has started and has the keys. A new store admits everyone until it has the first one,
        and then refuses those that it has not been given yet.

        Raises:
            Refused: the store is away.
        """
        self._refusing(self.oos.wait_for_keys)

    def caller(self, request: Request, body: bytes) -> Principal:
        """The account that signed a request.

        Raises:
            Refused: it is not signed.
        """
        return Principal(self._refusing(lambda: signing.caller(request, body, self.keys, self.region.clock)))

    def create(self, who: Principal, request: Request, about: Target, _body: bytes) -> Answer:
        """Answer a CreateBucket."""
        if request.headers.get("x-amz-bucket-object-lock-enabled", "false").lower() != "false":
            raise routes.not_implemented("x-amz-bucket-object-lock-enabled")
        if request.headers.get("x-amz-object-ownership", "BucketOwnerEnforced") != "BucketOwnerEnforced":
            raise routes.not_implemented("x-amz-object-ownership")
        with self.making:
            self._refusing(lambda: buckets.create(self.region, self.oos, who, about.bucket))
        return Answer(200, headers={"Location": f"/{about.bucket}"})

    def policy(self, who: Principal, request: Request, about: Target, body: bytes) -> Answer:
        """Answer a request about a bucket's policy."""
        bucket = about.bucket
        if request.method == "PUT":
            self._refusing(lambda: buckets.put_policy(self.region, self.oos, who, bucket, body))
            return Answer(204)
        if request.method == "DELETE":
            self._refusing(lambda: buckets.delete_policy(self.region, self.oos, who, bucket))
            return Answer(204)
        document = self._refusing(lambda: buckets.policy(self.region, self.oos, who, bucket))
        return Answer(200, document.encode(), {"Content-Type": "application/json"})

    def missing(self, request: Request) -> Refused:
        """The answer for a missing bucket. A caller that claims an identity must prove it first."""
        version_2 = request.headers.get("authorization", "").startswith("AWS ")
        if signing.is_signed(request) and not version_2 and not request.has_body:
            self.caller(request, b"")
        return Refused("NoSuchBucket", "The specified bucket does not exist.")

    def deleted(self, bucket: str) -> None:
        """The store has deleted a bucket. Its name may already be taken again."""
        try:
            with self.making:
                if self.oos.owner(bucket) is None:
                    buckets.forget(self.region, bucket)
        except SystemFailure as error:
            log.warning("a record of a bucket stays until the next sweep", bucket=bucket, reason=str(error))

    def inspect(self, request: Request, about: Target, owner: str, body: bytes) -> None:
        """Check a body that the store would misinterpret.

        Raises:
            Refused: it requests something that the store does not support.
        """
        if request.method == "POST":
            flaws = (flaw_of_key(key) for key in bodies.keys_to_delete(body))
            if flaw := next(filter(None, flaws), None):
                raise Refused("InvalidArgument", f"The key is not valid: {flaw}.")
        elif "ownershipControls" in request.query and not about.key:
            if bodies.object_ownership(body) != ["BucketOwnerEnforced"]:
                raise routes.not_implemented("ObjectOwnership with ACLs")
        elif not bodies.is_private(body, owner):
            raise routes.no_acls()

    def _refusing(self, do: Callable[[], Made]) -> Made:
        try:
            return do()
        except SystemFailure as error:
            log.warning("the object store is away", reason=str(error))
            raise AWAY from error
        except SoucheError as error:
            code = CODES.get(type(error))
            if code is None:
                raise
            raise Refused(code, error.public_message()) from error
