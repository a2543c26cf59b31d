"""Firewalls that something else has changed, or that a crash kept from following their records."""

from souche.db import vms
from souche.workflows import firewalls
from souche.workflows.parts import Parts


def settle(parts: Parts) -> None:
    """Let every guest let in what the records say."""
    with parts.store.read() as connection:
        known = vms.all_ids(connection)
    firewalls.follow_vms(parts, known)
