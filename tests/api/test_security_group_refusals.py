"""Refusals of requests about security groups and their rules."""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

import pytest

from tests.api.group_requests import SSH, add, group, launch, make
from tests.api.group_requests import web as web
from tests.support.client import Client, absent, conflict, missing, parameter, value

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


def test_the_default_group_cannot_be_deleted(client: Client) -> None:
    """Not even before its first use."""
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
