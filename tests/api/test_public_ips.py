"""CreatePublicIp, ReadPublicIps, LinkPublicIp, UnlinkPublicIp, DeletePublicIp, and the VMs that they lead to."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from souche.app import metadata, quotas
from souche.app.context.region import Region
from souche.model.accounts import Account, Principal
from souche.operations.firewalls import ApplyPublicIps
from souche.states import VmState
from tests.support.client import Client, absent, conflict, missing, parameter, state, value
from tests.support.region import START, RecordedWorkflows
from tests.support.resources import make_image, make_public_ip, make_vm


def made(client: Client) -> dict[str, Any]:
    public_ip: dict[str, Any] = client("CreatePublicIp")["PublicIp"]
    return public_ip


def read(client: Client, **filters: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client("ReadPublicIps", Filters=filters)["PublicIps"]
    return found


def shown(client: Client, vm_id: str) -> dict[str, Any]:
    (vm,) = client("ReadVms", Filters={"VmIds": [vm_id]})["Vms"]
    return dict(vm)


def test_a_public_ip_is_of_the_regions_range_and_leads_nowhere(client: Client) -> None:
    public_ip = made(client)
    assert public_ip == {"PublicIp": "198.19.0.1", "PublicIpId": public_ip["PublicIpId"], "Tags": []}
    assert public_ip["PublicIpId"].startswith("eipalloc-")
    assert read(client) == [public_ip]
    assert client("ReadPublicIpRanges") == {"PublicIps": ["198.19.0.0/24"]}


def test_a_linked_public_ip_is_that_of_its_vm(client: Client, alice: Principal) -> None:
    vm = make_vm(client.region, alice)
    public_ip = made(client)
    link_id = client("LinkPublicIp", PublicIp=public_ip["PublicIp"], VmId=vm.vm_id)["LinkPublicIpId"]
    assert link_id.startswith("eipassoc-")
    assert read(client) == [
        {**public_ip, "LinkPublicIpId": link_id, "VmId": vm.vm_id, "PrivateIp": vm.private_ip}
    ]
    seen = shown(client, vm.vm_id)
    assert (seen["PublicIp"], seen["PublicDnsName"]) == (public_ip["PublicIp"], public_ip["PublicIp"])
    assert seen["PrivateIp"] == vm.private_ip
    client("UnlinkPublicIp", LinkPublicIpId=link_id)
    assert read(client) == [public_ip]
    assert shown(client, vm.vm_id)["PublicIp"] == vm.private_ip


def test_the_metadata_have_the_linked_public_ip(client: Client, alice: Principal) -> None:
    vm = make_vm(client.region, alice)

    def told(path: str) -> bytes | None:
        return metadata.answer(client.region, vm.private_ip, f"/latest/meta-data/{path}")

    interface = f"network/interfaces/macs/{vm.mac_address}"
    assert told(f"{interface}/ipv4-associations/") is None
    public_ip = made(client)["PublicIp"]
    client("LinkPublicIp", PublicIp=public_ip, VmId=vm.vm_id)
    assert told("public-ipv4") == public_ip.encode()
    assert told(f"{interface}/public-ipv4s") == public_ip.encode()
    assert told(f"{interface}/ipv4-associations/{public_ip}") == vm.private_ip.encode()
    assert told("local-ipv4") == vm.private_ip.encode()
    client("UnlinkPublicIp", PublicIp=public_ip)
    assert told("public-ipv4") == vm.private_ip.encode()


def test_vms_are_found_by_the_public_ip_that_they_show(client: Client, alice: Principal) -> None:
    linked, plain = make_vm(client.region, alice), make_vm(client.region, alice)
    make_public_ip(client.region, alice, "198.19.0.7", linked)
    for address, expected in (
        ("198.19.0.7", [linked.vm_id]),
        (plain.private_ip, [plain.vm_id]),
        (linked.private_ip, []),
    ):
        found = client("ReadVms", Filters={"PublicIps": [address]})["Vms"]
        assert [vm["VmId"] for vm in found] == expected


def test_public_ips_are_found_by_every_filter(client: Client, alice: Principal) -> None:
    vm = make_vm(client.region, alice)
    free, linked = made(client), made(client)
    link_id = client("LinkPublicIp", PublicIpId=linked["PublicIpId"], VmId=vm.vm_id)["LinkPublicIpId"]
    client("CreateTags", ResourceIds=[linked["PublicIpId"]], Tags=[{"Key": "k", "Value": "v"}])
    for filters in (
        {"LinkPublicIpIds": [link_id]},
        {"PrivateIps": [vm.private_ip]},
        {"PublicIpIds": [linked["PublicIpId"]]},
        {"PublicIps": [linked["PublicIp"]]},
        {"TagKeys": ["k"]},
        {"TagValues": ["v"]},
        {"Tags": ["k=v"]},
        {"VmIds": [vm.vm_id]},
    ):
        assert [each["PublicIp"] for each in read(client, **filters)] == [linked["PublicIp"]]
    assert read(client, NicIds=["eni-12345678"]) == read(client, NicAccountIds=[alice.account_id]) == []
    assert len(read(client, Placements=["standard"])) == 2
    assert read(client, Placements=["vpc"]) == []
    page = client("ReadPublicIps", ResultsPerPage=1)
    rest = client("ReadPublicIps", NextPageToken=page["NextPageToken"])
    assert {each["PublicIp"] for each in page["PublicIps"] + rest["PublicIps"]} == {
        free["PublicIp"],
        linked["PublicIp"],
    }


def test_tags_of_a_public_ip_go_with_it(client: Client) -> None:
    public_ip_id = made(client)["PublicIpId"]
    client("CreateTags", ResourceIds=[public_ip_id], Tags=[{"Key": "k", "Value": "v"}])
    (tag,) = client("ReadTags")["Tags"]
    assert (tag["ResourceType"], tag["ResourceId"]) == ("public-ip", public_ip_id)
    client("DeletePublicIp", PublicIpId=public_ip_id)
    assert client("ReadTags")["Tags"] == read(client) == []


def test_a_linked_public_ip_is_not_deleted(client: Client, alice: Principal) -> None:
    vm = make_vm(client.region, alice)
    linked = make_public_ip(client.region, alice, "198.19.0.7", vm)
    for named in ({"PublicIp": linked.public_ip}, {"PublicIpId": linked.public_ip_id}):
        refusal = client.refusal("DeletePublicIp", **named)
        assert refusal.row == conflict(9029)
        assert vm.vm_id in refusal.details
    client("UnlinkPublicIp", PublicIp=linked.public_ip)
    client("DeletePublicIp", PublicIp=linked.public_ip)
    assert read(client) == []


def test_a_link_moves_unless_that_is_forbidden(client: Client, alice: Principal) -> None:
    first, second = make_vm(client.region, alice), make_vm(client.region, alice)
    named = {"PublicIp": make_public_ip(client.region, alice, "198.19.0.7", first).public_ip}
    assert client.refusal("LinkPublicIp", VmId=second.vm_id, AllowRelink=False, **named).row == conflict(9029)
    assert shown(client, first.vm_id)["PublicIp"] == named["PublicIp"]
    client("LinkPublicIp", VmId=second.vm_id, **named)
    assert shown(client, first.vm_id)["PublicIp"] == first.private_ip
    assert shown(client, second.vm_id)["PublicIp"] == named["PublicIp"]
    workflows = client.region.workflows
    assert isinstance(workflows, RecordedWorkflows)
    assert workflows.started[-1].params == ApplyPublicIps((first.vm_id, second.vm_id))


def test_to_link_again_to_the_same_vm_changes_nothing(client: Client, alice: Principal) -> None:
    vm = make_vm(client.region, alice)
    linked = make_public_ip(client.region, alice, "198.19.0.7", vm)
    assert linked.link is not None
    for allowed in (True, False):
        told = client("LinkPublicIp", PublicIp=linked.public_ip, VmId=vm.vm_id, AllowRelink=allowed)
        assert told == {"LinkPublicIpId": linked.link.link_id}


def test_another_public_ip_takes_the_place_of_the_first(client: Client, alice: Principal) -> None:
    vm = make_vm(client.region, alice)
    first = make_public_ip(client.region, alice, "198.19.0.7", vm)
    client("LinkPublicIp", PublicIp=made(client)["PublicIp"], VmId=vm.vm_id)
    assert read(client, VmIds=[vm.vm_id])[0]["PublicIp"] == "198.19.0.1"
    assert "VmId" not in read(client, PublicIpIds=[first.public_ip_id])[0]


@pytest.mark.parametrize(
    ("action", "request_", "expected"),
    [
        ("LinkPublicIp", {"PublicIp": "198.19.0.7"}, missing(7007)),
        ("LinkPublicIp", {"VmId": "<vm>"}, missing(7007)),
        ("LinkPublicIp", {"VmId": "<vm>", "PublicIp": "198.19.0.7", "PublicIpId": "<id>"}, parameter(3002)),
        ("LinkPublicIp", {"VmId": "<vm>", "PublicIp": "198.19.0.9"}, absent(5025)),
        ("LinkPublicIp", {"VmId": "<vm>", "PublicIp": "here"}, value(4047)),
        ("LinkPublicIp", {"VmId": "<vm>", "PublicIp": "198.19.0.7", "PrivateIp": "10.0.0.9"}, value(4047)),
        ("LinkPublicIp", {"NicId": "eni-12345678", "PublicIp": "198.19.0.7"}, absent(5036)),
        ("LinkPublicIp", {"VmId": "i-00000000", "PublicIp": "198.19.0.7"}, absent(5063)),
        ("UnlinkPublicIp", {}, missing(7007)),
        ("UnlinkPublicIp", {"PublicIp": "198.19.0.7", "LinkPublicIpId": "eipassoc-1"}, parameter(3002)),
        ("UnlinkPublicIp", {"PublicIp": "198.19.0.7"}, absent(5026)),
        ("UnlinkPublicIp", {"PublicIp": "198.19.0.9"}, absent(5025)),
        ("UnlinkPublicIp", {"LinkPublicIpId": "eipassoc-12345678"}, absent(5026)),
        ("DeletePublicIp", {}, missing(7007)),
        ("DeletePublicIp", {"PublicIp": "123"}, value(4047)),
        ("DeletePublicIp", {"PublicIpId": "tata"}, absent(5025)),
        ("DeletePublicIp", {"PublicIp": "198.19.0.9"}, absent(5025)),
        ("DeletePublicIp", {"PublicIp": "198.19.0.7", "PublicIpId": "<id>"}, parameter(3002)),
    ],
)
def test_a_request_that_names_nothing_or_too_much_is_refused(
    client: Client, alice: Principal, action: str, request_: dict[str, object], expected: tuple[int, str, str]
) -> None:
    """As OUTSCALE's own tests of the real service have it."""
    known = {"<vm>": make_vm(client.region, alice).vm_id}
    known["<id>"] = make_public_ip(client.region, alice, "198.19.0.7").public_ip_id
    filled = {name: known.get(str(each), each) for name, each in request_.items()}
    assert client.refusal(action, **filled).row == expected


