"""ReadQuotas, and quotas as clients meet them (reference section 8)."""

import pytest

from souche.api.protocol import errors
from souche.app import accounts, quotas
from tests.support.client import Client
from tests.support.resources import make_vm, make_volume

QUOTA_EXCEEDED = "TooManyResources (QuotaExceeded)"

# Of images, exports, key pairs and security groups the nearest: none of their own is on record.
CODES = {
    "image_limit": "10026",
    "image_export_limit": "10008",
    "snapshot_limit": "10026",
    "snapshot_size_limit": "10026",
    "snapshot_export_limit": "10008",
    "volume_limit": "10018",
    "volume_size_limit": "10024",
    "iops_limit": "10025",
    "vm_limit": "10010",
    "core_limit": "10029",
    "memory_limit": "10042",
    "keypair_limit": "10005",
    "eip_limit": "10011",
    "security_group_limit": "10010",
    "image_alias_limit": "10026",
    "bucket_limit": "10010",  # a bucket is refused by S3, which has its own code
}


def limit(client: Client, name: str, value: int) -> None:
    account = accounts.get(client.region, client.who)
    assert account is not None
    quotas.set_limit(client.region, account, name, value)


def test_a_quota_is_shown_with_what_is_used_of_it(client: Client) -> None:
    make_vm(client.region, client.who, vcpus=2, memory_mib=1536, devices=())
    limit(client, "memory_limit", 7)
    (shown,) = client("ReadQuotas", Filters={"QuotaNames": ["memory_limit"]})["QuotaTypes"]
    assert shown == {
        "QuotaType": "global",
        "Quotas": [
            {
                "AccountId": client.who.account_id,
                "Description": "Maximum memory of all VMs, in GiB",
                "MaxValue": 7,
                "Name": "memory_limit",
                "QuotaCollection": "Compute",
                "ShortDescription": "Memory Limit",
                "UsedValue": 2,
            }
        ],
    }


@pytest.mark.parametrize(
    ("name", "selecting"),
    [
        ("Collections", "Images"),
        ("QuotaNames", "image_limit"),
        ("QuotaTypes", "global"),
        ("ShortDescriptions", "Image Limit"),
    ],
)
def test_quotas_are_found_by_collection_name_type_and_short_description(
    client: Client, name: str, selecting: str
) -> None:
    (found,) = client("ReadQuotas", Filters={name: [selecting]})["QuotaTypes"]
    assert "image_limit" in [quota["Name"] for quota in found["Quotas"]]
    assert client("ReadQuotas", Filters={name: ["other"]})["QuotaTypes"] == []
    assert client("ReadQuotas", Filters={name: []}) == client("ReadQuotas")


def test_quotas_go_by_pages(client: Client) -> None:
    first = client("ReadQuotas", ResultsPerPage=8)
    last = client("ReadQuotas", ResultsPerPage=8, NextPageToken=first["NextPageToken"])
    names = [quota["Name"] for page in (first, last) for quota in page["QuotaTypes"][0]["Quotas"]]
    assert (len(names), len(set(names))) == (16, 16)
    assert "NextPageToken" not in last


def test_beyond_a_quota_is_refused_with_its_code_in_a_dry_run_too(client: Client) -> None:
    make_volume(client.region, client.who)
    limit(client, "volume_limit", 1)
    refusal = client.refusal("CreateVolume", SubregionName=client.region.subregion_name, Size=1)
    assert refusal.row == (400, QUOTA_EXCEEDED, "10018")
    assert refusal.details == "The account may have at most 1 volumes."
    dry = client.refusal("CreateVolume", SubregionName=client.region.subregion_name, Size=1, DryRun=True)
    assert dry == refusal


def test_each_quota_has_its_code() -> None:
    rows = {quota.name: errors.row(refusal) for quota, refusal in quotas.REFUSALS.items()}
    assert {name: row.code for name, row in rows.items()} == CODES
    assert {(row.status, row.type) for row in rows.values()} == {(400, QUOTA_EXCEEDED)}


def test_without_limits_of_its_own_an_account_has_those_of_the_region(client: Client) -> None:
    (shown,) = client("ReadQuotas")["QuotaTypes"]
    limits = {quota["Name"]: quota["MaxValue"] for quota in shown["Quotas"]}
    assert limits.keys() == CODES.keys()
    assert (limits["image_export_limit"], limits["snapshot_export_limit"]) == (3, 10)
    assert {quota["UsedValue"] for quota in shown["Quotas"]} == {0}


def test_the_default_group_counts_as_a_security_group(client: Client) -> None:
    limit(client, "security_group_limit", 2)
    client("CreateSecurityGroup", SecurityGroupName="web", Description="Web")
    refusal = client.refusal("CreateSecurityGroup", SecurityGroupName="db", Description="Data")
    assert refusal.row == (400, QUOTA_EXCEEDED, "10010")
    assert refusal.details == "The account may have at most 2 security groups."
    names = [group["SecurityGroupName"] for group in client("ReadSecurityGroups")["SecurityGroups"]]
    assert sorted(names) == ["default", "web"]
    (shown,) = client("ReadQuotas", Filters={"QuotaNames": ["security_group_limit"]})["QuotaTypes"]
    assert [(each["UsedValue"], each["MaxValue"]) for each in shown["Quotas"]] == [(2, 2)]
