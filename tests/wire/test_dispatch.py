"""What dispatch does with handlers that misbehave, and what the log says of a request."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import structlog

from souche.api import actions
from souche.api.protocol import errors, spec
from souche.api.protocol.dispatch import SHORT_BODY, Access, Action, Call, dispatch, fetches, read_body
from souche.api.protocol.request_errors import MalformedBody
from souche.errors import Conflict, StorageFailed, UserError
from souche.model.accounts import Principal
from souche.refusals import NoSuchImage
from tests.wire.server import Server, bare_region, new_app, serving


def _action(handler: Any) -> Action:
    return Action("ReadRegions", handler, spec.request_check("ReadRegions"), Access.NONE)


def test_dry_run_uses_the_rehearsal() -> None:
    seen: list[bool] = []

    def handler(call: Call) -> Mapping[str, object]:
        seen.append(call.region.dry_run)
        return {"Regions": []}

    action = _action(handler)
    assert dispatch(action, bare_region(), None, b'{"DryRun": true}', "id") == {
        "ResponseContext": {"RequestId": "id"}
    }
    dispatch(action, bare_region(), None, b'{"DryRun": false}', "id")
    assert seen == [True, False]


def test_packers_empty_subnet_is_absent() -> None:
    seen: list[Mapping[str, object]] = []

    def handler(call: Call) -> Mapping[str, object]:
        seen.append(call.request)
        return {}

    action = Action("CreateVms", handler, spec.request_check("CreateVms"), Access.KEY)
    dispatch(action, bare_region(), None, b'{"ImageId": "ami-12345678", "SubnetId": ""}', "id")
    assert seen == [{"ImageId": "ami-12345678"}]


def test_a_transaction_takes_the_turn_of_the_account_that_asked() -> None:
    seen = []

    def handler(call: Call) -> Mapping[str, object]:
        seen.append((call.region.caller_id, call.region.dry_run))
        return {}

    action = Action("CreateVms", handler, spec.request_check("CreateVms"), Access.KEY)
    for body in (b'{"ImageId": "ami-12345678"}', b'{"ImageId": "ami-12345678", "DryRun": true}'):
        dispatch(action, bare_region(), Principal("123456789012", "A" * 20), body, "id")
    assert seen == [("123456789012", False), ("123456789012", True)]


def test_a_body_of_very_many_values_is_refused_before_they_are_made() -> None:
    """Of any kind: all requests wait for Python's work on each."""
    ids = [f"ami-{number:08x}" for number in range(10_000)]
    assert read_body(json.dumps({"Filters": {"ImageIds": ids}}).encode())["Filters"] == {"ImageIds": ids}
    for value in (b"[]", b"{}", b"null", b'""', b"0"):
        body = b'{"a":[' + b",".join([value] * 30_000) + b"]}"
        with pytest.raises(MalformedBody, match="more than 20000 values"):
            read_body(body)
    with pytest.raises(MalformedBody, match="more than 20000 values"):
        read_body(b"[" * 30_000)


def test_a_long_body_is_not_read_to_tell_whether_it_has_a_url() -> None:
    """It would be read on the event loop. Such a request runs in the threads of downloads."""

    def handler(_call: Call) -> Mapping[str, object]:
        return {}

    action = Action("CreateSnapshot", handler, spec.request_check("CreateSnapshot"), Access.KEY)
    assert fetches(action, b"no JSON" * SHORT_BODY)
    assert fetches(action, b'{"FileLocation": "http://a/"}')
    assert not fetches(action, b'{"VolumeId": "vol-12345678"}')


def test_an_empty_id_in_a_nested_object_is_absent() -> None:
    """Terraform's, in UpdateVm; what is no id stays as it is."""
    body = {
        "VmId": "",
        "SnapshotId": "",
        "Mappings": [{"NoDevice": "", "Bsu": {"VolumeId": "", "VolumeType": ""}}],
    }
    assert read_body(json.dumps(body).encode()) == {
        "VmId": "",
        "Mappings": [{"NoDevice": "", "Bsu": {"VolumeType": ""}}],
    }


@pytest.mark.parametrize(
    ("action", "body", "left"),
    [
        ("CreateImage", {"VmId": "", "SourceImageId": "ami-12345678"}, {"SourceImageId"}),
        ("CreateImage", {"VmId": "i-12345678", "SourceImageId": "", "SourceRegionName": ""}, {"VmId"}),
        ("CreateSnapshot", {"VolumeId": "vol-12345678", "SourceSnapshotId": "", "Description": ""},
         {"VolumeId", "Description"}),
        ("DeleteVolume", {"VolumeId": ""}, {"VolumeId"}),
    ],
)  # fmt: skip
def test_an_empty_id_that_an_action_does_not_need_is_absent(
    action: str, body: dict[str, str], left: set[str]
) -> None:
    """One that tells how an image is made would stand beside the one that does."""
    seen: list[Mapping[str, Any]] = []

    def handler(call: Call) -> Mapping[str, object]:
        seen.append(call.request)
        return {}

    as_is = actions.outscale_action(action)
    dispatch(replace(as_is, handler=handler), bare_region(), None, json.dumps(body).encode(), "r")
    assert seen[0].keys() == left