def test_an_empty_parameter_is_absent(client: Client, alice: Principal) -> None:
    vm, public_ip = make_vm(client.region, alice), made(client)
    client("LinkPublicIp", VmId=vm.vm_id, NicId="", PublicIp="", PublicIpId=public_ip["PublicIpId"])
    client("UnlinkPublicIp", PublicIp=public_ip["PublicIp"], LinkPublicIpId="")
    client("DeletePublicIp", PublicIp=public_ip["PublicIp"], PublicIpId="")


@pytest.mark.parametrize("vm_state", [VmState.SHUTTING_DOWN, VmState.TERMINATED, VmState.STOPPING])
def test_a_vm_that_goes_gets_no_public_ip(client: Client, alice: Principal, vm_state: VmState) -> None:
    vm = make_vm(client.region, alice, vm_state)
    refusal = client.refusal("LinkPublicIp", VmId=vm.vm_id, PublicIp=made(client)["PublicIp"])
    assert refusal.row == state(6003)


@pytest.mark.parametrize("vm_state", [VmState.PENDING, VmState.RUNNING, VmState.STOPPED])
def test_any_other_vm_gets_one(client: Client, alice: Principal, vm_state: VmState) -> None:
    vm, public_ip = make_vm(client.region, alice, vm_state), made(client)["PublicIp"]
    client("LinkPublicIp", VmId=vm.vm_id, PublicIp=public_ip)
    assert shown(client, vm.vm_id)["PublicIp"] == public_ip


