"""A PostgreSQL server for the tests of one process: Debian's, in a temporary folder, on a Unix socket only."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.support.polling import eventually

PROGRAMS = Path("/usr/lib/postgresql")
ROOT = 0
START_SECONDS = 120  # for busy machines
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # no test simulates a power failure
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "max_connections": "300",
    "max_wal_size": "256MB",
}


@dataclass(frozen=True)
class Server:
    """A running server. `folder` has its socket and its log."""

    folder: Path

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def connect(self, database: str) -> psycopg.Connection:
        """A connection in autocommit mode."""
        return psycopg.connect(self.url(database), autocommit=True)

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements, each in its own transaction."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def running(**settings: str) -> Iterator[Server]:
    """A new server, with these settings in addition to `SETTINGS`. It fails on a machine without PostgreSQL (`make
    setup`)."""
    folder = Path(tempfile.mkdtemp(prefix="souche-pg-", dir="/tmp"))
    try:
        if os.geteuid() == ROOT:
            shutil.chown(folder, "postgres", "postgres")
        _run(
            "initdb", f"--pgdata={folder}/data", "--no-sync", "--auth=trust", "--encoding=UTF8", "--no-locale"
        )
        options = {**SETTINGS, **settings, "unix_socket_directories": str(folder)}
        argv = [
            *_argv("postgres"),
            "-D",
            f"{folder}/data",
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
            try:
                server = Server(folder)
                eventually(lambda: _answers(server, process), START_SECONDS)
                yield server
            finally:
                process.send_signal(signal.SIGQUIT)  # immediate shutdown, with all children
                process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _argv(program: str) -> list[str]:
    """A program of the newest installed PostgreSQL. PostgreSQL refuses root, so the program runs as Debian's user for
    it. It ends with this process."""
    versions = sorted(PROGRAMS.iterdir(), key=lambda each: float(each.name)) if PROGRAMS.is_dir() else []
    assert versions, "PostgreSQL is not installed: run `make setup`"
    path = str(versions[-1] / "bin" / program)
    becoming = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == ROOT:
        user = pwd.getpwnam("postgres")
        becoming += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [*becoming, path]


def _run(program: str, *arguments: str) -> None:
    argv = [*_argv(program), "--username=postgres", *arguments]
    done = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, (server.folder / "log").read_text(errors="replace")
    try:
        psycopg.connect(server.url()).close()
    except psycopg.OperationalError:
        return False
    return True
