"""Any other S3 service as an `Oos`. The region makes all buckets with its one key."""

from collections.abc import Callable, Iterable

from souche.objects.base import ObjectStore
from souche.objects.oos import AccountKey, Capabilities
from souche.objects.s3 import S3Access, S3Store


class ExternalOos:
    """An `Oos` that does not know the region's accounts. The region records the owners of buckets."""

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

    def remove_bucket(self, bucket: str, account_id: str, on_progress: Callable[[int], None]) -> None:  # noqa: ARG002
        self._store.remove_bucket(bucket, on_progress)

    def sync_keys(self, wanted: Iterable[AccountKey]) -> None:
        """Does nothing: the service manages its own keys."""

    def store(self) -> ObjectStore:
        return self._store