def test_there_is_a_quota_of_public_ips(client: Client, alice: Principal) -> None:
    quotas.set_limit(client.region, Account(alice.account_id, "alice", None, START), "eip_limit", 2)
    first, _ = made(client), made(client)
    assert client.refusal("CreatePublicIp").row == (400, "TooManyResources (QuotaExceeded)", "10011")
    (kind,) = client("ReadQuotas", Filters={"QuotaNames": ["eip_limit"]})["QuotaTypes"]
    assert [(each["MaxValue"], each["UsedValue"]) for each in kind["Quotas"]] == [(2, 2)]
    client("DeletePublicIp", PublicIp=first["PublicIp"])
    assert made(client)["PublicIp"] == first["PublicIp"]


def test_a_range_that_is_used_up_gives_no_more(client: Client, other: Client) -> None:
    small = Client(replace(client.region, public_range="198.19.0.0/30"), client.who)
    assert [made(small)["PublicIp"] for _ in range(2)] == ["198.19.0.1", "198.19.0.2"]
    refusal = Client(small.region, other.who).refusal("CreatePublicIp")
    assert refusal.row == (409, "TooManyResources (QuotaExceeded)", "10001")


def test_the_tag_auto_attach_links_a_free_public_ip_at_each_start(client: Client, alice: Principal) -> None:
    public_ip = made(client)["PublicIp"]
    vm = make_vm(client.region, alice, VmState.STOPPED)
    tag = {"Key": "osc.fcu.eip.auto-attach", "Value": public_ip}
    client("CreateTags", ResourceIds=[vm.vm_id], Tags=[tag])
    assert shown(client, vm.vm_id)["PublicIp"] == vm.private_ip
    client("StartVms", VmIds=[vm.vm_id])
    assert shown(client, vm.vm_id)["PublicIp"] == public_ip


