"""The audit line of a request: the caller, its address, the action, the objects and the result.

Objects are listed by their ids. In requests these are all texts in the form of an id; in answers, the values of
`FIELDS`. Neither can contain a secret. A line costs 20 microseconds, and 70 for a poll of 200 VMs.

A caller without a valid signature gets a short line without objects: a flood of long lines would soon displace the
older ones.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Final

from souche import ids
from souche.audit import Audit
from souche.http.exchange import Exchange

MOST_IDS: Final = 1000
"""in each list of a line; `cut` marks a list with more"""
CONTEXT: Final = 80
"""The answer begins with the context, which has the request's id and is shorter than this."""
LARGE: Final = 2 * 1024
LARGEST: Final = 1024 * 1024
MOST_SEARCHED: Final = 32
LONGEST_TEXT: Final = 256
"""of texts that callers choose"""
LONGEST_OF_STRANGERS: Final = LONGEST_TEXT // 4
"""the same for callers without a valid signature: anyone can send any number of requests"""
PREFIXES: Final = (
    ids.IMAGE,
    ids.SNAPSHOT,
    ids.VOLUME,
    ids.VM,
    ids.RESERVATION,
    ids.KEYPAIR,
    ids.SECURITY_GROUP,
    ids.SECURITY_GROUP_RULE,
    ids.API_ACCESS_RULE,
    ids.PUBLIC_IP,
    ids.PUBLIC_IP_LINK,
    ids.VOLUME_UPDATE,
    ids.PRODUCT_TYPE,
    ids.IMAGE_EXPORT,
    ids.SNAPSHOT_EXPORT,
)
NAMED: Final = re.compile(rf'"((?:{"|".join(PREFIXES)})-[0-9a-f]{{8,32}})"'.encode())

# The fields of answers that hold the ids of resources that an action read or made.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "AdoptImage": ("ImageId", "SnapshotId"),
    "CreateAccessKey": ("AccessKeyId",),
    "CreateApiAccessRule": ("ApiAccessRuleId",),
    "CreateCleanImage": ("ImageId", "SnapshotId"),
    "CreateConsoleToken": ("VmId",),
    "CreateImage": ("ImageId", "SnapshotId"),
    "CreateImageExportTask": ("TaskId",),
    "CreateKeypair": ("KeypairId",),
    "CreateProductType": ("ProductTypeId",),
    "CreatePublicIp": ("PublicIpId",),
    "CreateSecurityGroup": ("SecurityGroupId",),
    "CreateSecurityGroupRule": ("SecurityGroupRuleId",),
    "CreateSnapshot": ("SnapshotId",),
    "CreateSnapshotExportTask": ("TaskId",),
    "CreateVms": ("VmId", "VolumeId", "ReservationId"),
    "CreateVolume": ("VolumeId",),
    "LinkPublicIp": ("LinkPublicIpId",),
    "ReadAccessKeys": ("AccessKeyId",),
    "ReadAccounts": ("AccountId",),
    "ReadAdminPassword": ("VmId",),
    "ReadApiAccessRules": ("ApiAccessRuleId",),
    "ReadConsoleOutput": ("VmId",),
    "ReadImageAliases": ("ImageId",),
    "ReadImageExportTasks": ("TaskId",),
    "ReadImageOrigins": ("ImageId",),
    "ReadImageReports": ("ImageId",),
    "ReadImageUses": ("ImageId",),
    "ReadImages": ("ImageId",),
    "ReadKeypairs": ("KeypairId",),
    "ReadNotices": ("ImageId",),
    "ReadProductTypes": ("ProductTypeId",),
    "ReadPublicIps": ("PublicIpId",),
    "ReadSecurityGroups": ("SecurityGroupId",),
    "ReadSnapshotExportTasks": ("TaskId",),
    "ReadSnapshotProblems": ("SnapshotId",),
    "ReadSnapshotUses": ("SnapshotId",),
    "ReadSnapshots": ("SnapshotId",),
    "ReadTags": ("ResourceId",),
    "ReadVmOrigins": ("VmId",),
    "ReadVms": ("VmId",),
    "ReadVmsState": ("VmId",),
    "ReadVmsStopHistory": ("VmId",),
    "ReadVolumeUpdateTasks": ("TaskId",),
    "ReadVolumes": ("VolumeId",),
    "UpdateVolume": ("TaskId",),
}

