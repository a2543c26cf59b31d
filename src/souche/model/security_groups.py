"""Security groups, which restrict connections to the VMs in them."""

from dataclasses import dataclass
from datetime import datetime

from souche import ids
from souche.model.firewall import Protocol

DEFAULT_NAME = "default"


@dataclass(frozen=True)
class Rule:
    """Allows one kind of traffic from one source: an IPv4 range, or the members of a group, by its id. Replies to the
    guest's own traffic are always allowed.

    For tcp and udp `from_port` and `to_port` are the range of ports; for icmp they are the type and the code, each of
    them `ANY` for all.
    """

    protocol: Protocol
    from_port: int
    to_port: int
    source: str

    @property
    def source_group(self) -> str | None:
        """The id of the group whose members are the source; None if the source is a range."""
        return self.source if self.source.startswith(f"{ids.SECURITY_GROUP}-") else None


@dataclass(frozen=True)
class SecurityGroup:
    """A security group outside of Nets: it only rules inbound traffic; everything may leave. `inbound` is in the order
    of creation."""

    security_group_id: str
    account_id: str
    name: str
    description: str
    creation_date: datetime
    inbound: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class GroupName:
    """A group as it is shown with a VM, and as a member in a rule."""

    security_group_id: str
    name: str
    account_id: str