def test_user_data_can_have_a_launch_linked_to_a_public_ip(client: Client, alice: Principal) -> None:
    public_ip = made(client)["PublicIp"]
    section = f"-----BEGIN OUTSCALE SECTION-----\ntags.osc.fcu.eip.auto-attach={public_ip}\n"
    data = base64.b64encode(f"{section}-----END OUTSCALE SECTION-----".encode()).decode()
    image_id = make_image(client.region, alice).image_id
    launched = client("CreateVms", ImageId=image_id, UserData=data, MaxVmsCount=2)["Vms"]
    assert [vm["PublicIp"] for vm in launched] == [public_ip, launched[1]["PrivateIp"]]
    assert shown(client, launched[0]["VmId"])["PublicIp"] == public_ip


def test_a_tag_takes_no_public_ip_from_another_vm_or_account(
    client: Client, other: Client, alice: Principal
) -> None:
    linked = make_vm(client.region, alice)
    make_public_ip(client.region, alice, "198.19.0.7", linked)
    for caller in (client, other):
        vm = make_vm(client.region, caller.who, VmState.STOPPED)
        tag = {"Key": "osc.fcu.eip.auto-attach", "Value": "198.19.0.7"}
        caller("CreateTags", ResourceIds=[vm.vm_id], Tags=[tag])
        caller("StartVms", VmIds=[vm.vm_id])
        assert shown(caller, vm.vm_id)["PublicIp"] == vm.private_ip
    assert shown(client, linked.vm_id)["PublicIp"] == "198.19.0.7"


def test_a_private_only_vm_shows_the_public_ip_that_is_linked(client: Client, alice: Principal) -> None:
    data = b"-----BEGIN OUTSCALE SECTION-----\nprivate_only=true\n-----END OUTSCALE SECTION-----"
    vm = make_vm(client.region, alice, user_data=data)
    assert "PublicIp" not in shown(client, vm.vm_id)
    make_public_ip(client.region, alice, "198.19.0.7", vm)
    assert shown(client, vm.vm_id)["PublicIp"] == "198.19.0.7"


def test_the_public_ips_of_others_are_not_shown(client: Client, other: Client, region: Region) -> None:
    public_ip = made(client)["PublicIp"]
    assert read(other) == read(other, PublicIps=[public_ip]) == []
