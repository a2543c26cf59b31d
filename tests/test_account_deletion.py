"""`souche account delete`, with what the account has, where the server runs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from souche.cli import background
from souche.cli.server import Server
from souche.home import Home
from tests.objects.server import ALICE, BOB, OPERATOR, seaweedfs, store_of
from tests.test_up import REGION, SECONDS, SOUCHE, Up

ROOT = Path(__file__).parent.parent
FILLS = """
from osc_sdk_python import Gateway
from tests.support.polling import eventually
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
eventually(lambda: client.ReadVms(Filters={"VmIds": [vm]})["Vms"][0]["State"] == "running")
address = client.CreatePublicIp()["PublicIp"]["PublicIp"]
client.LinkPublicIp(VmId=vm, PublicIp=address)
zone = client.ReadSubregions()["Subregions"][0]["SubregionName"]
volume = client.CreateVolume(Size=1, SubregionName=zone)["Volume"]["VolumeId"]
eventually(lambda: client.ReadVolumes(Filters={"VolumeIds": [volume]})["Volumes"][0]["State"] == "available")
client.CreateSnapshot(VolumeId=volume)
image = client.CreateImage(VmId=vm, ImageName="mine", NoReboot=True)["Image"]["ImageId"]
eventually(lambda: client.ReadImages(Filters={"ImageIds": [image]})["Images"][0]["State"] == "available")
client.CreateImage(SourceImageId=image, SourceRegionName="souche-1", ImageName="copy")
"""
STORES = """
import boto3, os
from concurrent.futures import ThreadPoolExecutor
from tests.support.polling import eventually
client = boto3.client("s3")
def opens(name):  # the object store learns of a new key within a second
    try:
        return client.list_objects_v2(Bucket=name)
    except client.exceptions.ClientError:
        return None
own, many = os.environ["OWN"].split(), int(os.environ["MANY"])
for name in own:
    client.create_bucket(Bucket=name)
    eventually(lambda: opens(name))
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    client.create_multipart_upload(Bucket=name, Key="unfinished")
    for _version in range(2):
        client.put_object(Bucket=name, Key="object", Body=b"x")
    client.delete_object(Bucket=name, Key="object")
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda number: client.put_object(Bucket=own[-1], Key=f"n/{number}", Body=b""), range(many)))
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


@pytest.fixture
def storing(region: Up, tmp_path: Path) -> Up:
    """A region with an object store, in which another account has a bucket."""
    region("down", str(region.file))
    region.file.write_text(REGION.replace('oos_listen = ""', 'oos_listen = "127.0.0.1:0"'))
    region.up()
    region("account", "create", "other")
    stored = acts(region, "other", STORES, OWN="others", MANY="3")
    assert stored.returncode == 0, stored.stderr
    return region


def acts(region: Up, account: str, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a program as an account."""
    return runs(region, script, json.loads(region("env", account, "--json")) | variables)


def runs(
    region: Up, script: str, variables: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """Runs a program of Python's, which may import from `tests`."""
    command = [sys.executable, "-c", script]
    environment = {**region.environment, **variables}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
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


def test_a_deletion_during_which_the_server_is_killed_is_finished_by_another(
    storing: Up, tmp_path: Path
) -> None:
    """The server is killed between two buckets."""
    stored = acts(storing, "ci", STORES, OWN="first second", MANY="1200")
    assert stored.returncode == 0, stored.stderr
    server = Server(Home(tmp_path / "home").operator).process()
    assert server is not None
    command = [SOUCHE, "account", "delete", "ci", "--with-everything", "--yes"]
    with subprocess.Popen(command, env=storing.environment, stderr=subprocess.PIPE, text=True) as deleting:
        assert deleting.stderr is not None
        for line in deleting.stderr:
            if "deleting buckets: 1 left" in line:
                os.kill(server, signal.SIGKILL)
        assert deleting.wait(SECONDS) != 0
    storing.up()
    left = storing("bucket", "list")
    assert "first" not in left
    assert "second" in left
    storing("account", "delete", "ci", "--with-everything", "--yes")
    assert "deleting buckets: 1 left (" in storing.stderr
    left = storing("bucket", "list")
    assert "second" not in left
    assert "others" in left
    reads = "import boto3\nprint(boto3.client('s3').list_object_versions(Bucket='others')['Versions'])"
    assert acts(storing, "other", reads).stdout.count("'VersionId'") == 5


def test_buckets_of_an_external_store_go_as_far_as_the_regions_key_can(region: Up, tmp_path: Path) -> None:
    """The region has the key of an account there, which has one of the two buckets."""
    region("down", str(region.file))
    (tmp_path / "key").write_text(f"{ALICE.access_key_id}\n{ALICE.secret_key}\n")
    (tmp_path / "key").chmod(0o600)
    with seaweedfs(tmp_path / "external") as service:
        for name, key in (("alices", ALICE), ("bobs", BOB)):
            service.accounts.ensure_bucket(name, key.account_id)
            store_of(service, key).put(name, "key", b"x", metadata={})
        external = (
            f'oos_listen = ""\noos_endpoint = "{service.endpoint}"\noos_key_file = "{tmp_path / "key"}"'
        )
        region.file.write_text(REGION.replace('oos_listen = ""', external))
        region.up()
        for name in ("alices", "bobs"):
            region("bucket", "create", name, "--account", "ci")
        region("account", "delete", "ci", "--with-everything", "--yes", status=1)
        assert "The bucket bobs cannot be deleted" in region.stderr.replace("\n", " ")
        assert "disabled" in region("account", "list")
        assert (service.accounts.owner("alices"), service.accounts.owner("bobs")) == (None, BOB.account_id)
        (tmp_path / "key").write_text("\n".join(OPERATOR))
        region("down", str(region.file))
        region.up()
        region("account", "delete", "ci", "--with-everything", "--yes")
        assert service.accounts.owner("bobs") is None
        region("down", str(region.file))
