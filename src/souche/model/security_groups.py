"""Security groups: who may begin to talk to the VMs that are in them."""

from dataclasses import dataclass
from datetime import datetime

from souche.model.firewall import Protocol

DEFAULT_NAME = "default"


@dataclass(frozen=True)
class Rule:
    """Lets in one kind of traffic from one source. `source` is an IPv4 range, or the id of a group whose members are
    meant. Ports are as in `model.firewall.Passage`."""

    protocol: Protocol
    from_port: int
    to_port: int
    source: str


@dataclass(frozen=True)
class SecurityGroup:
    """A security group outside of Nets: only inbound traffic is ruled, everything may go out. `inbound` is in the
    order of creation."""

    security_group_id: str
    account_id: str
    name: str
    description: str
    creation_date: datetime
    inbound: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class GroupName:
    """A group as it is shown beside a VM, and as a member in a rule."""

    security_group_id: str
    name: str
    account_id: str
