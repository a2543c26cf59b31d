"""The metadata at http://169.254.169.254 (reference section 9): a tree of text, by IMDSv1's paths.

A guest is identified by its source address; nothing in a request can name another.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from souche.app import user_data
from souche.app.context.region import Region
from souche.db import tags, vms
from souche.model.tags import Tag
from souche.model.vms import Vm
from souche.workflows.guests import hostname

Tree: TypeAlias = Mapping[str, "Tree | bytes"]


class PublicKeys(dict[str, "Tree | bytes"]):
    """The folder of keys, which EC2 lists as `0=name`: cloud-init reads the number before the sign."""

    def __init__(self, keypair_name: str, public_key: str) -> None:
        super().__init__({"0": {"openssh-key": public_key.encode()}})
        self.keypair_name = keypair_name


# The versions that EC2 clients request by name. All have the same content.
VERSIONS: Final = (
    "1.0",
    "2007-01-19",
    "2008-02-01",
    "2009-04-04",
    "2011-01-01",
    "2014-02-25",
    "2016-09-02",
    "2018-09-24",
    "2021-03-23",
    "latest",
)


def answer(region: Region, source_ip: str, path: str) -> bytes | None:
    """The answer for a path to the guest at `source_ip`: a text, or the listing of a folder, whose subfolders end in
    "/" below meta-data. None if the path does not exist, or the source is no VM of the region."""
    with region.store.read() as connection:
        vm = vms.with_address(connection, source_ip)
        if vm is None:
            return None
        tagged = tags.of_resources(connection, [vm.vm_id]).get(vm.vm_id, ())
    version, _, rest = path.lstrip("/").partition("/")
    if version == "":
        return "\n".join(VERSIONS).encode()
    if version not in VERSIONS:
        return None
    tree = _tree(region, vm, tagged)
    return _find(tree, rest) if rest else "\n".join(tree).encode()


def _find(tree: Tree, path: str) -> bytes | None:
    """Walk down. The rest of a path may be a name with "/" in it, as tag keys may have it."""
    if path in ("", "/"):
        return _listing(tree)
    for name in (path, path.rstrip("/")):
        if name in tree:
            found = tree[name]
            return found if isinstance(found, bytes) else _listing(found)
    name, _, rest = path.partition("/")
    below = tree.get(name)
    return None if below is None or isinstance(below, bytes) else _find(below, rest)


def _listing(tree: Tree) -> bytes:
    if isinstance(tree, PublicKeys):
        return f"0={tree.keypair_name}".encode()
    names = filter(_is_one_line, tree)
    return "\n".join(name if isinstance(tree[name], bytes) else f"{name}/" for name in names).encode()


def _is_one_line(name: str) -> bool:
    """Whether cloud-init, which splits a listing into lines and strips them, would request this exact name. A tag's key
    that fails this is not listed, but has an answer."""
    return name.splitlines() == [name.strip()]


def _tree(region: Region, vm: Vm, tagged: tuple[Tag, ...]) -> Tree:
    tree: dict[str, Tree | bytes] = {"meta-data": _meta_data(region, vm, tagged)}
    if seen := user_data.for_guest(vm.user_data):
        tree["user-data"] = seen
    return tree


def _meta_data(region: Region, vm: Vm, tagged: tuple[Tag, ...]) -> Tree:
    name = f"{hostname(vm.private_ip)}.{region.name}.compute.internal".encode()
    address = vm.private_ip.encode()
    tree: dict[str, Tree | bytes] = {
        "ami-id": vm.image_id.encode(),
        "ami-launch-index": str(vm.launch_number).encode(),
        "block-device-mapping": _block_devices(vm),
        "hostname": name,
        "instance-id": vm.vm_id.encode(),
        "instance-type": vm.vm_type.encode(),
        "local-hostname": name,
        "local-ipv4": address,
        "mac": vm.mac_address.encode(),
        "network": {"interfaces": {"macs": {vm.mac_address: _interface(region, vm, name)}}},
        "placement": {
            "availability-zone": vm.subregion_name.encode(),
            "cluster": b"souche",
            "server": b"souche",
        },
        **_public(vm, "public-ipv4", name),
        "reservation-id": vm.reservation_id.encode(),
        "security-groups": _groups(vm),
        "tags": {tag.key: tag.value.encode() for tag in tagged},
    }
    if vm.public_key:
        tree["public-keys"] = PublicKeys(vm.keypair_name or "", vm.public_key)
    return tree


def _block_devices(vm: Vm) -> Tree:
    root = vm.root_device_name.encode()
    linked = [volume.link.device_name for volume in vm.volumes if volume.link]
    others = [device_name for device_name in linked if device_name != vm.root_device_name]
    return {"ami": root, "root": root} | {
        f"ebs{number}": device_name.encode() for number, device_name in enumerate(others, start=1)
    }


def _interface(region: Region, vm: Vm, name: bytes) -> Tree:
    address = vm.private_ip.encode()
    return {
        "device-number": b"0",
        "gateway-ipv4": region.network.gateway_ip.encode(),
        **({"ipv4-associations": {vm.public_ip: address}} if vm.public_ip else {}),
        "local-hostname": name,
        "local-ipv4s": address,
        "mac": vm.mac_address.encode(),
        "owner-id": vm.account_id.encode(),
        **_public(vm, "public-ipv4s", name),
        "security-group-ids": "\n".join(group.security_group_id for group in vm.security_groups).encode(),
        "security-groups": _groups(vm),
    }


def _public(vm: Vm, address_key: str, name: bytes) -> Tree:
    """The public name and address: those of the linked public IP, otherwise the private ones, unless user data hides
    them."""
    if vm.public_ip is None and user_data.of_vm(vm.user_data).private_only:
        return {}
    return {"public-hostname": name, address_key: (vm.public_ip or vm.private_ip).encode()}


def _groups(vm: Vm) -> bytes:
    return "\n".join(group.name for group in vm.security_groups).encode()
