"""The fast engine keeps the contract, from inside a sandbox that has nothing else."""

import os
import socket
from pathlib import Path

import pytest

from souche import run, sandbox
from souche.errors import ProgramFailed
from souche.sandbox import Bind, Limits
from souche.trust.sandboxed import SandboxedEngine, argv
from tests.trust.contract import FACTS, EngineContract, served

SMALL = Limits(memory_bytes=256 << 20, cpu_seconds=5, file_bytes=1 << 20)


class TestSandboxedEngine(EngineContract):
    engine = SandboxedEngine()

    def test_a_disk_of_noise_is_unreadable(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.write_bytes(os.urandom(1 << 20))
        with served(disk, tmp_path / "nbd") as uri:
            made = self.engine.examine([uri], FACTS)
        assert "unreadable" in [each.code for each in made.findings]

    def test_a_server_that_goes_away_ends_in_a_report(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "nbd"))
            made = self.engine.examine([f"nbd+unix:///?socket={tmp_path}/nbd"], FACTS)
        assert [each.code for each in made.findings] == ["unreadable"]
        assert str(tmp_path) not in repr(made)


def test_the_command_shows_the_code_the_libraries_and_the_disks(tmp_path: Path) -> None:
    command = argv([f"nbd+unix:///?socket={tmp_path}/nbd"], FACTS)
    bound = [command[at + 1] for at, word in enumerate(command) if word in ("--ro-bind", "--bind")]
    assert str(tmp_path / "nbd") in bound
    assert not {"/", "/etc", "/home", "/root", "/var"} & set(bound)
    assert "--bind" not in command
    assert command[command.index("--cap-drop") + 1] == "ALL"


def inside(code: str, *binds: Bind, limits: Limits = SMALL) -> str:
    program, more = sandbox.interpreter()
    command = sandbox.argv([program, "-I", "-S", "-c", code], [*more, *binds], limits)
    return run.run(command, timeout_seconds=20).decode()


def test_the_sandbox_has_no_rights_no_network_and_no_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("given")
    code = """
import os, socket
print(os.getuid(), os.getgid(), open("/given/file").read(), sorted(os.listdir("/etc")))
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")])
print([line.split(":")[0].strip() for line in open("/proc/net/dev").read().splitlines()[2:]])
for path in ("/given/new", "/new", "/usr/new"):
    try:
        open(path, "w")
    except OSError:
        print("refused")
"""
    said = inside(code, Bind(tmp_path, "/given")).splitlines()
    assert said[0].startswith("65534 65534 given")
    assert "shadow" not in said[0]
    assert said[1:] == ["['0000000000000000']", "['lo']", "refused", "refused", "refused"]


def test_the_sandbox_bounds_memory_and_time() -> None:
    with pytest.raises(ProgramFailed, match="MemoryError"):
        inside("bytearray(1 << 30)")
    with pytest.raises(ProgramFailed):
        inside("while True: pass", limits=Limits(256 << 20, 1))
