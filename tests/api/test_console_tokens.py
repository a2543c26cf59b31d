"""CreateConsoleToken."""

import re

from souche.api.actions import souche_action
from souche.app import console_tokens
from souche.states import VmState
from tests.support.client import Client
from tests.support.region import call
from tests.support.resources import make_vm


def test_the_answer_has_the_token_and_its_end(client: Client) -> None:
    vm = make_vm(client.region, client.who, state=VmState.RUNNING)
    handler = souche_action("CreateConsoleToken").handler
    answer = handler(call(client.region, client.who, VmId=vm.vm_id))["ConsoleToken"]
    assert isinstance(answer, dict)
    assert answer.keys() == {"VmId", "Token", "ExpirationDate"}
    assert answer["VmId"] == vm.vm_id
    assert re.fullmatch("[A-Z0-9]{40}", answer["Token"])
    assert console_tokens.redeem(client.region, answer["Token"]) == vm.vm_id
