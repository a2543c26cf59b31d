"""Recorded answers of the real service. `make test` sends each request to a simulated region
(tests/foreign/test_recorded_answers.py): the answer must be the same, or be listed among the differences with a reason.
docs/compatibility.md shows them.

If such a record and the specification's prose disagree, the record wins.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

RECENT: Final = "2025-2026"
ABSENT: Final = "(absent)"
"""the value of a missing field"""
SET: Final = re.compile(".+", re.DOTALL)
"""matches any non-empty text"""


@dataclass(frozen=True)
class Fact:
    """A request and the recorded part of its answer. `given`: the situation that the test creates; its ids replace
    `<names>` in the request. `answer`: values by path (`status`, `header <name>`, fields joined by dots), or a pattern
    of the whole value. `settles`: the answer may change for some time. `differs`: the row of differences.py, if
    Souche's answer differs."""

    given: str
    action: str
    request: Mapping[str, object]
    answer: Mapping[str, object]
    since: str = RECENT
    settles: bool = False
    differs: str | None = None


def _vm(given: str, answer: Mapping[str, object]) -> Fact:
    """A fact about the final answer of ReadVms for the situation's VM."""
    shown = {f"Vms.0.{name}": value for name, value in answer.items()}
    return Fact(given, "ReadVms", {"Filters": {"VmIds": ["<vm>"]}}, shown, settles=True)


def _launched(request: Mapping[str, object], answer: Mapping[str, object]) -> Fact:
    """A fact about the answer of CreateVms for an image with both boot modes."""
    shown = {f"Vms.0.{name}": value for name, value in answer.items()}
    return Fact("an image", "CreateVms", {"ImageId": "<image>", "BootOnCreation": False, **request}, shown)


def _triple(behavior: str, guest: str, host: str) -> dict[str, object]:
    return {
        "VmInitiatedShutdownBehavior": behavior,
        "ShutdownBehaviorConfiguration": {"GuestAction": guest, "HostAction": host},
    }


_SHUTDOWN = (
    _launched({}, _triple("stop", "stop", "stop")),
    _launched({"VmInitiatedShutdownBehavior": "restart"}, _triple("restart", "stop", "restart")),
    _launched(
        {"ShutdownBehaviorConfiguration": {"GuestAction": "terminate", "HostAction": "restart"}},
        _triple("terminate", "terminate", "restart"),
    ),
    _vm("a VM with the behavior terminate after StopVms", {"State": "terminated", "StateReason": SET}),
    _vm("a VM with the behavior restart after StopVms", {"State": "running", "StateReason": ""}),
)

_VMS = (
    _launched({}, {"BootMode": "uefi", "StateReason": "", "IsSourceDestChecked": False}),
    _launched({"SecurityGroupIds": ["<later>", "<first>"]}, {"SecurityGroups.0.SecurityGroupId": "<first>"}),
    _launched({}, {"CreationDate": re.compile("[0-9T:.-]{23}Z")}),
    _vm("a VM that runs", {"State": "running", "StateReason": "", "IsSourceDestChecked": False}),
    _vm("a VM after StopVms", {"State": "stopped", "StateReason": SET, "PrivateIp": SET}),
    _vm("a VM after DeleteVms", {"State": "terminated", "StateReason": SET, "PrivateIp": ABSENT}),
    _vm("a VM with BootOnCreation false", {"State": "stopped", "StateReason": SET}),
    Fact(
        "a VM after StopVms",
        "UpdateVm",
        {"VmId": "<vm>", "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Bsu": {"VolumeId": ""}}]},
        {"status": 200},
    ),
    Fact(
        "a VM with BootOnCreation false",
        "UpdateVm",
        {"VmId": "<vm>", "ActionsOnNextBoot": {"SecureBoot": "enable"}},
        {"Vm.ActionsOnNextBoot.SecureBoot": "enable"},
    ),
)

_SNAPSHOTS_AND_IMAGES = (
    Fact(
        "a volume",
        "CreateSnapshot",
        {"VolumeId": "<volume>"},
        {"Snapshot.State": "in-queue", "Snapshot.Progress": 0},
    ),
    Fact(
        "a volume that is creating",
        "CreateSnapshot",
        {"VolumeId": "<volume>"},
        {"status": 409, "Errors.0.Code": "6007"},
        differs="CreateSnapshot of a volume that is creating",
    ),
    Fact(
        "an image",
        "ReadImages",
        {"Filters": {"ImageIds": ["<image>"]}},
        {"Images.0.BootModes": ["legacy", "uefi"]},
    ),
    Fact(
        "an image",
        "ReadImages",
        {"Filters": {"ImageIds": ["<image>"]}},
        {
            "Images.0.BlockDeviceMappings.0.Bsu.Iops": ABSENT,  # standard
            "Images.0.BlockDeviceMappings.1.Bsu.Iops": 100,  # io1
        },
    ),
    Fact(
        "a private copy of a private image",
        "ReadImages",
        {"Filters": {"ImageIds": ["<copy>"]}},
        {"Images.0.Description": "of the source", "Images.0.PermissionsToLaunch.GlobalPermission": False},
    ),
    Fact(
        "a copy of a public image",
        "ReadImages",
        {"Filters": {"ImageIds": ["<copy>"]}},
        {"Images.0.PermissionsToLaunch.GlobalPermission": True},
        differs="CreateImage by copy of a public image",
    ),
)

_UNKNOWN_GROUP = {"status": 400, "Errors.0.Type": "InvalidResource", "Errors.0.Code": "5020"}
_RULE = {"Flow": "Inbound", "IpProtocol": "tcp", "FromPortRange": 1, "ToPortRange": 1, "IpRange": "0.0.0.0/0"}
_RULE_ID = re.compile("sgr-[0-9a-f]{8}")

