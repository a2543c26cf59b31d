"""Requests about security groups, for tests."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.resources import make_image

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


def launch(client: Client, **request: object) -> dict[str, Any]:
    image_id = make_image(client.region, client.who, f"of {request}"[:128].replace("'", "")).image_id
    return dict(client("CreateVms", ImageId=image_id, **request)["Vms"][0])
