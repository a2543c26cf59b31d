"""CreatePublicIp, ReadPublicIps, LinkPublicIp, UnlinkPublicIp, DeletePublicIp, ReadPublicIpRanges."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from souche.api import tags
from souche.api.protocol import filters, pages
from souche.api.protocol.dispatch import Call
from souche.api.protocol.request_errors import NoSuchNic
from souche.app import public_ips
from souche.app.public_ips import Link
from souche.model.public_ips import PublicIp
from souche.model.query import Position
from souche.model.tags import Tag

Request: TypeAlias = Mapping[str, Any]


def create_public_ip(call: Call) -> Mapping[str, object]:
    """Get a public IP."""
    return {"PublicIp": view(public_ips.create(call.region, call.who), ())}


def read_public_ips(call: Call) -> Mapping[str, object]:
    """The caller's public IPs."""
    request = cast("Request", call.request)
    query = pages.query(request, filters.conditions("ReadPublicIps", request))
    found = public_ips.find(call.region, call.who, query)
    return {
        "PublicIps": [view(each, found.tags.get(each.public_ip_id, ())) for each in found.resources],
        **pages.following(found.resources, _position, more=found.more),
    }


def _position(public_ip: PublicIp) -> Position:
    return Position(public_ip.creation_date, public_ip.public_ip_id)


def link_public_ip(call: Call) -> Mapping[str, object]:
    """Link a public IP to a VM. There are no NICs here to link it to."""
    request = cast("Request", call.request)
    if request.get("NicId"):
        raise NoSuchNic(nic_id=request["NicId"])
    command = Link(
        vm_id=request.get("VmId") or None,
        public_ip=request.get("PublicIp") or None,
        public_ip_id=request.get("PublicIpId") or None,
        private_ip=request.get("PrivateIp") or None,
        allow_relink=request.get("AllowRelink", True),
    )
    return {"LinkPublicIpId": public_ips.link(call.region, call.who, command)}


def unlink_public_ip(call: Call) -> Mapping[str, object]:
    """Unlink a public IP from its VM."""
    public_ip, link_id = _named(call, "PublicIp", "LinkPublicIpId")
    public_ips.unlink(call.region, call.who, public_ip, link_id)
    return {}


def delete_public_ip(call: Call) -> Mapping[str, object]:
    """Release a public IP."""
    public_ip, public_ip_id = _named(call, "PublicIp", "PublicIpId")
    public_ips.delete(call.region, call.who, public_ip, public_ip_id)
    return {}


def _named(call: Call, *names: str) -> tuple[str | None, ...]:
    """Text parameters; an empty one counts as absent, as clients in Go send it."""
    return tuple(cast("str | None", call.request.get(name) or None) for name in names)


def read_public_ip_ranges(call: Call) -> Mapping[str, object]:
    """The region's range of public IPs; needs no credentials."""
    pages.query(call.request, ())
    return {"PublicIps": [call.region.public_range]}


def view(public_ip: PublicIp, tagged: Sequence[Tag]) -> dict[str, object]:
    """A public IP as the API shows it; the fields of a link only while there is one."""
    shown: dict[str, object] = {
        "PublicIp": public_ip.public_ip,
        "PublicIpId": public_ip.public_ip_id,
        "Tags": tags.resource_tags(tagged),
    }
    if link := public_ip.link:
        shown |= {"LinkPublicIpId": link.link_id, "PrivateIp": link.private_ip, "VmId": link.vm_id}
    return shown
