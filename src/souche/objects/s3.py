"""An object store that speaks S3: the embedded OOS, OUTSCALE's own, Ceph, and others."""

import base64
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, Final, cast

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.session import Session as BotocoreSession
from isal import isal_zlib

from souche.errors import SoucheError
from souche.formats.extents import Bytes
from souche.objects.base import (
    LONGEST_URL_SECONDS,
    BadBucketName,
    BucketAccessRefused,
    NoSuchBucket,
    NoSuchObject,
    NoSuchUpload,
    ObjectsFailed,
    ObjectsUnavailable,
    ObjectTooLarge,
    Part,
    Upload,
)
from souche.objects.emptying import empty
from souche.objects.names import is_bucket_name
from souche.objects.streamed_body import StreamedBody

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

CONNECT_SECONDS: Final = 10
READ_SECONDS: Final = 60
ATTEMPTS: Final = 5
CONNECTIONS: Final = 16
REFUSED: Final = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401", "AllAccessDisabled"}
)
REFUSALS: Final = frozenset({401, 403})
PASSING: Final = frozenset(
    {"BadDigest", "RequestTimeout", "RequestTimeTooSkewed", "OperationAborted", "SlowDown", "TooManyRequests"}
)
"""Codes to retry, although some are 4xx (S3, "Error responses"); a wrong clock may be corrected."""
PASSING_STATUSES: Final = frozenset({408, 429})
OURS_ALREADY: Final = "BucketAlreadyOwnedByYou"
TAKEN: Final = "BucketAlreadyExists"
NO_POLICY: Final = "NoSuchBucketPolicy"
"""SeaweedFS was seen to answer this to DeleteBucketPolicy. On AWS that succeeds."""
NOT_EMPTY: Final = "BucketNotEmpty"
EMPTYINGS: Final = 3
"""of a bucket that is removed while others may still write to it"""
SESSION_LOCK: Final = Lock()
"""A session can create only one client at a time (boto3, "Multithreading or multiprocessing with sessions")."""


@dataclass(frozen=True)
class S3Access:
    """The address and the credentials of an S3 service. Pre-signed URLs begin with `endpoint`. `crc32`: the service
    compares `x-amz-checksum-crc32`, which costs a tenth of an MD5. OOS refuses that header."""

    endpoint: str
    access_key_id: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    crc32: bool = False


def configuration(attempts: int = ATTEMPTS) -> Config:
    """Path-style URLs, and no checksums that OOS refuses (reference section 11). Temporary failures are retried.

    The body is not signed: SeaweedFS was seen to accept a body whose SHA-256 differs from the signed one. Instead,
    writes send an MD5, which every S3 service compares with the received data, or a CRC-32.
    """
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=CONNECTIONS,
        proxies={},
    )


@cache
def _session() -> boto3.session.Session:
    """One session for all clients: it holds the description of S3, 12 MiB. It ignores the AWS profiles of the user who
    runs the region."""
    nowhere = (None, None, os.devnull, None)
    variables = {
        "profile": (None, None, None, None),
        "config_file": nowhere,
        "credentials_file": nowhere,
    }
    return boto3.session.Session(botocore_session=BotocoreSession(session_vars=variables))


