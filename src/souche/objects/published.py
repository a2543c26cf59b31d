"""S3 under two names: that by which the region reaches it, and that which pre-signed URLs have for clients."""

from souche.objects.s3 import S3Access, S3Store


class PublishedStore(S3Store):
    """An `ObjectStore` whose pre-signed URLs begin with another endpoint: the host is part of what is signed."""

    def __init__(self, access: S3Access, published: S3Access) -> None:
        super().__init__(access)
        self._published = S3Store(published) if published != access else None

    def presign(self, bucket: str, key: str, seconds: int) -> str:
        if self._published is None:
            return super().presign(bucket, key, seconds)
        return self._published.presign(bucket, key, seconds)
