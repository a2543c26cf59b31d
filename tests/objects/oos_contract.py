"""What every OOS promises (`souche.objects.oos`). A driver's test subclasses this."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from souche.objects.base import BadBucketName, BucketAccessRefused
from souche.objects.oos import Oos
from tests.objects.server import ALICE, BOB


class OosContract:
    """Subclasses provide the fixtures `oos` and `bucket_name` (a new one for each test)."""

    def test_a_bucket_may_be_ensured_again(self, oos: Oos, bucket_name: str) -> None:
        oos.ensure_bucket(bucket_name, ALICE.account_id)
        oos.store().put(bucket_name, "key", b"x", metadata={})
        oos.ensure_bucket(bucket_name, ALICE.account_id)
        assert oos.store().get(bucket_name, "key") == b"x"

    def test_a_bucket_is_ensured_by_several_exports_at_once(self, oos: Oos, bucket_name: str) -> None:
        with ThreadPoolExecutor(4) as exports:
            for _ in range(50):
                list(exports.map(lambda _: oos.ensure_bucket(bucket_name, ALICE.account_id), range(4)))

    def test_a_bucket_has_one_account(self, oos: Oos, bucket_name: str) -> None:
        oos.ensure_bucket(bucket_name, ALICE.account_id)
        if oos.capabilities.knows_accounts:
            with pytest.raises(BucketAccessRefused):
                oos.ensure_bucket(bucket_name, BOB.account_id)

    def test_a_bucket_is_removed_for_its_account_only(self, oos: Oos, bucket_name: str) -> None:
        oos.ensure_bucket(bucket_name, ALICE.account_id)
        oos.store().put(bucket_name, "key", b"x", metadata={})
        if oos.capabilities.knows_accounts:
            oos.remove_bucket(bucket_name, BOB.account_id, lambda _deleted: None)
            assert oos.store().get(bucket_name, "key") == b"x"
        for _again in range(2):
            oos.remove_bucket(bucket_name, ALICE.account_id, lambda _deleted: None)
        oos.ensure_bucket(bucket_name, BOB.account_id)
        assert oos.store().keys(bucket_name, "") == []

    def test_a_bad_name(self, oos: Oos) -> None:
        with pytest.raises(BadBucketName):
            oos.ensure_bucket("Not_A_Bucket", ALICE.account_id)

    def test_keys_may_be_synced_again(self, oos: Oos) -> None:
        for wanted in ([ALICE], [ALICE], [BOB], []):
            oos.sync_keys(wanted)

    def test_urls_begin_with_the_endpoint(self, oos: Oos, bucket_name: str) -> None:
        oos.ensure_bucket(bucket_name, ALICE.account_id)
        url = oos.store().presign(bucket_name, "key", 60)
        assert url.startswith((f"{oos.endpoint}/", "file:///"))
