"""DryRun checks everything and does nothing (reference section 1)."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from souche.api.protocol import spec
from souche.app.context.region import Region
from tests.support.client import Client, absent
from tests.support.region import RecordedWorkflows, make_account, make_region
from tests.support.requests import REQUESTS, filled, make_world
from tests.support.resources import dump

# The specification gives no DryRun to the others.
CASES = [
    (action, request)
    for action, requests in REQUESTS.items()
    for request in requests
    if "DryRun" in spec.document()["schemas"][spec.document()["actions"][action]["request"]]["properties"]
]


@pytest.fixture(scope="module")
def workflows(on_both: str) -> RecordedWorkflows:
    return RecordedWorkflows()


@pytest.fixture(scope="module")
def shared(
    on_both: str, tmp_path_factory: pytest.TempPathFactory, workflows: RecordedWorkflows
) -> Iterator[tuple[Client, Mapping[str, str]]]:
    """One region for all dry runs: each must leave it as it was."""
    region = make_region(tmp_path_factory.mktemp("shared"), workflows=workflows)
    alice = make_account(region, "alice")
    yield Client(region, alice), make_world(region, alice)
    region.store.close()


@pytest.mark.parametrize(("action", "request_"), CASES)
def test_a_dry_run_succeeds_and_leaves_database_and_stores_as_they_were(
    shared: tuple[Client, Mapping[str, str]],
    workflows: RecordedWorkflows,
    action: str,
    request_: Mapping[str, Any],
) -> None:
    client, world = shared
    before = dump(client.region)
    assert client(action, DryRun=True, **filled(request_, world)) == {}
    assert dump(client.region) == before
    assert workflows.started == []


# The dates of access keys are not RFC 3339, as on the real service: tests/api/test_access_keys.py has them.
CHANGING = [case for case in CASES if not case[0].startswith("Read") and "AccessKey" not in case[0]]


@pytest.mark.parametrize(("action", "request_"), CHANGING)
def test_the_same_request_without_dry_run_does_something(
    region: Region, action: str, request_: Mapping[str, Any]
) -> None:
    alice = make_account(region, "alice")
    client, world = Client(region, alice), make_world(region, alice)
    if action == "DeleteTags":
        client("CreateTags", **filled(request_, world))
    before = dump(region)
    client(action, DryRun=False, **filled(request_, world))
    assert dump(region) != before


def test_a_dry_run_is_refused_as_the_real_run_would_be(shared: tuple[Client, Mapping[str, str]]) -> None:
    client, _ = shared
    assert client.refusal("DeleteImage", ImageId="ami-00000000", DryRun=True).row == absent(5023)
