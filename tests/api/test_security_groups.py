"""Security groups on the wire, and their rules."""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

import pytest

from souche.app.region import Region
from souche.ids import is_well_formed
from souche.states import VmState
from tests.support.client import Client, absent, conflict, missing, parameter, value
from tests.support.region import make_account
from tests.support.resources import make_image, make_vm, read_vm, requested

ALL = {"IpProtocol": "-1", "FromPortRange": -1, "ToPortRange": -1}
SSH = {"IpProtocol": "tcp", "FromPortRange": 22, "ToPortRange": 22}


@pytest.fixture
def web(client: Client) -> str:
    return make(client, "web")


def make(client: Client, name: str) -> str:
    made = client("CreateSecurityGroup", SecurityGroupName=name, Description="for tests")
    return str(made["SecurityGroup"]["SecurityGroupId"])


def group(client: Client, security_group_id: str) -> dict[str, Any]:
    (found,) = client("ReadSecurityGroups", Filters={"SecurityGroupIds": [security_group_id]})[
        "SecurityGroups"
    ]
    return dict(found)


def without_ids(shown: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The inbound rules of a group, as they were asked for."""
    return [
        {name: value for name, value in rule.items() if name != "SecurityGroupRuleId"}
        for rule in shown["InboundRules"]
    ]


def add(client: Client, security_group_id: str, **rule: object) -> list[dict[str, Any]]:
    answer = client("CreateSecurityGroupRule", SecurityGroupId=security_group_id, Flow="Inbound", **rule)
    return without_ids(answer["SecurityGroup"])


def remove(client: Client, security_group_id: str, **rule: object) -> list[dict[str, Any]]:
    answer = client("DeleteSecurityGroupRule", SecurityGroupId=security_group_id, Flow="Inbound", **rule)
    return without_ids(answer["SecurityGroup"])


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
    """It lets in its own members, and SSH and ping from the region's host: docs/compatibility.md."""
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
    """Whatever ports come with -1: the rule that is kept has none (cluster-api-provider-outscale #631)."""
    (rule,) = add(client, web, IpProtocol="-1", FromPortRange=1, ToPortRange=65535, IpRange="10.131.0.0/16")
    assert rule == {**ALL, "IpRanges": ["10.131.0.0/16"]}
    assert add(client, make(client, "no protocol"), IpRange="10.131.0.0/16") == [rule]


Row: TypeAlias = tuple[int, str, str]

refusals = partial(pytest.mark.parametrize, ("changes", "expected"))


def _rule_refused(client: Client, group_id: str, changes: Mapping[str, Any], expected: Row) -> None:
    add(client, group_id, **SSH, IpRange="192.0.2.1/32")
    rules = group(client, group_id)["InboundRules"]
    request = {"SecurityGroupId": group_id, "Flow": "Inbound", **SSH, "IpRange": "10.0.0.0/8", **changes}
    refusal = client.refusal("CreateSecurityGroupRule", **request)
    assert refusal.row == expected
    assert refusal.details
    assert group(client, group_id)["InboundRules"] == rules


@refusals(
    [
        ({"SecurityGroupId": "tata"}, value(4104)),
        ({"SecurityGroupId": "sg-123"}, value(4105)),
        ({"SecurityGroupId": "sg-00000000"}, absent(5020)),
    ],
)
def test_a_rule_of_a_malformed_or_unknown_group_is_refused(
    client: Client, web: str, changes: dict[str, Any], expected: Row
) -> None:
    _rule_refused(client, web, changes, expected)


@refusals(
    [
        ({"Flow": "Outbound"}, value(4047)),
        ({"Flow": "Sideways"}, value(4047)),
    ],
)
def test_there_are_inbound_rules_only(
    client: Client, web: str, changes: dict[str, Any], expected: Row
) -> None:
    _rule_refused(client, web, changes, expected)


@refusals(
    [
        ({"IpProtocol": "gre"}, value(4053)),
        ({"IpProtocol": "6"}, value(4053)),
    ],
)
def test_a_protocol_is_tcp_udp_icmp_or_all(
    client: Client, web: str, changes: dict[str, Any], expected: Row
) -> None:
    _rule_refused(client, web, changes, expected)


@refusals(
    [
        ({"FromPortRange": -1}, value(4051)),
        ({"FromPortRange": 23}, value(4051)),
        ({"ToPortRange": 65536}, value(4051)),
        ({"IpProtocol": "icmp", "FromPortRange": 256}, value(4051)),
    ],
)
def test_ports_are_0_to_65535_in_order_and_numbers_of_icmp_255_at_the_most(
    client: Client, web: str, changes: dict[str, Any], expected: Row
) -> None:
    _rule_refused(client, web, changes, expected)


@refusals(
    [
        ({"IpRange": "10.0.0.0/33"}, value(4047)),
        ({"IpRange": "10.0.0.0/255.0.0.0"}, value(4047)),
        ({"IpRange": "::/0"}, value(4047)),
        ({"IpRange": "everywhere"}, value(4047)),
    ],
)
def test_a_source_is_an_ipv4_range(client: Client, web: str, changes: dict[str, Any], expected: Row) -> None:
    _rule_refused(client, web, changes, expected)


def test_a_rule_that_is_there_is_refused(client: Client, web: str) -> None:
    _rule_refused(client, web, {"IpRange": "192.0.2.1/32"}, conflict(9005))


@refusals(
    [
        ({"SecurityGroupNameToLink": "nobody"}, absent(5022)),
        (
            {"SecurityGroupNameToLink": "default", "SecurityGroupAccountIdToLink": "123456789012"},
            absent(5022),
        ),
    ],
)
def test_a_member_group_that_is_unknown_or_of_another_account_is_refused(
    client: Client, web: str, changes: dict[str, Any], expected: Row
) -> None:
    _rule_refused(client, web, changes, expected)


@refusals(
    [
        ({"Rules": [{**SSH, "IpRanges": ["10.0.0.0/8"]}]}, parameter(3002)),
    ],
)
def test_a_list_of_rules_does_not_go_with_a_single_one(
    client: Client, web: str, changes: dict[str, Any], expected: Row
) -> None:
    _rule_refused(client, web, changes, expected)


@refusals(
    [
        ({"Ports": 22}, parameter(3001)),
    ],
)
def test_an_unknown_parameter_of_a_rule_is_refused(
    client: Client, web: str, changes: dict[str, Any], expected: Row
) -> None:
    _rule_refused(client, web, changes, expected)


def test_a_group_has_1000_rules_at_the_most(client: Client, web: str) -> None:
    rules = [{**SSH, "IpRanges": [f"10.0.{number // 250}.{number % 250}/32" for number in range(1000)]}]
    add(client, web, Rules=rules)
    request = {"SecurityGroupId": web, "Flow": "Inbound", **SSH, "IpRange": "10.1.0.0/16"}
    assert client.refusal("CreateSecurityGroupRule", **request).row == value(4047)


@pytest.mark.parametrize("absent_one", ["IpRange", "FromPortRange", "ToPortRange"])
def test_a_rule_needs_a_source_and_ports(client: Client, web: str, absent_one: str) -> None:
    rule = {name: item for name, item in {**SSH, "IpRange": "10.0.0.0/8"}.items() if name != absent_one}
    refusal = client.refusal("CreateSecurityGroupRule", SecurityGroupId=web, Flow="Inbound", **rule)
    assert refusal.row == missing(7007)
    assert absent_one in refusal.details


def _group_refused(client: Client, changes: Mapping[str, Any], expected: Row) -> None:
    request = {"SecurityGroupName": "new", "Description": "é: (1) {a}", **changes}
    refusal = client.refusal("CreateSecurityGroup", **request)
    assert refusal.row == expected
    assert refusal.details


@pytest.mark.parametrize("name", ["", "sg-web", "é", "n" * 256])
def test_a_name_has_1_to_255_of_the_characters_allowed_and_does_not_begin_as_an_id(
    client: Client, name: str
) -> None:
    _group_refused(client, {"SecurityGroupName": name}, value(4043))


@pytest.mark.parametrize("name", ["web", "default"])
def test_a_name_that_the_account_has_already_is_refused(client: Client, web: str, name: str) -> None:
    assert web
    _group_refused(client, {"SecurityGroupName": name}, conflict(9008))


@pytest.mark.parametrize("description", ["", "d" * 256, "\n"])
def test_a_description_has_1_to_255_of_the_characters_allowed(client: Client, description: str) -> None:
    _group_refused(client, {"Description": description}, value(4047))
    client("CreateSecurityGroup", SecurityGroupName="new", Description="é: (1) {a}")


def test_a_group_of_a_net_is_refused(client: Client) -> None:
    _group_refused(client, {"NetId": "vpc-12345678"}, absent(5065))


@pytest.mark.parametrize("left", ["SecurityGroupName", "Description"])
def test_a_group_needs_its_name_and_its_description(client: Client, left: str) -> None:
    refusal = client.refusal("CreateSecurityGroup", **{left: "new"})
    assert refusal.row == missing(7007)


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


def test_the_default_group_cannot_be_deleted(client: Client) -> None:
    """Nor before anything has looked for it."""
    assert client.refusal("DeleteSecurityGroup", SecurityGroupName="default").row == conflict(9051)


def test_a_group_in_use_cannot_be_deleted(client: Client, web: str) -> None:
    vm = launch(client, SecurityGroupIds=[web])
    refusal = client.refusal("DeleteSecurityGroup", SecurityGroupId=web)
    assert refusal.row == conflict(9085)
    assert vm["VmId"] in refusal.details


def test_a_group_that_a_rule_names_cannot_be_deleted(client: Client, web: str) -> None:
    other = make(client, "other")
    add(client, other, SecurityGroupNameToLink=web)
    add(client, web, SecurityGroupNameToLink=web)
    refusal = client.refusal("DeleteSecurityGroup", SecurityGroupId=web)
    assert refusal.row == conflict(9002)
    assert other in refusal.details
    client("DeleteSecurityGroup", SecurityGroupId=other)
    client("DeleteSecurityGroup", SecurityGroupId=web)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"SecurityGroupId": "tata"}, value(4104)),
        ({"SecurityGroupId": "sg-123"}, value(4105)),
        ({"SecurityGroupId": "<hidden>"}, absent(5020)),
        ({"SecurityGroupName": "bobs"}, absent(5020)),
    ],
)
def test_a_group_that_is_malformed_unknown_or_anothers_is_not_deleted(
    client: Client, other: Client, request_: dict[str, str], expected: Row
) -> None:
    hidden = make(other, "bobs")
    request = {name: hidden if item == "<hidden>" else item for name, item in request_.items()}
    assert client.refusal("DeleteSecurityGroup", **request).row == expected
    assert group(other, hidden)["SecurityGroupName"] == "bobs"


def test_a_terminated_vm_does_not_use_its_groups(region: Region, client: Client, web: str) -> None:
    gone = make_vm(region, client.who, VmState.TERMINATED, devices=())
    client.refusal("UpdateVm", VmId=gone.vm_id, SecurityGroupIds=[web])
    client("DeleteSecurityGroup", SecurityGroupId=web)


def launch(client: Client, **request: object) -> dict[str, Any]:
    image_id = make_image(client.region, client.who, f"of {request}"[:128].replace("'", "")).image_id
    return dict(client("CreateVms", ImageId=image_id, **request)["Vms"][0])


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
