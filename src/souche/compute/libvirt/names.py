"""The names of a region's objects on the host. Two regions may share a machine, so every name contains the region's
tag. Identities are derived from names, so that a repeated step finds the objects of the first run.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid5

NAMESPACE = UUID("6d2c1f5e-52a1-4f5b-9d0e-736f75636865")
TAG_PATTERN = re.compile(r"[a-z0-9]{1,12}")  # interface names have at most 15 characters


def home_tag(home: Path) -> str:
    """A tag for the region in `home`: 8 hexadecimal digits."""
    return sha256(str(home.resolve()).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Names:
    """The names of the region with this tag (1 to 12 lower-case letters and digits)."""

    tag: str

    def __post_init__(self) -> None:
        if not TAG_PATTERN.fullmatch(self.tag):
            raise ValueError(f"a region's tag is 1 to 12 lower-case letters and digits, not {self.tag!r}")

    @property
    def network(self) -> str:
        return f"souche-{self.tag}"

    @property
    def bridge(self) -> str:
        return f"sou{self.tag}"

    @property
    def table(self) -> str:
        """The region's two tables of nftables, of the families ip and bridge."""
        return f"souche_{self.tag}"

    def port(self, vm_id: str) -> str:
        """The guest's interface in the bridge, as the host sees it. Souche chooses it, so that rules can name it before
        it exists. libvirt reserves the names `vnetN`."""
        return f"so{sha256(self.domain(vm_id).encode()).hexdigest()[:11]}"

    def domain(self, vm_id: str) -> str:
        return f"souche-{self.tag}-{vm_id}"

    def uuid(self, vm_id: str) -> UUID:
        """The domain's UUID, which the guest also sees as its SMBIOS UUID and serial number."""
        return uuid5(NAMESPACE, self.domain(vm_id))

    def vm_id(self, domain_name: str) -> str | None:
        """The VM of a domain; None for a domain of something else."""
        prefix = self.domain("")
        return domain_name.removeprefix(prefix) if domain_name.startswith(prefix) else None
