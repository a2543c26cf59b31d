"""`souche account`."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from souche.admin import account_deletion
from souche.admin.account_deletion import BucketStays
from souche.admin.listener import Listener
from souche.app import access_keys, api_access_rules
from souche.db import access_keys as key_rows
from souche.db import buckets
from souche.main import administration
from souche.model.accounts import Principal
from souche.objects.base import BucketAccessRefused
from tests.cli.conftest import Souche

KEY, OTHER_KEY, SECRET = "CI" * 10, "OTHER" * 4, "s3cret+/=A" * 4


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return file


def opens(home: Path, access_key_id: str) -> bool:
    """Whether a key opens the API, and the buckets too."""
    with administration.administer(home) as administered:
        region = administered.region
        with region.store.read() as connection:
            usable = {key.access_key_id for key in key_rows.usable(connection, region.clock.now())}
        known = functools.partial(access_keys.lookup, region)(access_key_id)
    found = known is not None and known.active and not known.expired
    assert found == (access_key_id in usable)
    return found


def test_an_account_whose_secret_is_lost_gets_another_key(souche: Souche) -> None:
    (account,) = souche("account", "create", "alice")
    (made,) = souche("account", "key", "create", "alice")
    assert set(made) == {"AccessKeyId", "SecretKey"}
    souche.run("account", "key", "delete", "alice", account["AccessKeyId"])
    assert [key["AccessKeyId"] for key in souche("account", "key", "list", account["AccountId"])] == [
        made["AccessKeyId"]
    ]
    assert opens(souche.home, made["AccessKeyId"])
    assert not opens(souche.home, account["AccessKeyId"])
    assert made["SecretKey"] not in souche.run("account", "key", "list", "alice")


def test_a_key_is_disabled_and_enabled(souche: Souche) -> None:
    (account,) = souche("account", "create", "alice")
    key = account["AccessKeyId"]
    for act, state in (("disable", "INACTIVE"), ("enable", "ACTIVE")):
        (changed,) = souche("account", "key", act, "alice", key)
        (shown,) = souche("account", "key", "list", "alice")
        assert changed == shown
        assert (shown["State"], opens(souche.home, key)) == (state, state == "ACTIVE")


def test_a_change_of_an_account_tells_what_it_made(souche: Souche) -> None:
    (made,) = souche("account", "create", "alice", "--alias", "A")
    facts = {"AccountId": made["AccountId"], "Name": "bob", "Alias": "A", "State": "enabled"}
    assert souche("account", "rename", "alice", "bob") == [facts]
    assert souche("account", "disable", "bob") == [{**facts, "State": "disabled"}]
    assert souche("account", "enable", "bob") == [facts]
    keys = souche("account", "key", "list", "bob")
    assert souche("account", "key", "delete", "bob", made["AccessKeyId"]) == keys
    assert souche("account", "delete", "bob", "--yes") == [facts]
    assert "bob" in souche.refusal("account", "show", "bob")


def test_no_key_of_a_disabled_account_opens_anything(souche: Souche) -> None:
    (account,) = souche("account", "create", "alice")
    (second,) = souche("account", "key", "create", "alice")
    (bob,) = souche("account", "create", "bob")
    souche.run("account", "disable", "alice")
    assert [souche("account", "show", each)[0]["State"] for each in ("alice", "bob")] == [
        "disabled",
        "enabled",
    ]
    keys = [each["AccessKeyId"] for each in (account, second, bob)]
    assert [opens(souche.home, key) for key in keys] == [False, False, True]
    souche.run("account", "key", "disable", "alice", keys[1])
    souche.run("account", "enable", "alice")
    assert [opens(souche.home, key) for key in keys] == [True, False, True]


def test_an_account_is_renamed(souche: Souche) -> None:
    (account,) = souche("account", "create", "alice", "--alias", "Alice")
    souche("account", "create", "bob")
    souche.run("account", "rename", "alice", "carol")
    assert souche("account", "show", "carol") == [
        {"AccountId": account["AccountId"], "Name": "carol", "Alias": "Alice", "State": "enabled"}
    ]
    assert "There is no account 'alice'" in souche.refusal("account", "show", "alice")
    assert "already used" in souche.refusal("account", "rename", "carol", "bob")
    assert "provider" in souche.refusal("account", "rename", "carol", "0utscale")
    souche.run("account", "rename", "carol", "carol")


def test_credentials_can_be_chosen_and_making_the_account_again_changes_nothing(
    souche: Souche, secret_file: Path
) -> None:
    given = ("account", "create", "ci", "--access-key", KEY, "--secret-key-file", secret_file, "--if-missing")
    (made,) = souche(*given)
    assert (made["AccessKeyId"], made["SecretKey"]) == (KEY, SECRET)
    assert souche(*given) == [made]
    assert opens(souche.home, KEY)
    assert len(souche("account", "key", "list", "ci")) == 1
    souche.run("account", "key", "delete", "ci", KEY)
    assert souche(*given) == [made]
    assert opens(souche.home, KEY)
    (plain,) = souche("account", "create", "ci", "--if-missing")
    assert plain == {"AccountId": made["AccountId"], "AccessKeyId": None, "SecretKey": None}
    assert "already used" in souche.refusal(*given[:-1][:3], "--access-key", OTHER_KEY, *given[5:7])


def test_credentials_of_others_and_such_as_clients_refuse_are_not_taken(
    souche: Souche, secret_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("O" * 40)
    chosen = ("--access-key", KEY, "--secret-key-file")
    souche("account", "create", "alice", *chosen, secret_file)
    for name, file in (("bob", secret_file), ("bob", other), ("alice", other)):
        for more in ((), ("--if-missing",)):
            refusal = souche.refusal("account", "create", name, *chosen, file, *more)
            assert "in use" in refusal or "already used" in refusal
    assert [each["Name"] for each in souche("account", "list")] == ["alice"]
    assert "go together" in souche.refusal("account", "create", "bob", "--access-key", KEY)
    assert "20 upper-case" in souche.refusal(
        "account", "create", "bob", "--access-key", "short", "--secret-key-file", secret_file
    )
    other.write_text("short")
    assert "40 letters" in souche.refusal(
        "account", "create", "bob", "--access-key", OTHER_KEY, *chosen[2:], other
    )
    assert "No such file" in souche.refusal("account", "create", "bob", *chosen, tmp_path / "absent")


def test_what_does_not_exist_is_said(souche: Souche) -> None:
    souche("account", "create", "alice")
    (bob,) = souche("account", "create", "bob")
    for command in ("disable", "enable", "show"):
        assert "There is no account 'carol'" in souche.refusal("account", command, "carol")
    for command in ("disable", "enable", "delete"):
        assert "doesn't exist" in souche.refusal("account", "key", command, "alice", bob["AccessKeyId"])
    assert opens(souche.home, bob["AccessKeyId"])


def test_an_account_that_shut_itself_out_is_let_in_again(souche: Souche) -> None:
    (account,) = souche("account", "create", "alice")
    (begun,) = souche("account", "api-access", "alice")
    assert begun["IpRanges"] == ["0.0.0.0/0", "::/0"]
    with administration.administer(souche.home) as administered:
        who = Principal(account["AccountId"])
        changes = api_access_rules.Changes(ip_ranges=("192.0.2.0/24",), description="away")
        api_access_rules.update(administered.region, who, begun["ApiAccessRuleId"], changes)
    assert "192.0.2.0/24  away" in souche.run("account", "api-access", "alice")
    (reset,) = souche("account", "api-access", "alice", "--reset")
    assert reset["IpRanges"] == begun["IpRanges"]


def test_an_account_that_has_nothing_is_deleted_and_its_name_is_free(souche: Souche) -> None:
    (first,) = souche("account", "create", "alice", "--alias", "Alice")
    assert souche.invoke("account", "delete", "alice").exit_code == 1, "nobody has typed the name"
    assert len(souche("account", "list")) == 1
    souche.run("account", "delete", "alice", "--yes")
    assert souche("account", "list") == []
    assert "alice" in souche.refusal("account", "show", "alice")
    assert first["AccountId"] in souche.refusal("account", "show", first["AccountId"])
    (second,) = souche("account", "create", "alice", "--alias", "Alice")
    assert second["AccountId"] != first["AccountId"]
    assert not opens(souche.home, first["AccessKeyId"])


def test_an_account_that_has_something_stays(souche: Souche) -> None:
    (alice,) = souche("account", "create", "alice")
    with administration.administer(souche.home) as at, at.region.begin() as work:
        buckets.record(work.connection, "photos", alice["AccountId"])
    assert "buckets (1)" in souche.refusal("account", "delete", "alice", "--yes")
    assert "none runs" in souche.refusal("account", "delete", "alice", "--with-everything", "--yes")
    (shown,) = souche("account", "list")
    assert shown["State"] == "enabled"


def test_a_bucket_that_the_regions_key_may_not_delete_is_named(souche: Souche) -> None:
    """The account stays, disabled; the next call continues with this bucket."""
    (alice,) = souche("account", "create", "alice")
    asked: list[str] = []

    def removes(bucket: str, account_id: str, on_progress: Callable[[int], None]) -> None:
        asked.append(bucket)
        if asked == ["photos", "videos"]:
            raise BucketAccessRefused(bucket=bucket, reason="AccessDenied")
        on_progress(7)
        with at.region.begin() as work:
            assert buckets.owner(work.connection, bucket) == account_id
            buckets.forget(work.connection, bucket)

    steps: list[str] = []
    with administration.administer(souche.home) as administered:
        heard = Listener(step=lambda what, _done: steps.append(what))
        at = replace(administered, is_served=lambda: True, remove_bucket=removes, listener=heard)
        with at.region.begin() as work:
            for name in ("videos", "photos"):
                buckets.record(work.connection, name, alice["AccountId"])
        with pytest.raises(
            BucketStays, match=r"videos cannot be deleted: .*\(AccessDenied\)\. The account alice"
        ):
            account_deletion.delete(at, "alice", with_everything=True)
        (shown,) = souche("account", "list")
        assert shown["State"] == "disabled"
        account_deletion.delete(at, "alice", with_everything=True)
    assert souche("account", "list") == []
    assert asked == ["photos", "videos", "videos"]
    left = "deleting buckets: 2 left"
    assert steps[:3] == [left, f"{left} (7 objects deleted)", "deleting buckets: 1 left"]


def test_the_providers_account_stays(souche: Souche) -> None:
    souche.run("image", "publish", "--tiny", "--name", "Smoke")
    assert "official images" in souche.refusal("account", "delete", "outscale", "--yes")
