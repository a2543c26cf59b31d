"""Security groups on the wire, and their rules."""

from collections.abc import Mapping
from typing import Any

import pytest

from souche.app.context.region import Region
from souche.ids import is_well_formed
from souche.states import VmState
from tests.api.group_requests import ALL, SSH, add, group, make, remove, without_ids
from tests.api.group_requests import web as web
from tests.support.client import Client, absent, missing
from tests.support.region import make_account
from tests.support.resources import make_image, make_vm, read_vm, requested


def test_a_new_group_lets_nothing_in(client: Client, web: str) -> None:
    assert group(client, web) == {
        "AccountId": client.who.account_id,
        "Description": "for tests",
        "InboundRules": [],
        "OutboundRules": [],
        "SecurityGroupId": web,
        "SecurityGroupName": "web",
        "Tags": [],
    }


def test_every_account_has_a_default_group(client: Client) -> None:
    """It allows its members, and SSH and ping from the region's host: docs/compatibility.md."""
    (default,) = client("ReadSecurityGroups")["SecurityGroups"]
    itself = {
        "AccountId": client.who.account_id,
        "SecurityGroupId": default["SecurityGroupId"],
        "SecurityGroupName": "default",
    }
    assert default["SecurityGroupName"] == "default"
    assert without_ids(default) == [
        {**ALL, "SecurityGroupsMembers": [itself]},
        {**SSH, "IpRanges": ["10.77.0.1/32"]},
        {"IpProtocol": "icmp", "FromPortRange": -1, "ToPortRange": -1, "IpRanges": ["10.77.0.1/32"]},
    ]
    assert client("ReadSecurityGroups")["SecurityGroups"] == [default]


def test_the_rules_of_the_default_group_can_be_deleted(client: Client) -> None:
    (default,) = client("ReadSecurityGroups")["SecurityGroups"]
    left = remove(client, default["SecurityGroupId"], **SSH, IpRange="10.77.0.1/32")
    assert [rule["IpProtocol"] for rule in left] == ["-1", "icmp"]


def test_rules_for_the_same_traffic_are_shown_as_one(client: Client, web: str) -> None:
    """Specification, the example of ReadSecurityGroups."""
    add(client, web, **SSH, IpRange="192.0.2.0/32")
    add(client, web, IpProtocol="udp", FromPortRange=53, ToPortRange=53, IpRange="0.0.0.0/0")
    rules = add(client, web, **SSH, IpRange="198.51.100.0")
    assert rules == [
        {**SSH, "IpRanges": ["192.0.2.0/32", "198.51.100.0"]},
        {"IpProtocol": "udp", "FromPortRange": 53, "ToPortRange": 53, "IpRanges": ["0.0.0.0/0"]},
    ]
    assert without_ids(group(client, web)) == rules


def test_every_rule_has_an_id_that_stays(client: Client, web: str) -> None:
    add(client, web, **SSH, IpRange="192.0.2.0/32")
    add(client, make(client, "other"), **SSH, IpRange="192.0.2.0/32")
    add(client, web, **SSH, IpRange="198.51.100.0")
    add(client, web, IpProtocol="icmp", IpRange="198.51.100.0")
    shown = [each["InboundRules"] for each in client("ReadSecurityGroups")["SecurityGroups"]]
    rule_ids = [rule["SecurityGroupRuleId"] for rules in shown for rule in rules]
    assert len(set(rule_ids)) == len(rule_ids) == 6
    assert all(is_well_formed(each, "sgr") for each in rule_ids)
    ssh, _icmp = group(client, web)["InboundRules"]
    left = client(
        "DeleteSecurityGroupRule", SecurityGroupId=web, Flow="Inbound", **SSH, IpRange="192.0.2.0/32"
    )
    assert left["SecurityGroup"]["InboundRules"][0] == {**ssh, "IpRanges": ["198.51.100.0"]}


def test_members_of_a_group_are_named_by_its_id_or_its_name(client: Client, web: str) -> None:
    other = make(client, "other")
    (by_id,) = add(client, web, **SSH, SecurityGroupNameToLink=other)
    member = {"AccountId": client.who.account_id, "SecurityGroupId": other, "SecurityGroupName": "other"}
    assert by_id == {**SSH, "SecurityGroupsMembers": [member]}
    assert remove(client, web, **SSH, SecurityGroupNameToUnlink="other") == []
    listed = {**SSH, "SecurityGroupsMembers": [{"SecurityGroupName": "other"}]}
    assert add(client, web, Rules=[listed]) == [by_id]


def test_a_list_of_rules_is_added_and_removed_as_one(client: Client, web: str) -> None:
    rules = [
        {**SSH, "IpRanges": ["10.0.0.0/8", "192.168.0.0/16"]},
        {"IpProtocol": "icmp", "FromPortRange": 8, "ToPortRange": 0, "IpRanges": ["0.0.0.0/0"]},
    ]
    assert add(client, web, Rules=rules) == rules
    unknown = {**SSH, "IpRanges": ["172.16.0.0/12"]}
    refusal = client.refusal(
        "DeleteSecurityGroupRule", SecurityGroupId=web, Flow="Inbound", Rules=[rules[0], unknown]
    )
    assert refusal.row == absent(5008)
    assert without_ids(group(client, web)) == rules
    assert remove(client, web, Rules=rules) == []


