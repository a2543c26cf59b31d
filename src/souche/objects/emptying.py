"""Deleting all that a bucket holds by S3: objects with their versions and delete markers, and multipart uploads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from souche.objects.base import ObjectsFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PARALLEL: Final = 8
"""One request a version: DeleteObjects needs a checksum header that OOS refuses (reference section 11)."""


def empty(client: "S3Client", bucket: str, on_progress: Callable[[int], None]) -> None:
    """Delete everything in a bucket. `on_progress` is called with the number of versions deleted so far; what it raises
    passes through.

    Raises:
        ObjectsFailed: versions are still listed after their deletion. Errors of botocore.
    """
    _abort_uploads(client, bucket)
    deleted, before = 0, None
    with ThreadPoolExecutor(PARALLEL) as pool:
        while versions := _some_versions(client, bucket):
            if versions == before:
                raise ObjectsFailed(reason=f"objects of the bucket {bucket} stay after their deletion")
            before = versions
            list(pool.map(lambda each: _delete(client, bucket, *each), versions))
            deleted += len(versions)
            on_progress(deleted)


def _abort_uploads(client: "S3Client", bucket: str) -> None:
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
    for upload in [upload for page in pages for upload in page.get("Uploads", [])]:
        try:
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        except client.exceptions.NoSuchUpload:
            continue


def _some_versions(client: "S3Client", bucket: str) -> Sequence[tuple[str, str]]:
    """The first versions and delete markers of a bucket, as key and version id ("null" without versioning). Always the
    first: those that were listed before are gone."""
    page = client.list_object_versions(Bucket=bucket)
    listed: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [(each["Key"], each["VersionId"]) for each in listed]


def _delete(client: "S3Client", bucket: str, key: str, version_id: str) -> None:
    client.delete_object(Bucket=bucket, Key=key, VersionId=version_id)
