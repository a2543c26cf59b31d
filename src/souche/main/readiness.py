"""The checks of `/readyz`: each part of a region by its name, within milliseconds if it is well."""

import errno
import os
import socket
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from souche.compute.base import Hypervisor
from souche.db.store import Store
from souche.home import Home
from souche.objects.external import ExternalOos
from souche.objects.seaweedfs.embedded import EmbeddedOos

CONNECT_SECONDS: Final = 1.5

Checks: TypeAlias = Mapping[str, Callable[[], object]]


def of_server(home: Home, store: Store, compute: Hypervisor, oos: EmbeddedOos | ExternalOos | None) -> Checks:
    """The checks of a region's server, without one of a missing object store."""
    checks = {
        **of_records(store),
        "store": lambda: _check_disks(home),
        "hypervisor": compute.power_states,
    }
    if isinstance(oos, EmbeddedOos):
        checks["object store"] = oos.check
    elif oos is not None:
        checks["object store"] = lambda: _connect(oos.endpoint)
    return checks


def of_records(store: Store) -> dict[str, Callable[[], object]]:
    """The checks of a process that answers the API alone."""
    return {"database": store.ping}


def _check_disks(home: Home) -> None:
    """The disks' file system is mounted, belongs to this region, and is writable.

    Raises:
        OSError: it is not.
    """
    home.disks_region_id.read_bytes()
    if os.statvfs(home.disks).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(home.disks))


def _connect(endpoint: str) -> None:
    """Another service answers at its address.

    Raises:
        OSError: it does not.
    """
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS).close()