def test_all_protocols_are_all_ports_too(client: Client, web: str) -> None:
    """A rule with the protocol -1 has no ports, even if the request has (cluster-api-provider-outscale #631)."""
    (rule,) = add(client, web, IpProtocol="-1", FromPortRange=1, ToPortRange=65535, IpRange="10.131.0.0/16")
    assert rule == {**ALL, "IpRanges": ["10.131.0.0/16"]}
    assert add(client, make(client, "no protocol"), IpRange="10.131.0.0/16") == [rule]


def test_a_name_is_unique_for_the_account_only(region: Region, client: Client, web: str) -> None:
    assert make(Client(region, make_account(region, "bob")), "web") != web


def test_a_group_is_deleted_by_id_or_by_name(client: Client, web: str) -> None:
    make(client, "other")
    client("DeleteSecurityGroup", SecurityGroupId=web)
    client("DeleteSecurityGroup", SecurityGroupName="other")
    assert [each["SecurityGroupName"] for each in client("ReadSecurityGroups")["SecurityGroups"]] == [
        "default"
    ]
    assert client.refusal("DeleteSecurityGroup", SecurityGroupId=web).row == absent(5020)
    assert client.refusal("DeleteSecurityGroup").row == missing(7007)


def test_a_terminated_vm_does_not_use_its_groups(region: Region, client: Client, web: str) -> None:
    gone = make_vm(region, client.who, VmState.TERMINATED, devices=())
    client.refusal("UpdateVm", VmId=gone.vm_id, SecurityGroupIds=[web])
    client("DeleteSecurityGroup", SecurityGroupId=web)


def names(vm: Mapping[str, Any]) -> list[str]:
    return [each["SecurityGroupName"] for each in vm["SecurityGroups"]]


def test_a_vm_is_in_the_groups_of_its_launch_or_in_the_default_one(client: Client, web: str) -> None:
    """In the order of their ids, as on the real service."""
    other = make(client, "other")
    in_order = [name for _, name in sorted([(web, "web"), (other, "other")])]
    image_id = make_image(client.region, client.who).image_id
    for request, expected in (
        ({}, ["default"]),
        ({"SecurityGroupIds": [web]}, ["web"]),
        ({"SecurityGroups": ["web"]}, ["web"]),
        ({"SecurityGroupIds": [web], "SecurityGroups": ["other", "web"]}, in_order),
    ):
        vm = client("CreateVms", ImageId=image_id, **request)["Vms"][0]
        assert names(vm) == expected
        (read,) = client("ReadVms", Filters={"VmIds": [vm["VmId"]]})["Vms"]
        assert names(read) == expected


def test_update_vm_puts_it_into_other_groups(region: Region, client: Client, web: str) -> None:
    vm = make_vm(region, client.who)
    changed = client("UpdateVm", VmId=vm.vm_id, SecurityGroupIds=[web])["Vm"]
    assert names(changed) == ["web"]
    assert [each.name for each in read_vm(region, vm.vm_id).security_groups] == ["web"]
    assert requested(region) == ["apply_security_groups"]


def test_a_change_of_rules_is_brought_to_the_firewalls(region: Region, client: Client, web: str) -> None:
    add(client, web, **SSH, IpRange="0.0.0.0/0")
    remove(client, web, **SSH, IpRange="0.0.0.0/0")
    assert requested(region) == ["apply_security_groups"] * 2


@pytest.mark.parametrize(
    "filters",
    [
        {"Descriptions": ["for tests"]},
        {"InboundRuleFromPortRanges": [22]},
        {"InboundRuleToPortRanges": [22]},
        {"InboundRuleIpRanges": ["10.0.0.0/8"]},
        {"InboundRuleProtocols": ["tcp"]},
        {"InboundRuleSecurityGroupIds": ["<other>"]},
        {"InboundRuleSecurityGroupNames": ["other"]},
        {"InboundRuleAccountIds": ["<account>"]},
        {"SecurityGroupIds": ["<web>"]},
        {"SecurityGroupNames": ["web"]},
        {"TagKeys": ["k"]},
        {"TagValues": ["v"]},
        {"Tags": ["k=v"]},
    ],
)
def test_groups_are_found_by_every_filter(client: Client, filters: dict[str, list[Any]]) -> None:
    plain = client("CreateSecurityGroup", SecurityGroupName="other", Description="x")["SecurityGroup"]
    web = make(client, "web")
    add(client, web, **SSH, IpRange="10.0.0.0/8")
    add(client, web, SecurityGroupNameToLink="other")
    client("CreateTags", ResourceIds=[web], Tags=[{"Key": "k", "Value": "v"}])
    known = {"<other>": plain["SecurityGroupId"], "<web>": web, "<account>": client.who.account_id}
    wanted = {name: [known.get(each, each) for each in values] for name, values in filters.items()}
    found = client("ReadSecurityGroups", Filters=wanted)["SecurityGroups"]
    shown = {each["SecurityGroupName"] for each in found}
    assert "web" in shown
    assert "other" not in shown
    assert (
        client("ReadSecurityGroups", Filters={**wanted, "NetIds": ["vpc-12345678"]})["SecurityGroups"] == []
    )


def test_groups_go_by_pages(client: Client) -> None:
    made = [make(client, f"group {number}") for number in range(3)]
    first = client("ReadSecurityGroups", ResultsPerPage=2)
    rest = client("ReadSecurityGroups", ResultsPerPage=2, NextPageToken=first["NextPageToken"])
    both = [*first["SecurityGroups"], *rest["SecurityGroups"]]
    assert {each["SecurityGroupId"] for each in both} >= set(made)
    assert "NextPageToken" not in rest
