"""Any other S3 service as an `Oos`: all buckets are made by the region's one key to it."""

from collections.abc import Iterable

from souche.objects.base import ObjectStore
from souche.objects.oos import AccountKey, Capabilities
from souche.objects.s3 import S3Access, S3Store


class ExternalOos:
    """An `Oos`. It does not know the region's accounts: whose a bucket is, the region keeps."""

    def __init__(self, access: S3Access) -> None:
        self._access = access
        self._store = S3Store(access)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(knows_accounts=False)

    @property
    def endpoint(self) -> str:
        return self._access.endpoint

    def ensure_bucket(self, bucket: str, account_id: str) -> None:  # noqa: ARG002
        self._store.ensure_bucket(bucket)

    def sync_keys(self, wanted: Iterable[AccountKey]) -> None:
        """Its keys are its own."""

    def store(self) -> ObjectStore:
        return self._store