MARKS: Final = {action: [f'"{field}":"'.encode() for field in fields] for action, fields in FIELDS.items()}
"""how the value of each field begins in an answer"""


def recorded(observe: Callable[[Exchange], None], audit: Audit | None) -> Callable[[Exchange], None]:
    """Passes each request to `observe` and writes its line: to the audit log; without one, to the log of the process.
    A line in both would take an eighth of the time of a request that is answered from memory."""
    lines = AuditLines()

    def both(exchange: Exchange) -> None:
        observe(exchange)
        if audit is None:
            exchange.log()
        else:
            audit(lines.of(exchange))

    return both


class AuditLines:
    """Makes the lines. Used on one event loop."""

    def __init__(self) -> None:
        self._searched: OrderedDict[tuple[str, str | None, bytes], tuple[bytes | None, list[str]]] = (
            OrderedDict()
        )

    def of(self, exchange: Exchange) -> dict[str, object]:
        """The fields of a request's line."""
        request = exchange.request
        body = request.body if request else b""
        is_stranger = exchange.account_id is None  # eight actions need no account; one of them filters by ids
        longest = LONGEST_OF_STRANGERS if is_stranger else LONGEST_TEXT
        named = [] if is_stranger else _of_request(body)
        found = self._found(exchange, body) if exchange.status == 200 else []
        is_read = exchange.action.startswith("Read")
        facts: dict[str, object] = {
            "event": "request",
            "request_id": exchange.request_id,
            "action": exchange.action[:longest],
            "account_id": exchange.account_id,
            "access_key_id": exchange.access_key_id,
            "address": request.address if request else "",
            "user_agent": request.headers.get("user-agent", "")[:longest] if request else "",
            "named": named,
            "read": found if is_read else [],
            "made": [] if is_read else [each for each in found if each not in set(named)],
            "request_bytes": len(body),
            "answer_bytes": len(exchange.answer),
            "status": exchange.status,
            "code": exchange.code,
            "milliseconds": round((time.perf_counter() - exchange.started) * 1000, 2),
        }
        return {**facts, "cut": True} if MOST_IDS in (len(named), len(found)) else facts

    def _found(self, exchange: Exchange, body: bytes) -> list[str]:
        """The ids in the answer. Clients poll: a large answer that is the same as before, beyond its context, is not
        searched again."""
        if exchange.action not in FIELDS:
            return []
        answer = exchange.answer
        if not LARGE <= len(answer) <= LARGEST or len(body) > LARGE:
            return _of_answer(exchange)
        key = (exchange.action, exchange.account_id, body)
        tail, found = self._searched.pop(key, (None, []))
        if tail is None:  # asked once: most answers are not kept
            tail, found = b"", _of_answer(exchange)
        elif len(tail) + CONTEXT != len(answer) or not answer.endswith(tail):
            tail, found = answer[CONTEXT:], _of_answer(exchange)
        self._searched[key] = (tail, found)
        if len(self._searched) > MOST_SEARCHED:
            self._searched.popitem(last=False)
        return found


def _of_request(body: bytes) -> list[str]:
    """The texts in the form of an id: each once, in their order, and no more than `MOST_IDS`."""
    found: dict[bytes, None] = {}
    for each in NAMED.finditer(body):
        found[each.group(1)] = None
        if len(found) == MOST_IDS:
            break
    return _texts(found)


def _of_answer(exchange: Exchange) -> list[str]:
    """The values of the action's fields in the answer: each once, in their order, and no more than `MOST_IDS`. A text
    that has a field's name in it has its quotes escaped."""
    answer = exchange.answer
    found: dict[bytes, None] = {}
    for mark in MARKS.get(exchange.action, ()):
        for each in answer.split(mark)[1:]:
            found[each[: each.find(b'"')]] = None
    return _texts(found)


def _texts(found: Collection[bytes]) -> list[str]:
    """The first `MOST_IDS` ids, as text. None of them has a comma."""
    return b",".join(islice(found, MOST_IDS)).decode("utf-8", "replace").split(",") if found else []
