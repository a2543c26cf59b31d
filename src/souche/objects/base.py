"""The contract of an object store (OOS, or any other S3 service).

For every method: the caller chooses the names. Deleting or aborting something that does not exist succeeds. Several
threads may call at the same time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from souche.errors import Invalid, SystemFailure, Unavailable
from souche.formats.extents import Bytes

LONGEST_URL_SECONDS: Final = 604_800
"""Seven days, SigV4's maximum (reference section 4)."""
SMALLEST_PART_BYTES: Final = 5 * 1024 * 1024
"""of a multipart upload, except for the last part (S3, "Multipart upload limits")"""
MOST_PARTS: Final = 10_000


class ObjectsFailed(SystemFailure):
    """The object store failed: {reason}"""


class ObjectsUnavailable(Unavailable):
    """The object store ({endpoint}) cannot be reached at the moment: {reason}"""


class BucketAccessRefused(Invalid):
    """Error accessing bucket {bucket}: access is refused ({reason})."""


class NoSuchBucket(Invalid):
    """Error accessing bucket {bucket}: it does not exist."""


class BadBucketName(Invalid):
    """The bucket name '{bucket}' is not valid: 3 to 63 lower-case letters, digits and hyphens are expected, and not
    healthz, metrics or status, which the store uses itself."""


class NoSuchObject(Invalid):
    """There is no object {key} in the bucket {bucket}."""


class ObjectTooLarge(Invalid):
    """The object {key} in the bucket {bucket} has more than {most_bytes} bytes."""


class NoSuchUpload(SystemFailure):
    """The upload of {key} to the bucket {bucket} was aborted meanwhile."""


@dataclass(frozen=True)
class Upload:
    """A multipart upload that is neither complete nor aborted."""

    bucket: str
    key: str
    upload_id: str


@dataclass(frozen=True)
class Part:
    """A part that has arrived; numbers begin with 1."""

    number: int
    tag: str


class ObjectStore(Protocol):
    """The module's docstring holds for every method. All of them raise BucketAccessRefused, ObjectsUnavailable (worth
    another try) and ObjectsFailed, and NoSuchBucket if the named bucket does not exist."""

    def ensure_bucket(self, bucket: str) -> None:
        """Make a bucket, unless one exists that these credentials reach.

        Raises:
            BadBucketName: no bucket can have this name.
        """
        ...

    def remove_bucket(self, bucket: str, on_progress: Callable[[int], None]) -> None:
        """Delete a bucket with all that it holds: objects, their versions, delete markers, multipart uploads. A missing
        bucket is success. `on_progress` is called with the number of versions and markers deleted so far; what it
        raises passes through, and a later call deletes the rest.

        Raises:
            ObjectsUnavailable: others go on writing to the bucket.
        """
        ...

    def put(self, bucket: str, key: str, data: bytes, *, metadata: Mapping[str, str]) -> None:
        """Write a small object in one request. Metadata becomes `x-amz-meta-` response headers: ASCII, names in lower
        case, 2 KiB in all."""
        ...

    def get(self, bucket: str, key: str, *, most_bytes: int | None = None) -> bytes:
        """Read a small object; of one that has more than `most_bytes`, only so much is read.

        Raises:
            NoSuchObject: there is none. ObjectTooLarge.
        """
        ...

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object. A missing object or bucket is success too."""
        ...

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys of all objects that begin with `prefix`, sorted."""
        ...

    def start_upload(self, bucket: str, key: str) -> Upload:
        """Begin a multipart upload."""
        ...

    def put_part(self, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        """Send one part; parts may arrive in any order, at the same time, and again.

        Raises:
            NoSuchUpload: it is complete or aborted.
        """
        ...

    def put_part_stream(self, upload: Upload, number: int, length: int, stream: Iterable[Bytes]) -> Part:
        """Send one part of `length` bytes as the stream yields them, without keeping them: a part that fails cannot be
        sent again. Errors of the stream pass through.

        Raises:
            NoSuchUpload: it is complete or aborted.
            ObjectsUnavailable: the part did not arrive, or arrived damaged.
        """
        ...

    def complete_upload(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Make the object from all parts, in the order of their numbers.

        Raises:
            NoSuchUpload: it is complete or aborted.
        """
        ...

    def abort_upload(self, upload: Upload) -> None:
        """Forget an upload and its parts."""
        ...

    def uploads(self, bucket: str, prefix: str) -> list[Upload]:
        """The unfinished uploads of keys that begin with `prefix`. Empty if there is no such bucket."""
        ...

    def presign(self, bucket: str, key: str, seconds: int) -> str:
        """A URL (SigV4) that lets anyone GET the object for `seconds`, at most `LONGEST_URL_SECONDS`. It is a secret.
        The object need not exist yet."""
        ...
