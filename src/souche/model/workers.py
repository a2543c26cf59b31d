"""Processes that run operations."""

import socket
from dataclasses import dataclass
from uuid import uuid4


@dataclass(frozen=True)
class Worker:
    """One start of a process that runs operations, on a machine (`node`). A restarted process is another worker, and so
    is one that runs from a copy of the home."""

    worker_id: str
    node: str


def new_worker() -> Worker:
    """This process."""
    return Worker(str(uuid4()), socket.gethostname()[:64])
