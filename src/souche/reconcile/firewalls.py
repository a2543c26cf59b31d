"""Repairs firewalls that something else has changed, or that a crash left out of date."""

from souche.workflows import firewalls
from souche.workflows.parts import Parts


def settle(parts: Parts) -> None:
    """Make every guest's firewall match the records."""
    firewalls.follow_all(parts)
