"""The contract of an object store (OOS, or any other S3 service).

For every method: names are the caller's; what is to be deleted or aborted and is gone already is success. Several
threads may call at the same time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from souche.errors import Invalid, SystemFailure, Unavailable
from souche.formats.extents import Bytes

LONGEST_URL_SECONDS: Final = 604_800
"""Seven days, the most that SigV4 allows (reference section 4)."""
SMALLEST_PART_BYTES: Final = 5 * 1024 * 1024
"""of a multipart upload, the last part excepted (S3, "Multipart upload limits")"""
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
    healthz, metrics or status, under which the store tells of itself."""


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
    """See the module's text for what holds of every method. All of them raise BucketAccessRefused,
    ObjectsUnavailable (worth another try) and ObjectsFailed; NoSuchBucket, where a bucket is named that is none."""

    def ensure_bucket(self, bucket: str) -> None:
        """Make a bucket, unless there is one that these credentials reach.

        Raises:
            BadBucketName: there can be no such bucket.
        """
        ...

    def put(self, bucket: str, key: str, data: bytes, *, metadata: Mapping[str, str]) -> None:
        """Write a small object at once. Metadata comes back as `x-amz-meta-` response headers: ASCII, names in
        lower case, 2 KiB in all."""
        ...

    def get(self, bucket: str, key: str, *, most_bytes: int | None = None) -> bytes:
        """Read a small object; of one that has more than `most_bytes`, only so much is read.

        Raises:
            NoSuchObject: there is none. ObjectTooLarge.
        """
        ...

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object. No bucket, no object: that is success too."""
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
        """Send one part of `length` bytes as they come, and keep none of them: it cannot be sent again when it does
        not arrive. Whatever the stream raises passes through.

        Raises:
            NoSuchUpload: it is complete or aborted.
            ObjectsUnavailable: it did not arrive, or not as it was sent.
        """
        ...

    def complete_upload(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Make the object, of all the parts in order of their numbers.

        Raises:
            NoSuchUpload: it is complete or aborted.
        """
        ...

    def abort_upload(self, upload: Upload) -> None:
        """Forget an upload and its parts."""
        ...

    def uploads(self, bucket: str, prefix: str) -> list[Upload]:
        """What was begun for keys that begin with `prefix`, and is neither complete nor aborted. No bucket: none."""
        ...

    def presign(self, bucket: str, key: str, seconds: int) -> str:
        """A URL (SigV4) by which anyone can GET the object for so long, at most `LONGEST_URL_SECONDS`. It is a
        secret. The object need not exist yet."""
        ...