_GROUPS = (
    Fact(
        "a VM that runs",
        "DeleteSecurityGroup",
        {"SecurityGroupId": "<group>"},
        {"status": 409, "Errors.0.Type": "ResourceConflict", "Errors.0.Code": "9085"},
    ),
    Fact("nothing", "DeleteSecurityGroup", {"SecurityGroupId": "sg-00000000"}, _UNKNOWN_GROUP),
    Fact("nothing", "CreateSecurityGroupRule", {"SecurityGroupId": "sg-00000000", **_RULE}, _UNKNOWN_GROUP),
    Fact("nothing", "DeleteSecurityGroupRule", {"SecurityGroupId": "sg-00000000", **_RULE}, _UNKNOWN_GROUP),
    Fact(
        "an image",
        "CreateSecurityGroupRule",
        {"SecurityGroupId": "<first>", **_RULE},
        {"SecurityGroup.InboundRules.0.SecurityGroupRuleId": _RULE_ID},
    ),
    Fact(
        "nothing",
        "ReadSecurityGroups",
        {"Filters": {"SecurityGroupNames": ["default"]}},
        {"SecurityGroups.0.InboundRules.0.SecurityGroupRuleId": _RULE_ID},
    ),
)

_OPENSSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmi0rZDIhDlSz+l1Zd3vCqAG/YyeZVX3tHCqKwRNdIR me@host"

_ACCOUNT = (
    Fact("nothing", "CreateKeypair", {"KeypairName": "plain", "PublicKey": _OPENSSH}, {"status": 200}),
    Fact("nothing", "ReadRegions", {}, {"header access-control-allow-origin": "*"}),
    Fact("nothing", "CreateVms", {}, {"status": 400, "header access-control-allow-origin": "*"}),
    Fact(
        "an image",
        "CreateVms",
        {"ImageId": "<image>", "MinVmsCount": 1000, "MaxVmsCount": 1000},
        {"Errors.0.Type": "TooManyResources (QuotaExceeded)"},
    ),
    Fact(
        "an access key that does not exist",
        "ReadVms",
        {},
        {"status": 400, "Errors.0.Type": "InvalidParameterValue", "Errors.0.Code": "4120"},
        since="2026",
    ),
    *(
        Fact("an access key that does not exist", action, {}, {"status": 200}, since="2026")
        for action in (
            "ReadRegions",
            "ReadVmTypes",
            "ReadPublicIpRanges",
            "ReadPublicCatalog",
            "ReadFlexibleGpuCatalog",
        )
    ),
    Fact(
        "nothing",
        "ReadProductTypes",
        {"Filters": {"ProductTypeIds": ["0002"]}},
        {"ProductTypes.0.Vendor": "Microsoft"},
    ),
)

# cores/GiB/private addresses, B: BsuOptimized, v: number and GiB of ephemeral disks
_TYPES: Final = """
c3.2xlarge 8/15/15B v2x80
c3.4xlarge 16/31/30B v2x160
c3.8xlarge 32/61/30B v2x320
c3.large 2/4/10 v2x16
c3.xlarge 4/8/15B v2x40
c4.2xlarge 8/15/15B
c4.4xlarge 16/31/30B
c4.8xlarge 36/61/30B
c4.large 2/4/10B
c4.xlarge 4/8/15B
m3.2xlarge 8/31/30B v2x80
m3.large 2/8/10 v1x32
m3.medium 1/4/6 v1x4
m3.xlarge 4/15/15B v2x40
mv3.xlarge 4/15/15B v2x40
m4.10xlarge 40/164/30B
m4.2xlarge 8/33/15B
m4.4xlarge 16/66/30B
m4.large 2/8/10B
m4.xlarge 4/16/15B
r3.2xlarge 8/62/15 v1x160
r3.4xlarge 16/125/30 v1x320
r3.8xlarge 32/250/30 v2x320
r3.large 2/15/10 v1x32
r3.xlarge 4/31/15 v1x80
r4.16xlarge 64/500/30
r4.2xlarge 8/62/15
r4.4xlarge 16/125/30
r4.8xlarge 32/250/30
r4.large 2/16/10
r4.xlarge 4/31/15
t2.large 2/8/6
t2.medium 2/4/6
t2.micro 1/1/2
t2.nano 1/1/2
t2.small 1/2/4
"""


def _type(line: str) -> Fact:
    name, numbers, disks = re.fullmatch(r"(\S+) (\S+)(?: v(\S+))?", line).groups()  # type: ignore[union-attr]
    cores, gib, addresses = numbers.removesuffix("B").split("/")
    count, size_gib = disks.split("x") if disks else ("0", ABSENT)
    shown = {
        "VcoreCount": int(cores),
        "MemorySize": float(gib),
        "MaxPrivateIps": int(addresses),
        "BsuOptimized": numbers.endswith("B"),
        "VolumeCount": int(count),
        "VolumeSize": int(size_gib) if disks else ABSENT,
        "EphemeralsType": SET if disks else ABSENT,
        "Gpu": ABSENT,
        "Eth": ABSENT,
    }
    answer = {f"VmTypes.0.{field}": value for field, value in shown.items()}
    return Fact("nothing", "ReadVmTypes", {"Filters": {"VmTypeNames": [name]}}, answer)


_VM_TYPES = (
    *map(_type, _TYPES.split("\n")[1:-1]),
    Fact(
        "nothing",
        "ReadVmTypes",
        {"Filters": {"VmTypeNames": ["tinav5.c1r1p1"]}},
        {"VmTypes": []},
        differs="ReadVmTypes",
    ),
)

FACTS: Final = (*_SHUTDOWN, *_VMS, *_SNAPSHOTS_AND_IMAGES, *_GROUPS, *_ACCOUNT, *_VM_TYPES)
