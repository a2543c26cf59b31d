"""Cached answers. `tests/support/client.py` compares each of them with a fresh one."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from souche.api import actions
from souche.api.protocol import answers as api_answers
from souche.api.protocol import cached_pages
from souche.api.protocol.answers import CACHED, ON_EVENT_LOOP, Answers, fits_event_loop
from souche.api.protocol.dispatch import SHORT_BODY, Call
from souche.api.protocol.json_cache import JsonCache
from souche.app import vms
from souche.app.context.region import Region
from souche.cache import OVERHEAD_BYTES, CommitCache
from souche.db import images
from souche.db.engines import sqlite
from souche.errors import OutOfTime
from souche.model.accounts import Principal
from souche.model.permissions import Permissions
from souche.model.query import Query
from tests.support.client import Client, answers_of
from tests.support.resources import make_image, make_snapshot, make_vm


def ask(region: Region, who: Principal, action: str, body: bytes = b"{}") -> Any:
    return json.loads(answers_of(region).answer(actions.outscale_action(action), who, body, "first"))


def again(region: Region, who: Principal | None, action: str, body: bytes = b"{}") -> Any:
    kept = answers_of(region).cached(actions.outscale_action(action), who, body, "second")
    return None if kept is None else json.loads(kept)


@pytest.mark.parametrize("action", sorted(CACHED))
def test_the_same_question_has_the_same_answer_under_its_own_request_id(
    region: Region, alice: Principal, action: str
) -> None:
    Client(region, alice)("CreateVolume", Size=1, SubregionName=region.subregion_name)
    ask(region, alice, action)  # the first may have made the default security group
    first = ask(region, alice, action)
    second = again(region, alice, action)
    assert first.pop("ResponseContext") == {"RequestId": "first"}
    assert second.pop("ResponseContext") == {"RequestId": "second"}
    assert first == second


def test_an_empty_answer_is_given_again_under_its_own_request_id(region: Region, alice: Principal) -> None:
    body = b'{"DryRun": true}'
    first = ask(region, alice, "ReadVolumes", body)
    assert first == {"ResponseContext": {"RequestId": "first"}}
    assert again(region, alice, "ReadVolumes", body) == {"ResponseContext": {"RequestId": "second"}}


def test_another_question_account_or_state_of_things_has_its_own_answer(
    region: Region, alice: Principal, bob: Principal
) -> None:
    ask(region, alice, "ReadVolumes")
    assert again(region, alice, "ReadVolumes", b'{"ResultsPerPage": 1}') is None
    assert again(region, alice, "ReadSnapshots") is None
    assert again(region, bob, "ReadVolumes") is None
    assert again(region, None, "ReadVolumes") is None
    Client(region, bob)("CreateVolume", Size=1, SubregionName=region.subregion_name)
    assert again(region, alice, "ReadVolumes") is None


def test_what_python_takes_for_a_short_answer_counts_too(region: Region, alice: Principal) -> None:
    """Answers of some bytes each took far more than the cache may."""
    action, kept = actions.outscale_action("ReadVolumes"), JsonCache(region.store.change_mark)
    kept.answers = CommitCache(region.store.change_mark, most_bytes=10 * OVERHEAD_BYTES)
    answers = Answers(region, kept)
    answers.answer(action, alice, b"{}", "first")  # may have made the default security group
    bodies = [json.dumps({"ResultsPerPage": number}).encode() for number in range(1, 31)]
    for body in bodies:
        answers.answer(action, alice, body, "first")
    assert 0 < sum(answers.cached(action, alice, body, "second") is not None for body in bodies) < 10


def test_what_depends_on_more_than_the_database_is_never_given_again(
    region: Region, alice: Principal
) -> None:
    ask(region, alice, "ReadImageExportTasks")  # its URLs are signed again
    assert again(region, alice, "ReadImageExportTasks") is None


def shown(client: Client, wanted: str) -> list[Any]:
    return [image[wanted] for image in client("ReadImages")["Images"]]


def test_an_image_that_another_process_changes_is_shown_as_it_is_then(client: Client) -> None:
    for name in ("one", "two"):
        make_image(client.region, client.who, name)
    assert shown(client, "Description") == ["", ""]
    script = (
        "import sqlalchemy as sa, sys\n"
        "with sa.create_engine(sys.argv[1]).begin() as connection: connection.exec_driver_sql(sys.argv[2])"
    )
    url = client.region.store.engine.url.render_as_string(hide_password=False)
    change = "UPDATE images SET description = 'new' WHERE name = 'one'"
    subprocess.run([sys.executable, "-c", script, url, change], check=True)
    assert sorted(shown(client, "Description")) == ["", "new"]


@pytest.mark.parametrize("owner_asks_first", [False, True])
def test_what_the_owner_alone_sees_is_shown_to_nobody_else(
    client: Client, other: Client, *, owner_asks_first: bool
) -> None:
    secret = client.region.vault.seal("http://bucket/manifest?signature").decode()
    public: dict[str, Any] = {
        "permissions": Permissions(public=True),
        "file_location": "http://bucket/manifest",
    }
    make_image(client.region, client.who, sealed_location=secret, **public)
    asked = [client, other, client] if owner_asks_first else [other, client, other]
    seen = [(each, shown(each, "FileLocation")) for each in asked]
    for each, locations in seen:
        whole = "http://bucket/manifest?signature"
        assert locations == [whole if each is client else "http://bucket/manifest"]


def test_an_image_that_is_known_is_not_shown_to_who_may_not_see_it(client: Client, other: Client) -> None:
    image = make_image(client.region, client.who, permissions=Permissions(public=True))
    assert shown(other, "ImageId") == [image.image_id]
    with client.region.store.begin() as connection:
        images.set_public(connection, image.image_id, public=False)
    assert shown(other, "ImageId") == []
    assert shown(client, "ImageId") == [image.image_id]


@pytest.mark.parametrize("action", sorted(ON_EVENT_LOOP))
@pytest.mark.parametrize("body", [b"{}", b'{"DryRun": true}', b'{"ResultsPerPage": 1}'])
def test_what_is_answered_at_once_is_answered_as_by_a_thread(
    client: Client, alice: Principal, monkeypatch: pytest.MonkeyPatch, action: str, body: bytes
) -> None:
    monkeypatch.setattr(api_answers, "LOOP_SECONDS", 60)
    for name in ("one", "two"):
        make_image(client.region, alice, name)
        make_vm(client.region, alice)
        make_snapshot(client.region, alice)
    answers = answers_of(client.region)
    question = (actions.outscale_action(action), alice, body, "first")
    assert answers.on_event_loop(*question) == answers.answer(*question)


TABLES = {"ReadImages": "images", "ReadSnapshots": "snapshots", "ReadVms": "vms", "ReadVolumes": "volumes"}


@pytest.mark.parametrize("action", sorted(ON_EVENT_LOOP))
def test_what_takes_longer_is_left_to_a_thread(
    region: Region, alice: Principal, monkeypatch: pytest.MonkeyPatch, on_both: str, action: str
) -> None:
    question = (actions.outscale_action(action), alice, b"{}", "first")
    monkeypatch.setattr(api_answers, "LOOP_SECONDS", 0)
    monkeypatch.setattr(sqlite, "STEPS_BETWEEN_LOOKS", 1)
    with region.store.begin() as connection:
        if on_both == "postgresql":  # else it may answer within the millisecond that is its shortest limit
            connection.exec_driver_sql(f"LOCK TABLE {TABLES[action]}")
        assert answers_of(region).on_event_loop(*question) is None
    assert answers_of(region).answer(*question)


def test_what_has_been_found_in_time_is_shown_in_time(region: Region, alice: Principal) -> None:
    """The database's limit does not bound the work in Python."""
    make_vm(region, alice)
    call = Call(region, alice, {}, "id", time_limit=60)
    with vms.open_page(region, alice, Query()) as page:
        assert len(cached_pages.shown(call, page, lambda *_: {})) == 1
        with pytest.raises(OutOfTime):
            cached_pages.shown(replace(call, time_limit=0), page, lambda *_: {})


def test_what_may_take_longer_is_not_tried() -> None:
    images = actions.outscale_action("ReadImages")
    assert fits_event_loop(images, b"{}")
    assert not fits_event_loop(images, b"{}" + b" " * SHORT_BODY)
    assert not fits_event_loop(actions.outscale_action("CreateImage"), b"{}")
