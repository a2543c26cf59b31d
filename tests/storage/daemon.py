"""A real QEMU that writes to volumes: qemu-storage-daemon, with an NBD export a volume as the guest's
side."""

# ruff: noqa: ARG002  a test's side of a protocol need not use all that it is told

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import nbd

from souche import run
from souche.model.disks import DiskSource, FileSource, GuestHold


class Qmp:
    """Just enough of the QEMU Machine Protocol: one command at a time, events thrown away."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._lines.readline()
        self("qmp_capabilities")

    def __call__(self, command: str, **arguments: object) -> Any:
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        for line in self._lines:
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]
        raise RuntimeError("QEMU is gone")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


class Daemon:
    """`LiveDisks` over one daemon, which holds the volumes open from the start on. `nodes`: the source of
    each of its block nodes, by name."""

    def __init__(self, qmp: Qmp, nbd_socket: Path, nodes: Mapping[str, DiskSource]) -> None:
        self._qmp = qmp
        self._nbd_socket = nbd_socket
        self._nodes = dict(nodes)

    def open_disks(self, vm_id: str) -> Mapping[str, DiskSource]:
        return {each["id"]: self._nodes[each["node-name"]] for each in self._qmp("query-block-exports")}

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        nodes = {each["id"]: each["node-name"] for each in self._qmp("query-block-exports")}
        actions = []
        for volume_id, source in sources.items():
            node = f"node{len(self._nodes)}"
            self._nodes[node] = source
            self._qmp("blockdev-add", **_overlay(node, cast(FileSource, source).path))
            actions.append({"type": "blockdev-snapshot", "data": {"node": nodes[volume_id], "overlay": node}})
        self._qmp("transaction", actions=actions)
        return GuestHold(0.001, quiesced=True)

    def resize_disk(self, vm_id: str, volume_id: str, size_bytes: int) -> None:
        nodes = {each["id"]: each["node-name"] for each in self._qmp("query-block-exports")}
        self._qmp("block_resize", **{"node-name": nodes[volume_id], "size": size_bytes})

    def shorten_disks(self, vm_id: str, most_files: int) -> None:
        """Its chains stay short."""

    @contextmanager
    def disk(self, volume_id: str) -> Iterator[nbd.NBD]:
        """The guest's side of a volume."""
        client = nbd.NBD()
        client.connect_uri(f"nbd+unix:///{volume_id}?socket={self._nbd_socket}")
        yield client
        client.shutdown()


@contextmanager
def daemon(directory: Path, sources: Mapping[str, FileSource]) -> Iterator[Daemon]:
    """Run a daemon on volumes; when the context ends it ends too, and closes its files."""
    qmp_socket, nbd_socket, pid_file = directory / "qmp", directory / "nbd", directory / "pid"
    run.run(
        [
            *("qemu-storage-daemon", "--daemonize", "--pidfile", pid_file),
            *("--chardev", f"socket,id=c,path={qmp_socket},server=on,wait=off", "--monitor", "chardev=c"),
            *("--nbd-server", f"addr.type=unix,addr.path={nbd_socket},max-connections=0"),
            *(part for volume_id, source in sources.items() for part in _export(volume_id, source.path)),
        ],
        timeout_seconds=30,
    )
    qmp = Qmp(qmp_socket)
    try:
        yield Daemon(qmp, nbd_socket, sources)
    finally:
        qmp("quit")
        for _ in qmp._lines:
            pass
        qmp.close()


def _export(volume_id: str, path: Path) -> list[str]:
    node = f"driver=qcow2,node-name={volume_id},file.driver=file,file.filename={path}"
    export = f"type=nbd,id={volume_id},node-name={volume_id},name={volume_id},writable=on"
    return ["--blockdev", node, "--export", export]


def _overlay(node: str, path: Path) -> dict[str, object]:
    file = {"driver": "file", "filename": str(path)}
    return {"driver": "qcow2", "node-name": node, "backing": None, "file": file}