class S3Store:
    """An `ObjectStore`."""

    def __init__(self, access: S3Access, *, attempts: int = ATTEMPTS) -> None:
        self._endpoint = access.endpoint
        self._checksum = _crc32 if access.crc32 else _md5
        with SESSION_LOCK:
            self._client: S3Client = _session().client(
                "s3",
                endpoint_url=access.endpoint,
                aws_access_key_id=access.access_key_id,
                aws_secret_access_key=access.secret_key,
                region_name=access.region,
                config=configuration(attempts),
            )

    def ensure_bucket(self, bucket: str) -> None:
        if not is_bucket_name(bucket):
            raise BadBucketName(bucket=bucket)
        with self._errors(bucket):
            try:
                self._client.head_bucket(Bucket=bucket)
            except ClientError as error:
                if _status(error) != 404:
                    self._say_why(bucket)
                    raise
            else:
                return
        with self._errors(bucket):
            self._create(bucket)

    def remove_bucket(self, bucket: str, on_progress: Callable[[int], None]) -> None:
        with _gone_is_success(), self._errors(bucket):
            for _attempt in range(EMPTYINGS):
                empty(self._client, bucket, on_progress)
                if self._remove_empty(bucket):
                    return
            reason = "others write to it while it is deleted"
            raise ObjectsUnavailable(endpoint=f"the bucket {bucket}", reason=reason)

    def put(self, bucket: str, key: str, data: bytes, *, metadata: Mapping[str, str]) -> None:
        with self._errors(bucket, key):
            self._client.put_object(
                Bucket=bucket, Key=key, Body=data, Metadata=dict(metadata), **self._checksum(data)
            )

    def get(self, bucket: str, key: str, *, most_bytes: int | None = None) -> bytes:
        with self._errors(bucket, key):
            stream = self._client.get_object(Bucket=bucket, Key=key)["Body"]
            with closing(stream):
                body: bytes = stream.read() if most_bytes is None else stream.read(most_bytes + 1)
        if most_bytes is not None and len(body) > most_bytes:
            raise ObjectTooLarge(bucket=bucket, key=key, most_bytes=most_bytes)
        return body

    def delete(self, bucket: str, key: str) -> None:
        with _gone_is_success(), self._errors(bucket, key):
            self._client.delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        with self._errors(bucket):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return sorted(found["Key"] for page in pages for found in page.get("Contents", []))

    def size(self, bucket: str, key: str) -> int | None:
        """The number of bytes of an object; None if there is no such object or bucket."""
        try:
            with self._errors(bucket, key):
                return int(self._client.head_object(Bucket=bucket, Key=key)["ContentLength"])
        except ObjectsFailed as error:
            if isinstance(error.__cause__, ClientError) and _status(error.__cause__) == 404:
                return None
            raise

    def upload_file(self, bucket: str, key: str, path: Path, progress: Callable[[int], None]) -> None:
        """Write a file, in parts if it is large. `progress` is called with the bytes sent since its last call."""
        with self._errors(bucket, key):
            try:
                self._client.upload_file(str(path), bucket, key, Callback=progress)
            except S3UploadFailedError as error:  # the service's own error is its cause
                raise error.__context__ or error from error

    def download_file(self, bucket: str, key: str, path: Path, progress: Callable[[int], None]) -> None:
        """Write an object to a file. `progress` is called with the bytes received since its last call.

        Raises:
            NoSuchObject.
        """
        if self.size(bucket, key) is None:
            raise NoSuchObject(bucket=bucket, key=key)
        with self._errors(bucket, key):
            self._client.download_file(bucket, key, str(path), Callback=progress)

    def start_upload(self, bucket: str, key: str) -> Upload:
        with self._errors(bucket, key):
            answer = self._client.create_multipart_upload(Bucket=bucket, Key=key)
            return Upload(bucket, key, answer["UploadId"])

    def put_part(self, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        with self._errors(upload.bucket, upload.key):
            answer = self._client.upload_part(
                **_names(upload), PartNumber=number, Body=data, **self._checksum(data)
            )
            return Part(number, answer["ETag"])

    def put_part_stream(self, upload: Upload, number: int, length: int, stream: Iterable[Bytes]) -> Part:
        body = StreamedBody(stream)
        with self._errors(upload.bucket, upload.key), body.own_errors():
            answer = self._client.upload_part(
                **_names(upload), PartNumber=number, Body=cast("IO[bytes]", body), ContentLength=length
            )
        if not body.arrived_as(answer["ETag"]):
            reason = "a part was damaged in transit"
            raise ObjectsUnavailable(endpoint=f"the bucket {upload.bucket}", reason=reason)
        return Part(number, answer["ETag"])

    def complete_upload(self, upload: Upload, parts: Sequence[Part]) -> None:
        listed: list[CompletedPartTypeDef] = [{"PartNumber": part.number, "ETag": part.tag} for part in parts]
        with self._errors(upload.bucket, upload.key):
            self._client.complete_multipart_upload(**_names(upload), MultipartUpload={"Parts": listed})

    def abort_upload(self, upload: Upload) -> None:
        with _gone_is_success(), self._errors(upload.bucket, upload.key):
            self._client.abort_multipart_upload(**_names(upload))

    def uploads(self, bucket: str, prefix: str) -> list[Upload]:
        with _gone_is_success(), self._errors(bucket):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=bucket, Prefix=prefix
            )
            found = [upload for page in pages for upload in page.get("Uploads", [])]
            return [Upload(bucket, upload["Key"], upload["UploadId"]) for upload in found]
        return []

    def set_policy(self, bucket: str, policy: bytes | None) -> None:
        """Set a bucket's policy; None removes it. A missing bucket is success too, and so is a missing policy."""
        with _gone_is_success(), self._errors(bucket):
            if policy is None:
                self._remove_policy(bucket)
            else:
                self._client.put_bucket_policy(Bucket=bucket, Policy=policy.decode())

    def presign(self, bucket: str, key: str, seconds: int) -> str:
        assert 0 < seconds <= LONGEST_URL_SECONDS
        with self._errors(bucket, key):
            names = {"Bucket": bucket, "Key": key}
            url: str = self._client.generate_presigned_url("get_object", Params=names, ExpiresIn=seconds)
        return url

    def _say_why(self, bucket: str) -> None:
        """Raise the refusal with its code. The answer to a HEAD has no body, so its 403 does not distinguish a wrong
        key, a wrong secret and a missing right."""
        self._client.list_objects_v2(Bucket=bucket, MaxKeys=1)

    def _create(self, bucket: str) -> None:
        try:
            self._client.create_bucket(Bucket=bucket)
        except ClientError as error:
            if _code(error) == TAKEN:
                raise BucketAccessRefused(bucket=bucket, reason="it belongs to another account") from error
            if _code(error) != OURS_ALREADY:
                raise

    def _remove_policy(self, bucket: str) -> None:
        try:
            self._client.delete_bucket_policy(Bucket=bucket)
        except ClientError as error:
            if _code(error) != NO_POLICY:
                raise

    def _remove_empty(self, bucket: str) -> bool:
        """Delete a bucket; false: it is not empty."""
        try:
            self._client.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if _code(error) != NOT_EMPTY:
                raise
            return False
        return True

    @contextmanager
    def _errors(self, bucket: str, key: str = "") -> Iterator[None]:
        """Translate botocore's errors."""
        try:
            yield
        except ClientError as error:
            raise _failure(error, bucket, key) from error
        except ParamValidationError as error:
            raise BadBucketName(bucket=bucket) from error
        except BotoCoreError as error:
            raise ObjectsUnavailable(endpoint=self._endpoint, reason=str(error)) from error


