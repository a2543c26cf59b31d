"""What an account cannot see is answered exactly as what does not exist, in every action (design 3.5).

The cases are made from the table of requests, and the table is held against the specification.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from souche.api.actions import ACTIONS
from souche.api.protocol import spec
from souche.api.protocol.filter_tables import FILTERS
from tests.support.client import Client
from tests.support.region import make_account, make_region
from tests.support.requests import (
    REQUESTS,
    UNKNOWN,
    filled,
    kind_of,
    make_hidden,
    make_world,
    placeholders,
)

# Ids of resources that the region does not have (an account's id is only granted to, never looked up).
NOT_KEPT = {
    "AccountId",
    "AccountIds",
    "ApiKeyId",
    "CaIds",
    "NetId",
    "NicId",
    "RequestId",
    "SecurityGroupRuleId",
    "ServiceIds",
    "SubnetId",
}

CASES = [
    (action, request, name)
    for action, requests in REQUESTS.items()
    for request in requests
    for name in placeholders(request)
]


@pytest.fixture(scope="module")
def scene(
    on_both: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Client, Mapping[str, str], Mapping[str, Sequence[str]]]]:
    """A client, what it owns, and what another account hides. Refusals change nothing."""
    region = make_region(tmp_path_factory.mktemp("scene"))
    alice, bob = make_account(region, "alice"), make_account(region, "bob")
    yield Client(region, alice), make_world(region, alice), make_hidden(region, bob)
    region.store.close()


@contextmanager
def statements(client: Client) -> Iterator[list[str]]:
    """The statements that the database gets during the context."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        asked.append(statement)

    engine = client.region.store.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize(("action", "request_", "name"), CASES)
def test_the_hidden_is_refused_as_the_unknown(
    scene: tuple[Client, Mapping[str, str], Mapping[str, Sequence[str]]],
    action: str,
    request_: Mapping[str, Any],
    name: str,
) -> None:
    client, world, hidden = scene
    unknown = UNKNOWN[kind_of(name)]
    with statements(client) as expected_statements:
        expected = client.refusal(action, **filled(request_, {**world, name: unknown}))
    assert unknown in expected.details
    for hidden_id in hidden[kind_of(name)]:
        with statements(client) as asked:
            refusal = client.refusal(action, **filled(request_, {**world, name: hidden_id}))
        assert asked == expected_statements, "another look at what is hidden takes another time"
        assert refusal.row == expected.row
        assert refusal.details.replace(hidden_id, "ID") == expected.details.replace(unknown, "ID")


@pytest.mark.parametrize(
    ("action", "name"),
    [(action, name) for action, table in FILTERS.items() for name in table if name.endswith("Ids")],
)
def test_a_filter_by_a_hidden_id_finds_nothing(
    scene: tuple[Client, Mapping[str, str], Mapping[str, Sequence[str]]], action: str, name: str
) -> None:
    client, _, hidden = scene
    every = [hidden_id for ids in hidden.values() for hidden_id in ids]
    assert [found for listed in client(action, Filters={name: every}).values() for found in listed] == []


def test_every_action_has_a_request() -> None:
    assert [name for name in ACTIONS if name not in REQUESTS] == [], "add them to tests/support/requests.py"
    assert [name for name in REQUESTS if name not in ACTIONS] == []


@pytest.mark.parametrize("action", ACTIONS)
def test_every_id_parameter_of_the_specification_has_a_request(action: str) -> None:
    schema = spec.document()["actions"][action]["request"]
    wanted = _ids_of_schema(schema) - NOT_KEPT
    covered = {name for request in REQUESTS.get(action, ()) for name in _ids_of_request(request)}
    assert wanted - covered == set(), (
        f"no request of {action} in tests/support/requests.py has these parameters"
    )


def _ids_of_schema(name: str) -> set[str]:
    """The parameters of a schema, and of those below it, that name a resource."""
    found: set[str] = set()
    for parameter, described in spec.document()["schemas"][name].get("properties", {}).items():
        below = described.get("$ref") or described.get("items", {}).get("$ref")
        if below and parameter != "Filters":
            found |= _ids_of_schema(below.rpartition("/")[2])
        elif parameter.endswith(("Id", "Ids")) or parameter == "KeypairName":
            found.add(parameter)
    return found - ({"KeypairName"} if name == "CreateKeypairRequest" else set())


def _ids_of_request(request: Mapping[str, Any]) -> Iterator[str]:
    for parameter, item in request.items():
        for each in item if isinstance(item, list) else [item]:
            if isinstance(each, Mapping):
                yield from _ids_of_request(each)
            elif isinstance(each, str) and each.startswith("<"):
                yield parameter
