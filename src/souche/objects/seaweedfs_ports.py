"""Which ports a SeaweedFS has: chosen once, then kept, as its parts remember each other by them."""

import json
import socket
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from souche.objects.base import ObjectsFailed
from souche.objects.seaweedfs_argv import LOOPBACK, Ports

RANGE: Final = range(20_000, 32_000)
"""below those that the kernel gives to clients (ip_local_port_range begins at 32768)"""


def kept_ports(file: Path, first: int) -> Ports:
    """The ports in `file`; if there is none, free ones are chosen, looking from the `first` on (any number).

    Raises:
        ObjectsFailed: none are free.
    """
    if file.exists():
        return Ports(**json.loads(file.read_text()))
    free = _free(first)
    try:
        ports = Ports.of([next(free) for _ in fields(Ports)])
    except StopIteration as error:
        raise ObjectsFailed(reason=f"no free ports from {RANGE.start} to {RANGE.stop}") from error
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(ports)))
    temporary.replace(file)
    return ports


def _free(first: int) -> Iterator[int]:
    for number in range(len(RANGE)):
        port = RANGE[(first + number) % len(RANGE)]
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            yield port