@contextmanager
def _gone_is_success() -> Iterator[None]:
    try:
        yield
    except (NoSuchBucket, NoSuchObject, NoSuchUpload):
        return


def _failure(error: ClientError, bucket: str, key: str) -> SoucheError:
    code = _code(error)
    by_code: dict[str, SoucheError] = {
        "NoSuchBucket": NoSuchBucket(bucket=bucket),
        "NoSuchKey": NoSuchObject(bucket=bucket, key=key),
        "NoSuchUpload": NoSuchUpload(bucket=bucket, key=key),
        "InvalidBucketName": BadBucketName(bucket=bucket),
    }
    if code in by_code:
        return by_code[code]
    if code in PASSING or _status(error) in PASSING_STATUSES or _status(error) >= 500:
        return ObjectsUnavailable(endpoint=f"the bucket {bucket}", reason=str(error))
    if code in REFUSED or _status(error) in REFUSALS:
        return BucketAccessRefused(bucket=bucket, reason=code)
    return ObjectsFailed(reason=str(error))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _md5(data: bytes | bytearray) -> dict[str, Any]:
    """The Content-MD5 of a body (RFC 1864), as boto3 takes it."""
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return {"ContentMD5": base64.b64encode(digest).decode()}


def _crc32(data: bytes | bytearray) -> dict[str, Any]:
    """The CRC-32 of a body, big-endian (S3, "Checking object integrity"), as boto3 takes it."""
    return {"ChecksumCRC32": base64.b64encode(isal_zlib.crc32(data).to_bytes(4)).decode()}


def _names(upload: Upload) -> dict[str, Any]:
    return {"Bucket": upload.bucket, "Key": upload.key, "UploadId": upload.upload_id}
