"""schemathesis drives every supported action from the published document: what its examples give, the edges of every
parameter, and random bodies. A seed makes each run the same."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from requests.auth import AuthBase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance
from tools import gen_api
from tools.harness import REGION, Credentials

from souche.api.actions import ACTIONS
from tests.foreign.region import SUBREGION, Caller, ServedRegion, until
from tests.wire.answers import check_answer, check_error
from tests.wire.signing import OSC_SDK_PYTHON, sign

SEED: Final = 3
RANDOM_BODIES: Final = 8  # of each action, beside its examples and edges

# Statuses that the service knows (reference section 1); the document declares but a few of them.
KNOWN_STATUSES: Final = {200, 400, 404, 405, 409, 413, 424}


class Signed(AuthBase):
    """Signs what schemathesis sends. Of two requests one gets identifiers of existing resources instead of made-up
    ones, so that it comes further than the first look-up; what deletes is then a dry run."""

    def __init__(self, who: Credentials, there: Mapping[str, object]) -> None:
        self.who, self.there, self.statuses = who, there, Counter[int]()
        self._turn = False

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        assert request.url is not None
        where = urlsplit(request.url)
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else bytes(body)
        self._turn = not self._turn
        if self._turn:
            body = self._meant(body, where.path.rpartition("/")[2])
        request.prepare_body(body, None)
        key_id, secret = self.who.access_key_id, self.who.secret_key
        signature = sign(OSC_SDK_PYTHON, where.netloc, where.path, body, key_id=key_id, secret=secret)
        request.headers.update(signature)
        return request

    def _meant(self, body: bytes, action: str) -> bytes:
        try:
            request = json.loads(body)
        except ValueError:
            return body
        if not isinstance(request, dict) or "AccessKey" in action:
            return body
        dry = {"DryRun": True} if action.startswith("Delete") else {}
        return json.dumps(_with(request, self.there) | dry).encode()


def _with(value: Any, there: Mapping[str, object]) -> Any:
    """A request in which ids of the right type name existing resources."""
    if isinstance(value, list):
        return [_with(item, there) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: there[name] if name in there and type(item) is type(there[name]) else _with(item, there)
        for name, item in value.items()
    }


@pytest.fixture(scope="module")
def signed(region: ServedRegion) -> Signed:
    caller = region.account("schemathesis")
    return Signed(caller.credentials, _something(caller, region.official_image_id))


def _something(caller: Caller, image_id: str) -> dict[str, object]:
    """One of everything, under the names that requests give it."""

    def call(action: str, **request: object) -> dict[str, Any]:
        answer = caller.attempt(action, json.dumps(request).encode())
        assert answer.status == 200, answer.json
        found: dict[str, Any] = answer.json
        return found

    volume_id = call("CreateVolume", SubregionName=SUBREGION, Size=1)["Volume"]["VolumeId"]
    until(call, "Volumes", "VolumeId", volume_id, "available")
    snapshot_id = call("CreateSnapshot", VolumeId=volume_id)["Snapshot"]["SnapshotId"]
    until(call, "Snapshots", "SnapshotId", snapshot_id, "completed")
    copied = call("CreateImage", SourceImageId=image_id, SourceRegionName=REGION, ImageName="mine")
    vm_id = call("CreateVms", ImageId=image_id)["Vms"][0]["VmId"]
    until(call, "Vms", "VmId", vm_id, "running")
    return {
        "ImageId": copied["Image"]["ImageId"],
        "SourceImageId": image_id,
        "SnapshotId": snapshot_id,
        "SourceSnapshotId": snapshot_id,
        "VolumeId": volume_id,
        "VmId": vm_id,
        "VmIds": [vm_id],
        "ResourceIds": [vm_id, volume_id, snapshot_id],
        "SourceRegionName": REGION,
        "SubregionName": SUBREGION,
    }


def _schema() -> Any:
    """The document, of the supported actions only."""
    document = gen_api.document()
    document["paths"] = {path: item for path, item in document["paths"].items() if path[1:] in ACTIONS}
    for name in ("AccessKey", "AccessKeySecretKey"):  # its own examples have dates with +0000, no such format
        for field in ("CreationDate", "LastModificationDate", "ExpirationDate"):
            del document["components"]["schemas"][name]["properties"][field]["format"]
    config = {"seed": SEED, "generation": {"with-security-parameters": False}}
    return schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(config))


schema = _schema()


def _test_of(action: str) -> object:
    """The test of one action. Those of a whole document have one name among them, and pytest's workers tell tests by
    their names."""

    @schema.include(path=f"/{action}").parametrize()  # type: ignore[untyped-decorator]  # schemathesis leaves it so
    @settings(
        max_examples=RANDOM_BODIES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def test_no_request_is_answered_5xx_or_in_another_shape(
        case: "schemathesis.Case[Any]", region: ServedRegion, signed: Signed
    ) -> None:
        response = case.call(base_url=region.url, auth=signed)
        signed.statuses[response.status_code] += 1
        if case.method == "OPTIONS":
            assert response.status_code == 204
            return
        case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])
        assert response.status_code in KNOWN_STATUSES, response.text
        if response.status_code != 200:
            check_error(response.json())
        elif "AccessKey" not in action:  # for their dates; see `_schema`
            check_answer(action, response.json())

    return test_no_request_is_answered_5xx_or_in_another_shape


for _action in ACTIONS:
    globals()[f"test_no_request_is_answered_5xx_or_in_another_shape_{_action}"] = _test_of(_action)


def test_it_reached_the_actions(signed: Signed) -> None:
    """The run above was not all refusals."""
    assert signed.statuses[200] > len(ACTIONS)
    assert signed.statuses[400] > len(ACTIONS)
