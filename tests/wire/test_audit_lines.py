"""What the audit line of a request says."""

from collections.abc import Mapping

import pytest
import structlog

from souche.api import empty_reads
from souche.api.actions import ACTIONS, SOUCHE_ACTIONS
from souche.audit import line_of
from souche.http import audit_lines
from souche.http.audit_lines import FIELDS, LONGEST_TEXT, MOST_IDS, AuditLines
from souche.http.exchange import Exchange
from souche.http.signature import SignedRequest

NOTHING_TO_TELL = {
    *("CreateImageAlias", "CreateImageReport", "CreateTags", "LinkVolume", "ReadApiLogs"),
    *("ReadLocations", "ReadPublicIpRanges", "ReadQuotas", "ReadRegionKey", "ReadRegions", "ReadSubregions"),
    "ReadVmTypes",
}
"""actions whose answers have no id of what they read or made, beyond what the request names"""


def exchanged(
    action: str, body: bytes, answer: bytes, status: int = 200, account: str | None = "1", **headers: str
) -> dict[str, object]:
    request = SignedRequest(
        "POST", "/", "", {name.replace("_", "-"): value for name, value in headers.items()}, body
    )
    return AuditLines().of(Exchange("id", action, account, status=status, request=request, answer=answer))


def test_every_action_that_reads_or_makes_has_its_fields() -> None:
    named = {
        name
        for name in (*ACTIONS, *SOUCHE_ACTIONS)
        if name.startswith(("Read", "Create", "Link"))
        and (name in SOUCHE_ACTIONS or ACTIONS[name].__module__ != empty_reads.__name__)
    }
    missing = named - set(FIELDS) - NOTHING_TO_TELL
    assert missing == set(), (
        "add the ids in their answers to FIELDS (http/audit_lines.py), or to NOTHING_TO_TELL"
    )
    assert named - set(FIELDS) >= NOTHING_TO_TELL
    assert set(FIELDS) <= {*ACTIONS, *SOUCHE_ACTIONS}


def test_what_is_read_is_told_once() -> None:
    answer = b'{"Vms":[{"VmId":"i-00000001","ImageId":"ami-00000009"},{"VmId":"i-00000002"},{"VmId":"i-00000001"}]}'
    facts = exchanged("ReadVms", b'{"Filters":{"ImageIds":["ami-00000009"]}}', answer)
    assert (facts["named"], facts["read"], facts["made"]) == (
        ["ami-00000009"],
        ["i-00000001", "i-00000002"],
        [],
    )
    assert "cut" not in facts


def test_a_token_of_a_console_is_not_told() -> None:
    answer = b'{"ConsoleToken":{"VmId":"i-00000001","Token":"ABCDEF"}}'
    facts = exchanged("CreateConsoleToken", b'{"VmId":"i-00000001"}', answer)
    assert facts["named"] == ["i-00000001"]
    assert "ABCDEF" not in str(facts)


def test_what_was_there_before_is_not_made() -> None:
    body = b'{"BlockDeviceMappings":[{"Bsu":{"SnapshotId":"snap-00000001"}}]}'
    answer = (
        b'{"Image":{"ImageId":"ami-00000001","BlockDeviceMappings":[{"Bsu":{"SnapshotId":"snap-00000001"}}]}}'
    )
    assert exchanged("CreateImage", body, answer)["made"] == ["ami-00000001"]


def test_a_text_that_looks_like_a_field_is_none() -> None:
    answer = (
        b'{"Volumes":[{"VolumeId":"vol-00000001","Tags":[{"Value":"\\"VolumeId\\":\\"vol-0000dead\\""}]}]}'
    )
    assert exchanged("ReadVolumes", b"{}", answer)["read"] == ["vol-00000001"]


def test_a_refusal_has_read_and_made_nothing() -> None:
    facts = exchanged("CreateVolume", b'{"SnapshotId":"snap-00000001"}', b'{"VolumeId":"vol-1"}', 409)
    assert (facts["named"], facts["made"], facts["status"]) == (["snap-00000001"], [], 409)


def test_lists_and_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    many = b",".join(b'{"VmId":"i-%08x"}' % number for number in range(MOST_IDS + 5))
    facts = exchanged("ReadVms", b"{}", b'{"Vms":[' + many + b"]}", user_agent="x" * 1000)
    assert (len(facts["read"]), facts["cut"]) == (MOST_IDS, True)  # type: ignore[arg-type]
    assert len(str(facts["user_agent"])) == LONGEST_TEXT
    assert len(str(exchanged("y" * 1000, b"", b"", 404)["action"])) == LONGEST_TEXT


@pytest.mark.parametrize(
    ("action", "status"), [("ReadVms", 401), ("ReadProductTypes", 200), ("x" * 1000, 404)]
)
def test_the_line_of_a_caller_without_a_valid_signature_is_short(action: str, status: int) -> None:
    ids = b",".join(b'"vol-%08x"' % number for number in range(MOST_IDS))
    body = b'{"Filters":{"ProductTypeIds":[' + ids + b"]}}"
    facts = exchanged(action, body, b"{}", status, None, user_agent="\xff" * 1000)
    assert (facts["named"], "cut" in facts) == ([], False)
    assert (facts["action"], facts["user_agent"]) == (action[:64], "\xff" * 64)
    assert len(line_of({**facts, "address": "ffff:" * 7 + "ffff", "request_id": "0" * 36})) < 1024


def test_a_request_has_one_line_in_the_audit_log_or_else_in_the_log_of_the_process() -> None:
    observed: list[Exchange] = []
    audited: list[Mapping[str, object]] = []
    with structlog.testing.capture_logs() as logged:
        audit_lines.recorded(observed.append, audited.append)(Exchange("first", "ReadVms"))
        audit_lines.recorded(observed.append, None)(Exchange("second", "ReadVms"))
    assert [each["request_id"] for each in audited] == ["first"]
    assert [each["request_id"] for each in logged] == ["second"]
    assert [each.request_id for each in observed] == ["first", "second"]


def test_a_large_answer_is_searched_again_only_when_it_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[Exchange] = []
    search = audit_lines._of_answer

    def counting(exchange: Exchange) -> list[str]:
        searched.append(exchange)
        return search(exchange)

    monkeypatch.setattr(audit_lines, "_of_answer", counting)
    lines = AuditLines()

    def read(number: int, last: int, account_id: str = "1") -> object:
        vms = b",".join(b'{"VmId":"i-%08x","Pad":"%s"}' % (each, b"x" * 100) for each in (*range(300), last))
        context = b'{"ResponseContext":{"RequestId":"%036d"},"Vms":[' % number
        request = SignedRequest("POST", "/", "", {}, b"{}")
        exchange = Exchange("id", "ReadVms", account_id, request=request, answer=context + vms + b"]}")
        return lines.of(exchange)["read"]

    first = read(1, 1000)
    assert len(first) == 301  # type: ignore[arg-type]
    assert read(2, 1000) == read(3, 1000) == first
    assert len(searched) == 2  # an answer to a request that comes once is not kept
    assert "i-000007d0" in read(4, 2000)  # type: ignore[operator]
    assert read(5, 1000, "2") == first
    assert len(searched) == 4
