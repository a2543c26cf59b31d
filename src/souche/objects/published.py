"""An S3 service with two names: the region uses one, and clients use the other in pre-signed URLs."""

from souche.objects.s3 import S3Access, S3Store


class PublishedStore(S3Store):
    """An `ObjectStore` whose pre-signed URLs begin with another endpoint. The signature covers the host, so the URL
    cannot be rewritten afterwards."""

    def __init__(self, access: S3Access, published: S3Access) -> None:
        super().__init__(access)
        self._published = S3Store(published) if published != access else None

    def presign(self, bucket: str, key: str, seconds: int) -> str:
        if self._published is None:
            return super().presign(bucket, key, seconds)
        return self._published.presign(bucket, key, seconds)
