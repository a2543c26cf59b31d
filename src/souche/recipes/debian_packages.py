"""Names and versions of packages, as dpkg and apt print them."""

import re
from collections.abc import Mapping
from typing import Final

from souche.errors import SystemFailure

_PLANNED: Final = re.compile(
    r"^Inst (?P<name>[^\s:]+)(?::\S+)? (?:\[\S+\] )?\((?P<version>\S+)[ )]", re.MULTILINE
)
_INSTALLED: Final = "install ok installed"


class NoPlan(SystemFailure):
    """The simulation of mmdebstrap named no package to install."""


def installed(status: str) -> dict[str, str]:
    """The packages that are installed, with their versions; `status` is dpkg's own record (/var/lib/dpkg/status)."""
    found = {}
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.+)$", paragraph, re.MULTILINE))
        if fields.get("Status") == _INSTALLED:
            found[fields["Package"]] = fields["Version"]
    return found


def planned(log: str) -> Mapping[str, str]:
    """The packages that a simulated run of apt-get would install, with their versions.

    Raises:
        NoPlan: there is none.
    """
    found = {match["name"]: match["version"] for match in _PLANNED.finditer(log)}
    if not found:
        raise NoPlan
    return found