def test_a_refusal_names_the_path_of_the_parameter_and_the_values_supported() -> None:
    body = {"ImageId": "i", "BlockDeviceMappings": [{"Bsu": {"VolumeSize": "10"}}]}
    with pytest.raises(UserError, match=r"'BlockDeviceMappings\[0\]\.Bsu\.VolumeSize'"):
        spec.check_request("CreateVms", body)
    with pytest.raises(UserError, match=r"^The value .* supported values: medium, high, highest"):
        spec.check_request("CreateVms", {"ImageId": "i", "Performance": "secret"})
    with pytest.raises(UserError, match="The parameter 'ImageId' is required"):
        spec.check_request("CreateVms", {})


@pytest.mark.parametrize(
    ("action", "body", "details"),
    [
        (
            "ReadImages",
            {"Filters": {"ImageId": ["a"]}},
            "'Filters.ImageId' is unknown. Did you mean 'ImageIds'?",
        ),
        ("CreateVms", {"imageid": "ami-1"}, "'imageid' is unknown. Did you mean 'ImageId'?"),
        ("DeleteImage", {"Force": True}, "'Force' is unknown. Expected: DryRun, ImageId."),
        (
            "CreateVms",
            {"ImageId": "a", "BlockDeviceMappings": [{"Bsu": {"Disk": 1}}]},
            "'BlockDeviceMappings[0].Bsu.Disk' is unknown. "
            "Expected: DeleteOnVmDeletion, Iops, SnapshotId, VolumeSize, VolumeType.",
        ),
        ("DeleteImage", {"ImageId": ["a"]}, "'ImageId' should be of the type string, not array."),
        (
            "UpdateVm",
            {"VmId": "i", "ActionsOnNextBoot": {"SecureBoot": "on"}},
            "'ActionsOnNextBoot.SecureBoot' is not valid: "
            "supported values: enable, disable, setup-mode, none, restore-factory-keys.",
        ),
        (
            "ReadSnapshots",
            {"Filters": {"ToCreationDate": "today"}},
            "'Filters.ToCreationDate' is not valid: a date is expected, such as 2026-11-24 or "
            "2026-11-24T10:00:00.000Z.",
        ),
    ],
)
def test_a_refused_shape_names_the_field_and_the_way_out(
    action: str, body: dict[str, object], details: str
) -> None:
    with pytest.raises(UserError) as refused:
        spec.check_request(action, body)
    assert str(refused.value).endswith(f"parameter {details}")


@pytest.mark.parametrize("date", ["2026-01-31", "2026-01-31T10:00:00.000Z", "2026-01-31T10:00:00+0000"])
def test_a_date_may_be_in_every_spelling_of_iso_8601(date: str) -> None:
    spec.check_request("CreateAccessKey", {"ExpirationDate": date})
    with pytest.raises(UserError):
        spec.check_request("CreateAccessKey", {"ExpirationDate": "tomorrow"})


class _Unlisted(Conflict):
    """Something of the family."""


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (NoSuchImage(image_id="ami-12345678"), 400, "InvalidResource", "5023"),
        (_Unlisted(), 409, "ResourceConflict", "9000"),
        (StorageFailed(reason="/secret/path"), 500, "InternalError", "2000"),
        (RuntimeError("secret"), 500, "InternalError", "2000"),
    ],
)
def test_an_error_has_its_status_and_code_and_ours_tells_nothing(
    error: Exception, status: int, kind: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handler(_call: Call) -> Mapping[str, object]:
        raise error

    monkeypatch.setattr(actions, "outscale_action", lambda _name: _action(handler))
    with serving(new_app()) as server, structlog.testing.capture_logs() as lines:
        answer = server.send("POST", "/api/v1/ReadRegions", b"{}")
    told = answer.json["Errors"][0]
    assert (answer.status, told["Type"], told["Code"]) == (status, kind, code)
    assert "secret" not in str(answer)
    assert [line["event"] for line in lines] == ["request failed"] * (status == 500) + ["request"]
    assert {line["request_id"] for line in lines} == {answer.json["ResponseContext"]["RequestId"]}


def test_a_request_has_one_line_in_the_log_without_its_values(server: Server) -> None:
    with structlog.testing.capture_logs() as lines:
        server.send("POST", "/api/v1/ReadRegions", b'{"DryRun": "secret"}')
    assert len(lines) == 1
    assert (lines[0]["action"], lines[0]["status"], lines[0]["code"]) == ("ReadRegions", 400, "4110")
    assert "secret" not in str(lines)


def test_every_row_is_of_a_known_status() -> None:
    assert {row.status for row in errors.TABLE.values()} <= {400, 401, 404, 405, 408, 409, 413, 424, 429, 503}
