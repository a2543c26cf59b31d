"""Public IPs."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class PublicIpLink:
    """The VM that a public IP leads to, by the VM's private address."""

    link_id: str
    vm_id: str
    private_ip: str


@dataclass(frozen=True)
class PublicIp:
    """An address of the region's public range that an account holds until it releases it."""

    public_ip_id: str
    account_id: str
    public_ip: str
    creation_date: datetime
    link: PublicIpLink | None = None
