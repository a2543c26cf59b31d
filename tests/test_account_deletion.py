"""`souche account delete`, with what the account has, where the server runs."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from souche.cli import background
from souche.home import Home
from tests.test_up import REGION, SECONDS, Up

FILLS = """
import json, time
from osc_sdk_python import Gateway
client = Gateway(limiter_max_requests=1000)
official = client.ReadImages(Filters={"AccountAliases": ["Outscale"]})["Images"][0]["ImageId"]
client.CreateKeypair(KeypairName="laptop")
groups = [client.CreateSecurityGroup(SecurityGroupName=name, Description=name)["SecurityGroup"]["SecurityGroupId"]
          for name in ("web", "db")]
for group, other in (groups, groups[::-1]):
    members = [{"SecurityGroupId": other}]
    rule = {"IpProtocol": "tcp", "FromPortRange": 1, "ToPortRange": 2, "SecurityGroupsMembers": members}
    client.CreateSecurityGroupRule(SecurityGroupId=group, Flow="Inbound", Rules=[rule])
vm = client.CreateVms(ImageId=official, SecurityGroupIds=groups, DeletionProtection=True)["Vms"][0]["VmId"]
while client.ReadVms(Filters={"VmIds": [vm]})["Vms"][0]["State"] != "running":
    time.sleep(0.1)
address = client.CreatePublicIp()["PublicIp"]["PublicIp"]
client.LinkPublicIp(VmId=vm, PublicIp=address)
zone = client.ReadSubregions()["Subregions"][0]["SubregionName"]
volume = client.CreateVolume(Size=1, SubregionName=zone)["Volume"]["VolumeId"]
while client.ReadVolumes(Filters={"VolumeIds": [volume]})["Volumes"][0]["State"] != "available":
    time.sleep(0.1)
client.CreateSnapshot(VolumeId=volume)
image = client.CreateImage(VmId=vm, ImageName="mine", NoReboot=True)["Image"]["ImageId"]
while client.ReadImages(Filters={"ImageIds": [image]})["Images"][0]["State"] != "available":
    time.sleep(0.1)
client.CreateImage(SourceImageId=image, SourceRegionName="souche-1", ImageName="copy")
"""
HAS = ("VMs (1)", "public IPs (1)", "images (2)", "volumes (2)", "key pairs (1)", "security groups (2)")


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Up]:
    (tmp_path / "region.toml").write_text(REGION)
    made = Up(tmp_path / "region.toml")
    made.environment["SOUCHE_HOME"] = str(tmp_path / "home")
    made.up()
    yield made
    background.end(Home(tmp_path / "home"), SECONDS)


def acts(region: Up, account: str, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a program as an account."""
    return runs(region, script, json.loads(region("env", account, "--json")))


def runs(
    region: Up, script: str, variables: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """Runs a program of Python's."""
    command = [sys.executable, "-c", script]
    environment = {**region.environment, **variables}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_an_account_goes_with_everything_that_it_has(region: Up, tmp_path: Path) -> None:
    """Also one that a deletion which was broken off has disabled."""
    made = json.loads(region("account", "show", "ci", "--json"))
    filled = acts(region, "ci", FILLS)
    assert filled.returncode == 0, filled.stderr
    region("account", "delete", "ci", "--yes", status=1)
    assert all(each in region.stderr for each in HAS), region.stderr

    old = json.loads(region("env", "ci", "--json"))
    region("account", "disable", "ci")
    region("account", "delete", "ci", "--with-everything", "--yes")
    assert "deleting VMs: 1 left" in region.stderr
    for noun in ("volume", "snapshot"):
        assert made["AccountId"] not in region(noun, "list")
    assert made["AccountId"] not in region("account", "list")
    region.environment |= old
    reads = "from osc_sdk_python import Gateway\nGateway().ReadVms()"
    assert "InvalidParameterValue" in runs(region, reads).stderr, "the key is unknown"
    again = json.loads(region("account", "create", "ci", "--json"))
    assert again["AccountId"] != made["AccountId"]
    assert made["AccountId"] in (tmp_path / "home/audit.jsonl").read_text()
