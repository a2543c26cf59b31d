"""From which addresses signed requests are taken."""

from pathlib import Path
from typing import Any

import pytest

from souche.app import accounts, api_access_rules
from souche.app.api_access_rules import Changes
from souche.clock import SystemClock
from souche.main import http_process
from souche.model.accounts import Principal
from tests.support.region import make_region
from tests.wire.answers import check_error
from tests.wire.server import serving
from tests.wire.signing import OSC_SDK_PYTHON, sign


def test_requests_from_other_addresses_than_the_rules_say_are_refused(tmp_path: Path) -> None:
    region = make_region(tmp_path, clock=SystemClock())
    account, key, secret = accounts.create(region, "alice")
    who = Principal(account.account_id)
    (rule,) = api_access_rules.find(region, who)
    as_alice: dict[str, Any] = {"key_id": key.access_key_id, "secret": secret}
    with serving(http_process.api_of(region)) as server:
        for ranges, status in (("127.0.0.0/8",), 200), (("192.0.2.0/24",), 401), (("127.0.0.1",), 200):
            api_access_rules.update(region, who, rule.rule_id, Changes(ranges))
            for action in ("ReadVms", "CreatePublicIp", "ReadConsumptionAccount"):
                answer = server.call(action, b'{"DryRun": true}', **as_alice)
                if status == 401:
                    assert (answer.status, answer.json["Errors"][0]["Code"]) == (401, "1")
                    check_error(answer.json)
                else:
                    assert answer.status != 401
            # what needs no credentials is answered to everybody
            assert server.call("ReadRegions", **as_alice).status == 200
    region.store.close()


def test_guesses_from_other_addresses_tell_nothing_and_lock_no_key(tmp_path: Path) -> None:
    region = make_region(tmp_path, clock=SystemClock())
    account, key, secret = accounts.create(region, "alice")
    who = Principal(account.account_id)
    (rule,) = api_access_rules.find(region, who)
    api_access_rules.update(region, who, rule.rule_id, Changes(("192.0.2.0/24",)))
    with serving(http_process.api_of(region)) as server:
        for guess in (*("wrong",) * 6, secret):
            answer = server.call("ReadVms", key_id=key.access_key_id, secret=guess)
            assert "API access rules" in answer.json["Errors"][0]["Details"]
        api_access_rules.update(region, who, rule.rule_id, Changes(("127.0.0.1",)))
        assert server.call("ReadVms", key_id=key.access_key_id, secret=secret).status == 200
    region.store.close()


@pytest.mark.parametrize(("ranges", "status"), [(("192.0.2.0/24",), 401), (("127.0.0.1",), 200)])
def test_no_header_says_where_a_request_comes_from(
    tmp_path: Path, ranges: tuple[str, ...], status: int
) -> None:
    region = make_region(tmp_path, clock=SystemClock())
    account, key, secret = accounts.create(region, "alice")
    who = Principal(account.account_id)
    (rule,) = api_access_rules.find(region, who)
    api_access_rules.update(region, who, rule.rule_id, Changes(ranges))
    with serving(http_process.api_of(region)) as server:
        path = f"{OSC_SDK_PYTHON.prefix}/ReadVms"
        headers = sign(OSC_SDK_PYTHON, server.netloc, path, b"{}", key_id=key.access_key_id, secret=secret)
        answer = server.send("POST", path, b"{}", {**headers, "X-Forwarded-For": "192.0.2.1"})
    assert answer.status == status
    region.store.close()
