"""What a region has none of is read as an empty list."""

import pytest

from souche.api.protocol import spec
from tests.support.client import Client, parameter, value
from tests.support.requests import POLICY_ORN

# Terraform and Packer read the first three on their way (clients.md, section 3).
EMPTY = (
    "ReadCas",
    "ReadNics",
    "ReadLoadBalancers",
    "ReadClientGateways",
    "ReadDedicatedGroups",
    "ReadDhcpOptions",
    "ReadDirectLinkInterfaces",
    "ReadDirectLinks",
    "ReadFlexibleGpus",
    "ReadInternetServices",
    "ReadListenerRules",
    "ReadNatServices",
    "ReadNetAccessPoints",
    "ReadNetPeerings",
    "ReadNets",
    "ReadRouteTables",
    "ReadServerCertificates",
    "ReadSubnets",
    "ReadVirtualGateways",
    "ReadVmGroups",
    "ReadVmTemplates",
    "ReadVpnConnections",
)


@pytest.mark.parametrize("action", EMPTY)
def test_what_is_not_kept_is_read_as_an_empty_list(client: Client, action: str) -> None:
    assert list(client(action).values()) == [[]]


@pytest.mark.parametrize("action", EMPTY)
def test_its_filters_are_those_of_the_specification(client: Client, action: str) -> None:
    request = spec.document()["actions"][action]["request"]
    reference = spec.document()["schemas"][request]["properties"]["Filters"]["$ref"]
    known = spec.document()["schemas"][reference.rpartition("/")[2]]["properties"]
    lists = {name: ["x"] for name, shape in known.items() if shape.get("items") == {"type": "string"}}
    assert list(client(action, Filters=lists).values()) == [[]]
    assert client.refusal(action, Filters={"Colours": ["red"]}).row == parameter(3001)


@pytest.mark.parametrize("action", ["ReadPolicies", "ReadUserGroups", "ReadUsers"])
def test_users_groups_and_policies_are_none(client: Client, action: str) -> None:
    """A cleaner of accounts (frieza) reads them before all else."""
    end = {"HasMoreItems": False, "MaxResultsLimit": 100, "MaxResultsTruncated": False}
    assert client(action, FirstItem=1) == {action.removeprefix("Read"): [], **end}
    assert client(action, ResultsPerPage=7)["MaxResultsLimit"] == 7


def test_policies_have_no_versions_and_no_entities(client: Client) -> None:
    end = {"HasMoreItems": False, "MaxResultsLimit": 100}
    assert client("ReadPolicyVersions", PolicyOrn=POLICY_ORN) == {"PolicyVersions": [], **end}
    (entities,) = client("ReadEntitiesLinkedToPolicy", PolicyOrn=POLICY_ORN, EntitiesType=["USER"]).values()
    empty = {"Accounts": [], "Groups": [], "Users": [], "ItemsCount": 0}
    assert entities == {**empty, **end, "MaxResultsTruncated": False}


def test_its_pages_are_checked(client: Client) -> None:
    assert client.refusal("ReadNics", ResultsPerPage=0).row == value(4047)
    assert client.refusal("ReadNics", NextPageToken="x").row == value(4047)


def test_there_are_no_prices(client: Client) -> None:
    assert client("ReadPublicCatalog") == {"Catalog": {"Entries": []}}
    assert client("ReadCatalog") == {"Catalog": {"Entries": []}}
