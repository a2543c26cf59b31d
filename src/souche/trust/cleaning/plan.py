"""All changes to the system of an image."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final

from souche.refusals import CannotClean
from souche.trust.cleaning import accounts, cloud_config, identity, secrets
from souche.trust.cleaning.changes import CleaningRule, deed
from souche.trust.disks.layout import FoundFileSystem, Layout
from souche.trust.disks.tree import Tree
from souche.trust.engine import Facts
from souche.trust.examination import data_of, is_linux, is_windows, mounts_of, without_mounts
from souche.trust.linux import release
from souche.trust.linux.data import Data
from souche.trust.linux.system import System

Part = Callable[[System], Iterable[CleaningRule]]

EXPOSED: Final[Sequence[Part]] = (
    accounts.authorized_keys,
    accounts.passwords,
    cloud_config.secrets,
    secrets.host_keys,
    secrets.private_keys,
    secrets.credentials,
    secrets.histories,
)
"""These also remove files below mount points and on data disks, because the report searches there
(`examination.EXPOSED`)."""
PARTS: Final[Sequence[Part]] = (
    *EXPOSED,
    identity.machine_id,
    identity.cloud_init_data,
    identity.addresses,
    identity.logs,
)


def systems(layout: Layout, facts: Facts) -> list[System]:
    """The Linux systems of the disks, all of which are cleaned.

    Raises:
        CannotClean: there is none, or there is a Windows.
    """
    if any(map(is_windows, layout.found)):
        raise CannotClean(reason="it is a Windows; run sysprep in it, and make the image then")
    roots = [found for found in layout.found if is_linux(found)]
    if not roots:
        why = "; ".join(f"{place.name}: {error.reason}" for place, error in layout.unread[:8])
        found = f"what is in it cannot be read ({why})" if why else "no Linux system was found in it"
        raise CannotClean(reason=found)
    return [_system(layout, root, facts) for root in roots]


def _system(layout: Layout, root: FoundFileSystem, facts: Facts) -> System:
    return System(Tree(mounts_of(layout, root)), layout, facts.boot_modes, facts.today)


def data(layout: Layout, facts: Facts) -> list[System]:
    """The file systems that no system mounts."""
    return [Data(Tree({"/": found}), layout, facts.boot_modes, facts.today) for found in data_of(layout)]


def name_of(system: System) -> str:
    """The system's name for itself."""
    return release.name_of(system)


def deeds(system: System) -> list[CleaningRule]:
    """All changes of a system or data disk, and the parts that do not change, including unreadable ones."""
    parts = EXPOSED if isinstance(system, Data) else PARTS
    planned = [each for part in parts for each in part(system)]
    bare = without_mounts(system)
    if bare is not None:
        known = set(map(_key, planned))
        planned += [each for part in EXPOSED for each in part(bare) if _key(each) not in known]
    left = "This was left as it is: it cannot be read, or there is too much of it."
    return planned + [deed("unreadable", path, left) for path in system.tree.unread]


def _key(each: CleaningRule) -> Hashable:
    """Equal for the same change of the same files: each lookup makes another entry of a file."""
    return each.done, tuple(
        (change.how, change.node.path, change.node.found.place) for change in each.changes
    )


def unread(layout: Layout) -> list[CleaningRule]:
    """Unreadable parts, which cannot be changed."""
    return [
        deed("unreadable", place.name, f"This was left as it is: {error.reason}.")
        for place, error in layout.unread
    ]
