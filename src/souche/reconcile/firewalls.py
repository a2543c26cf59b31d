"""Firewalls that something else has changed, or that a crash kept from following their records."""

from souche.workflows import firewalls
from souche.workflows.parts import Parts


def settle(parts: Parts) -> None:
    """Have every guest let in what the records say."""
    firewalls.follow_all(parts)
