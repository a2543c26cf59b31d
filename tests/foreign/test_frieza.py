"""What frieza sends, the provider's cleaner of accounts: internal/providers/outscale_oapi of its source. It reads
everything, deletes what it has found in the order of its types, and does so again until nothing is left."""

from typing import Any

import pytest

from tests.foreign.go_client import SDK_V2, GoClient
from tests.foreign.region import SUBREGION, ServedRegion
from tests.support.polling import eventually

EMPTY = ("LoadBalancers", "NatServices", "RouteTables", "InternetServices", "Subnets", "Nets", "VpnConnections",
         "VirtualGateways", "Nics")  # fmt: skip
GOING_VMS = ("pending", "running", "stopping", "stopped", "shutting-down", "quarantine")
KEPT_VOLUMES = ("creating", "available", "in-use", "updating", "error")


@pytest.fixture
def frieza(region: ServedRegion, request: pytest.FixtureRequest) -> GoClient:
    return GoClient(region.account(request.node.nodeid), SDK_V2)


def test_an_account_is_emptied(region: ServedRegion, frieza: GoClient) -> None:
    _fill(region, frieza)
    left = {name: len(found) for name, found in _found(frieza).items()}
    ones = dict.fromkeys(("Vms", "PublicIps", "Keypairs", "Images", "Snapshots"), 1)
    assert left == {**ones, "SecurityGroups": 2, "Volumes": 2}
    eventually(lambda: _round(frieza))
    _keys(frieza)


def _fill(region: ServedRegion, frieza: GoClient) -> None:
    frieza("CreateKeypair", KeypairName="laptop")
    first, second = (_group(frieza, name) for name in ("first", "second"))
    rule = {"IpProtocol": "tcp", "FromPortRange": 22, "ToPortRange": 22}
    both = {"IpRanges": ["0.0.0.0/0"], "SecurityGroupsMembers": [{"SecurityGroupId": second}]}
    icmp = {"IpProtocol": "icmp", "FromPortRange": -1, "ToPortRange": -1, "IpRanges": ["0.0.0.0/0"]}
    frieza("CreateSecurityGroupRule", Flow="Inbound", SecurityGroupId=first, Rules=[{**rule, **both}, icmp])
    launch = {"ImageId": region.official_image_id, "SecurityGroupIds": [first], "KeypairName": "laptop"}
    vm_id = frieza("CreateVms", **launch)["Vms"][0]["VmId"]
    frieza.wait("Vms", "VmIds", vm_id, "running", ["pending"])
    address = frieza("CreatePublicIp")["PublicIp"]["PublicIp"]
    frieza("LinkPublicIp", PublicIp=address, VmId=vm_id)
    image_id = frieza("CreateImage", ImageName="golden", VmId=vm_id, NoReboot=True)["Image"]["ImageId"]
    frieza.wait("Images", "ImageIds", image_id, "available", ["pending"])
    frieza("CreateVolume", SubregionName=SUBREGION, Size=1)


def _group(frieza: GoClient, name: str) -> str:
    made = frieza("CreateSecurityGroup", SecurityGroupName=name, Description="x")["SecurityGroup"]
    return str(made["SecurityGroupId"])


def _found(frieza: GoClient) -> dict[str, list[dict[str, Any]]]:
    """What to delete, by its types in their order."""
    for name in EMPTY:
        assert frieza(f"Read{name}")[name] == []
    own = {"AccountIds": [frieza("ReadAccounts")["Accounts"][0]["AccountId"]]}
    return {
        "Vms": [vm for vm in frieza("ReadVms")["Vms"] if vm["State"] in GOING_VMS],
        "SecurityGroups": [
            group
            for group in frieza("ReadSecurityGroups")["SecurityGroups"]
            if group["SecurityGroupName"] != "default"
        ],
        "PublicIps": frieza("ReadPublicIps")["PublicIps"],
        "Volumes": [each for each in frieza("ReadVolumes")["Volumes"] if each["State"] in KEPT_VOLUMES],
        "Keypairs": frieza("ReadKeypairs")["Keypairs"],
        "Images": frieza("ReadImages", Filters=own)["Images"],
        "Snapshots": frieza("ReadSnapshots", Filters=own)["Snapshots"],
    }


def _round(frieza: GoClient) -> bool:
    """Delete what is found; whether there was nothing. What is refused now is tried again in the next round."""
    found = _found(frieza)
    if vms := found["Vms"]:
        _stop_by_force(frieza, vms)
        frieza("DeleteVms", VmIds=[vm["VmId"] for vm in vms])
    for group in found["SecurityGroups"]:
        _delete_group(frieza, group)
    for public_ip in found["PublicIps"]:
        _delete_public_ip(frieza, public_ip)
    for name, key in (("Volume", "VolumeId"), ("Keypair", "KeypairName"), ("Image", "ImageId"),
                      ("Snapshot", "SnapshotId")):  # fmt: skip
        for each in found[f"{name}s"]:
            _try(frieza, f"Delete{name}", **{key: each[key]})
    return not any(found.values())


def _stop_by_force(frieza: GoClient, vms: list[dict[str, Any]]) -> None:
    """Also where the list is empty."""
    going = [vm["VmId"] for vm in vms if vm["State"] in ("pending", "running")]
    _try(frieza, "StopVms", ForceStop=True, VmIds=going)


def _delete_group(frieza: GoClient, group: dict[str, Any]) -> None:
    """Its rules are sent back as they were read, those of ranges twice, with members known by nothing but their id."""
    rules: list[dict[str, Any]] = []
    for rule in group["InboundRules"]:
        members = rule.get("SecurityGroupsMembers", [])
        if not members:
            rules.append(rule)
        plain = [{**member, "AccountId": "", "SecurityGroupName": ""} for member in members]
        rules.append({**rule, "SecurityGroupsMembers": plain})
    group_id = group["SecurityGroupId"]
    if rules:
        frieza("DeleteSecurityGroupRule", Flow="Inbound", Rules=rules, SecurityGroupId=group_id)
    _try(frieza, "DeleteSecurityGroup", SecurityGroupId=group_id)


def _delete_public_ip(frieza: GoClient, public_ip: dict[str, Any]) -> None:
    if any(public_ip.get(name) for name in ("LinkPublicIpId", "NicId", "VmId")):
        _try(frieza, "UnlinkPublicIp", PublicIp=public_ip["PublicIp"])
    _try(frieza, "DeletePublicIp", PublicIp=public_ip["PublicIp"])


def _try(frieza: GoClient, action: str, **request: object) -> None:
    """A refusal is printed, and no end."""
    status, answer = frieza._send(action, request)
    assert status in (200, 400, 409), answer


def _keys(frieza: GoClient) -> None:
    """It leaves the access key that it works with."""
    keys = frieza.undated("ReadAccessKeys")["AccessKeys"]
    assert [key["AccessKeyId"] for key in keys] == [frieza.caller.credentials.access_key_id]
