"""The ports of a SeaweedFS: chosen once, then kept. Nothing stored depends on them."""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

import structlog

from souche.objects.base import ObjectsFailed
from souche.objects.seaweedfs.argv import LOOPBACK, Ports

RANGE: Final = range(20_000, 32_000)
"""below the kernel's ports for clients (ip_local_port_range begins at 32768)"""

log = structlog.get_logger()


def kept_ports(file: Path, first: int) -> Ports:
    """The ports in `file`. If the file is missing or damaged, chooses free ports, searching from `first` (any number)
    on.

    Raises:
        ObjectsFailed: none are free.
    """
    known = _read(file)
    if known is not None:
        return known
    free = _free(first)
    try:
        ports = Ports.of([next(free) for _ in fields(Ports)])
    except StopIteration as error:
        raise ObjectsFailed(reason=f"no free ports from {RANGE.start} to {RANGE.stop}") from error
    temporary = file.with_suffix(".new")
    with temporary.open("w") as draft:
        draft.write(json.dumps(asdict(ports)))
        draft.flush()
        os.fsync(draft.fileno())
    temporary.replace(file)
    return ports


def _read(file: Path) -> Ports | None:
    """The ports in a file; None if it is missing or damaged."""
    try:
        known: dict[str, int] = json.loads(file.read_text())
        if all(type(number) is int and 0 < number < 1 << 16 for number in known.values()):
            return Ports(**known)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError):
        pass  # logged below
    log.warning(
        "the object store's ports.json is damaged or an earlier one, other ports are chosen", file=str(file)
    )
    return None


def _free(first: int) -> Iterator[int]:
    for number in range(len(RANGE)):
        port = RANGE[(first + number) % len(RANGE)]
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            yield port
