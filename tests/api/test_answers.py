"""Answers that are given again. `tests/support/client.py` holds every one of them against a fresh one."""

import json
from typing import Any

import pytest

from souche.api import actions
from souche.api.answers import REPEATABLE, answer, recall
from souche.app.region import Region
from souche.model.accounts import Principal
from tests.support.client import Client


def ask(region: Region, who: Principal, action: str, body: bytes = b"{}") -> Any:
    return json.loads(answer(actions.outscale_action(action), region, who, body, "first"))


def again(region: Region, who: Principal | None, action: str, body: bytes = b"{}") -> Any:
    kept = recall(actions.outscale_action(action), region, who, body, "second")
    return None if kept is None else json.loads(kept)


@pytest.mark.parametrize("action", sorted(REPEATABLE))
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


def test_what_depends_on_more_than_the_database_is_never_given_again(
    region: Region, alice: Principal
) -> None:
    ask(region, alice, "ReadImageExportTasks")  # its URLs are signed anew
    assert again(region, alice, "ReadImageExportTasks") is None
