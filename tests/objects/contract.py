"""What every object store promises (`souche.objects.base`). A driver's test subclasses this and gives a store and
the name of a bucket that it may make, or has."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from souche.objects.base import (
    BadBucketName,
    NoSuchBucket,
    NoSuchObject,
    NoSuchUpload,
    ObjectStore,
    ObjectTooLarge,
    Part,
)

MIB = 1024 * 1024
KEY = "exports/ami-12345678/snap-12345678-9abcdef0.qcow2.gz"
PARTS = [random.Random(number).randbytes(5 * MIB) for number in range(2)] + [b"the end"]


class ObjectsContract:
    """Subclasses provide the fixtures `objects` (a store) and `bucket` (fresh, ensured)."""

    def test_bucket_may_be_ensured_again(self, objects: ObjectStore, bucket: str) -> None:
        objects.put(bucket, KEY, b"x", metadata={})
        objects.ensure_bucket(bucket)
        assert objects.get(bucket, KEY) == b"x"

    def test_bad_bucket_name(self, objects: ObjectStore) -> None:
        with pytest.raises(BadBucketName):
            objects.ensure_bucket("Not_A_Bucket")

    def test_objects_are_listed_and_deleted(self, objects: ObjectStore, bucket: str) -> None:
        for key in ("b/2", "a/1", "b/1"):
            objects.put(bucket, key, key.encode(), metadata={})
        assert objects.keys(bucket, "") == ["a/1", "b/1", "b/2"]
        objects.delete(bucket, "b/1")
        objects.delete(bucket, "b/1")
        assert objects.keys(bucket, "b/") == ["b/2"]

    def test_no_such_object(self, objects: ObjectStore, bucket: str) -> None:
        with pytest.raises(NoSuchObject):
            objects.get(bucket, "nothing")

    def test_no_more_is_read_than_was_asked_for(self, objects: ObjectStore, bucket: str) -> None:
        objects.put(bucket, KEY, b"four", metadata={})
        assert objects.get(bucket, KEY, most_bytes=4) == b"four"
        with pytest.raises(ObjectTooLarge):
            objects.get(bucket, KEY, most_bytes=3)

    def test_parts_in_any_order_and_again(self, objects: ObjectStore, bucket: str) -> None:
        upload = objects.start_upload(bucket, KEY)
        numbered = list(enumerate(PARTS, start=1))
        with ThreadPoolExecutor(3) as pool:
            sent = list(
                pool.map(lambda each: objects.put_part(upload, *each), [*numbered[::-1], numbered[1]])
            )
        assert objects.keys(bucket, "") == []
        objects.complete_upload(upload, sorted(sent[:3], key=lambda part: part.number))
        assert objects.get(bucket, KEY) == b"".join(PARTS)
        assert objects.uploads(bucket, "") == []

    def test_a_part_is_sent_as_it_comes(self, objects: ObjectStore, bucket: str) -> None:
        upload = objects.start_upload(bucket, KEY)
        pieces = (memoryview(PARTS[0])[at : at + 100_001] for at in range(0, 5 * MIB, 100_001))
        sent = [objects.put_part_stream(upload, 1, 5 * MIB, pieces), objects.put_part(upload, 2, b"the end")]
        objects.complete_upload(upload, sent)
        assert objects.get(bucket, KEY) == PARTS[0] + b"the end"

    def test_what_a_stream_raises_passes_through(self, objects: ObjectStore, bucket: str) -> None:
        def stream() -> Iterator[bytes]:
            yield PARTS[0][:100]
            raise LookupError("no more")

        upload = objects.start_upload(bucket, KEY)
        with pytest.raises(LookupError):
            objects.put_part_stream(upload, 1, 5 * MIB, stream())
        objects.abort_upload(upload)
        with pytest.raises(NoSuchUpload):
            objects.put_part_stream(upload, 1, 4, [b"late"])

    def test_one_small_part_is_an_object(self, objects: ObjectStore, bucket: str) -> None:
        upload = objects.start_upload(bucket, KEY)
        objects.complete_upload(upload, [objects.put_part(upload, 1, b"small")])
        assert objects.get(bucket, KEY) == b"small"

    def test_uploads_are_listed_and_aborted(self, objects: ObjectStore, bucket: str) -> None:
        upload = objects.start_upload(bucket, KEY)
        other = objects.start_upload(bucket, "other")
        objects.put_part(upload, 1, b"part")
        assert objects.uploads(bucket, "exports/") == [upload]
        objects.abort_upload(upload)
        objects.abort_upload(upload)
        assert objects.uploads(bucket, "") == [other]
        assert objects.keys(bucket, "") == []

    def test_aborted_upload_takes_nothing(self, objects: ObjectStore, bucket: str) -> None:
        upload = objects.start_upload(bucket, KEY)
        objects.abort_upload(upload)
        with pytest.raises(NoSuchUpload):
            objects.put_part(upload, 1, b"late")
        with pytest.raises(NoSuchUpload):
            objects.complete_upload(upload, [Part(1, "tag")])

    def test_a_bucket_is_removed_with_all_that_it_holds(self, objects: ObjectStore, bucket: str) -> None:
        """Also keys whose form a listing may change, and parts of an upload that is not complete."""
        objects.ensure_bucket("kept-" + bucket[-40:])
        objects.put("kept-" + bucket[-40:], KEY, b"another's", metadata={})
        for key in (KEY, "a b+c", "ü%41&=?", "x/y/z", "x/y"):
            objects.put(bucket, key, b"x", metadata={})
        objects.put_part(objects.start_upload(bucket, KEY), 1, PARTS[0])
        counted: list[int] = []
        objects.remove_bucket(bucket, counted.append)
        assert counted[-1] == 5
        with pytest.raises(NoSuchBucket):
            objects.keys(bucket, "")
        objects.remove_bucket(bucket, counted.append)
        assert objects.get("kept-" + bucket[-40:], KEY) == b"another's"
        objects.ensure_bucket(bucket)
        assert (objects.keys(bucket, ""), objects.uploads(bucket, "")) == ([], [])

    def test_a_removal_that_was_broken_off_is_done_by_another(
        self, objects: ObjectStore, bucket: str
    ) -> None:
        def end(_deleted: int) -> None:
            raise KeyboardInterrupt

        for key in ("a", "b"):
            objects.put(bucket, key, b"x", metadata={})
        with pytest.raises(KeyboardInterrupt):
            objects.remove_bucket(bucket, end)
        assert len(objects.keys(bucket, "")) < 2
        objects.remove_bucket(bucket, lambda _deleted: None)
        with pytest.raises(NoSuchBucket):
            objects.keys(bucket, "")

    def test_without_a_bucket(self, objects: ObjectStore) -> None:
        objects.delete("no-such-bucket", KEY)
        assert objects.uploads("no-such-bucket", "") == []
        with pytest.raises(NoSuchBucket):
            objects.put("no-such-bucket", KEY, b"", metadata={})
        with pytest.raises(NoSuchBucket):
            objects.start_upload("no-such-bucket", KEY)
        with pytest.raises(NoSuchBucket):
            objects.keys("no-such-bucket", "")
