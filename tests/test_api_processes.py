"""Several processes that answer the API of one region, with its records in PostgreSQL: `souche api` beside `souche
serve`."""

import base64
import json
import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import sqlalchemy as sa

from tests.api_load import Load, Region
from tests.support.databases import Databases
from tests.support.polling import eventually
from tests.test_main import GRACE_SECONDS, SOUCHE, serving, souche, told
from tests.wire.server import Server

NUMBERS = count(1)
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "12"))
"""time for which processes are killed under load; runs of 300 passed too"""


@pytest.fixture(scope="module")
def url(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database = databases.empty(tmp_path_factory.mktemp("records") / "records")
    yield database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    database.close()


@contextmanager
def answering(home: Path, *options: str, listen: str = "127.0.0.1:0") -> Iterator[tuple[int, Any]]:
    """A `souche api`: its port, and its process. What still runs at the end is killed."""
    argv: list[str | Path] = [SOUCHE, "api", "--home", home, "--listen", listen, *options]
    errors = home.with_name(f"api-errors-{next(NUMBERS)}")
    with errors.open("wb") as log:
        process = subprocess.Popen(argv, stderr=log)

    def port() -> int | None:
        assert process.poll() is None, errors.read_text()
        lines = [
            json.loads(line) for line in errors.read_text().splitlines(keepends=True) if line.endswith("\n")
        ]
        said = [line["api"] for line in lines if line["event"] == "answering"]
        return urlsplit(said[0]).port if said else None

    try:
        yield eventually(port, GRACE_SECONDS), process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(GRACE_SECONDS)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[Region]:
    """With two `souche api`."""
    home = tmp_path_factory.mktemp("region") / "home"
    file = home.with_name("database")
    file.touch(0o600)
    file.write_text(url + "\n")
    options = ("--database-file", str(file))
    with ExitStack() as stack:
        served = stack.enter_context(serving(home, *options))
        account = told("account", "create", "alice", "--home", home)
        first, _ = stack.enter_context(answering(home, *options))
        second, _ = stack.enter_context(answering(home, *options))
        yield Region(home, options, account, [first, second], served)


def test_what_one_process_wrote_the_next_read_of_the_other_shows(region: Region) -> None:
    names: set[str] = set()
    for number in range(20):
        writer, reader = region.ports[number % 2], region.ports[1 - number % 2]
        found = region.call(reader, "ReadKeypairs")["Keypairs"]  # whose answer is kept
        assert {each["KeypairName"] for each in found} == names
        names.add(f"pair {number}")
        region.call(writer, "CreateKeypair", KeypairName=f"pair {number}")
        found = region.call(reader, "ReadKeypairs")["Keypairs"]
        assert {each["KeypairName"] for each in found} == names


def test_what_is_asked_of_one_process_the_server_does(region: Region) -> None:
    """The process that got the request learns of it, also if it waits for the end."""
    first, second = region.ports
    volume = region.call(first, "CreateVolume", SubregionName="souche-1a", Size=1)["Volume"]["VolumeId"]
    snapshot = region.call(second, "CreateSnapshot", VolumeId=volume)["Snapshot"]["SnapshotId"]
    copy = region.call(first, "CreateSnapshot", SourceSnapshotId=snapshot, SourceRegionName="souche-1")[
        "Snapshot"
    ]["SnapshotId"]

    def states() -> set[str]:
        return {each["State"] for each in region.call(second, "ReadSnapshots")["Snapshots"]}

    eventually(lambda: states() == {"completed"}, GRACE_SECONDS)
    mapping = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": copy}}
    named = {"ImageName": "system", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [mapping]}
    image = region.call(second, "CreateImage", **named)["Image"]["ImageId"]
    vm = region.call(first, "CreateVms", ImageId=image)["Vms"][0]["VmId"]

    def state() -> str:
        (found,) = region.call(second, "ReadVms", Filters={"VmIds": [vm]})["Vms"]
        return str(found["State"])

    eventually(lambda: state() == "running", GRACE_SECONDS)
    console = region.call(second, "ReadConsoleOutput", VmId=vm)["ConsoleOutput"]
    assert b"simulated" in base64.b64decode(console)
    group = {"SecurityGroupName": "web", "Description": "web"}
    made = region.call(first, "CreateSecurityGroup", **group)["SecurityGroup"]["SecurityGroupId"]
    rule = {"IpProtocol": "tcp", "FromPortRange": 80, "ToPortRange": 80, "IpRange": "0.0.0.0/0"}
    region.call(second, "CreateSecurityGroupRule", SecurityGroupId=made, Flow="Inbound", **rule)
    region.call(second, "DeleteVms", VmIds=[vm])
    eventually(lambda: state() == "terminated", GRACE_SECONDS)


def test_a_key_that_one_process_deletes_opens_no_other(region: Region) -> None:
    first, second = region.ports
    made = region.call(first, "CreateAccessKey")["AccessKey"]
    key = {"key_id": made["AccessKeyId"], "secret": made["SecretKey"]}
    assert Server(second).call("ReadVms", b"{}", **key).status == 200
    region.call(first, "DeleteAccessKey", AccessKeyId=made["AccessKeyId"])
    answer = Server(second).call("ReadVms", b"{}", **key)
    assert (answer.status, answer.json["Errors"][0]["Code"]) == (400, "4120")


def test_failed_signatures_are_counted_in_all_processes_together(region: Region) -> None:
    first, second = region.ports
    made = region.call(first, "CreateAccessKey")["AccessKey"]
    for port in (first, second, first, second):
        wrong = {"key_id": made["AccessKeyId"], "secret": "W" * 40}
        assert Server(port).call("ReadVms", b"{}", **wrong).status == 401
    right = {"key_id": made["AccessKeyId"], "secret": made["SecretKey"]}
    answers = [Server(port).call("ReadVms", b"{}", **right) for port in (first, second)]
    assert [answer.json["Errors"][0]["Code"] for answer in answers] == [
        "13"
    ] * 2  # locked (docs/rules/api.md)


def test_a_database_that_is_away_is_worth_another_try(region: Region, url: str, databases: Databases) -> None:
    """The log has no traceback for it."""
    name = sa.make_url(url).database
    ports = [*region.ports, urlsplit(region.server.facts["Api"]).port or 0]
    region.call(ports[0], "CreateVolume", SubregionName="souche-1a", Size=1)
    databases.server.execute(
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608
    )
    try:
        for port in ports:
            for action in ("ReadVolumes", "CreateKeypair"):
                answer = region.ask(port, action)
                assert (answer.status, answer.json["Errors"][0]["Code"]) == (503, "2000")
                assert answer.headers["retry-after"]
    finally:
        databases.server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    for port in ports:
        eventually(partial(answers, region, port), GRACE_SECONDS)
    for said in region.home.parent.glob("*errors*"):
        assert "Traceback" not in said.read_text()


def answers(region: Region, port: int) -> bool:
    return region.ask(port, "ReadVolumes").status == 200


def refused(*arguments: str | Path) -> str:
    done = souche("api", *arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_cannot_be_answered_for_is_refused(region: Region, tmp_path: Path) -> None:
    home = ("--home", region.home, "--listen", "127.0.0.1:0")
    assert "souche serve" in refused("--home", tmp_path / "new", *region.options)
    assert not (tmp_path / "new").exists()
    assert "PostgreSQL" in refused(*home)
    assert "--region" in refused(*home, *region.options, "--region", "elsewhere")
    port = str(region.ports[0])
    assert "cannot listen" in refused("--home", region.home, "--listen", f"127.0.0.1:{port}", *region.options)
    told_before = (region.home / "database.json").read_bytes()
    assert json.loads(told_before)["file"] == region.options[1]


@dataclass
class Process:
    """One of the region's processes, which can be killed and started again."""

    start: Callable[[ExitStack], Any]
    stack: ExitStack = field(default_factory=ExitStack)

    def begin(self) -> None:
        self.start(self.stack)

    def kill(self) -> None:
        """By SIGKILL, which closing does."""
        self.stack.close()


def test_processes_that_are_killed_under_load_lose_nothing_that_was_acknowledged(
    tmp_path: Path, databases: Databases
) -> None:
    database = databases.empty(tmp_path / "records")
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    home, options = tmp_path / "home", ("--database", url)
    with ExitStack() as stack:
        stack.callback(database.close)
        server = Process(lambda own: own.enter_context(serving(home, *options)))
        stack.callback(server.kill)
        served = server.start(server.stack)
        account = told("account", "create", "alice", "--home", home)
        apis: list[Process] = []
        ports: list[int] = []
        for _ in range(2):
            own = ExitStack()
            port, _process = own.enter_context(answering(home, *options))
            listen = f"127.0.0.1:{port}"
            again = lambda o, listen=listen: o.enter_context(answering(home, *options, listen=listen))  # noqa: E731
            apis.append(Process(again, own))
            ports.append(port)
            stack.callback(own.close)
        region = Region(home, options, account, ports, served)
        loads = [Load(region, ports, seed) for seed in range(3)]
        kill_at_random([server, *apis], loads)
        compare(region, loads)


def kill_at_random(processes: list[Process], loads: list[Load]) -> None:
    """Kill one after the other, and start it again, while the clients ask."""
    chance = random.Random(7)
    ended, failures = threading.Event(), list[BaseException]()

    def client(load: Load) -> None:
        try:
            load.run(ended)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=client, args=(load,), daemon=True) for load in loads]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SOAK_SECONDS
    try:
        while time.monotonic() < end and not failures:
            ended.wait(chance.uniform(0.2, 2))
            killed = chance.choice(processes)
            killed.kill()
            ended.wait(chance.uniform(0, 1))
            killed.begin()
    finally:
        ended.set()
        for thread in threads:
            thread.join(GRACE_SECONDS)
    assert failures == []


def compare(region: Region, loads: list[Load]) -> None:
    """When all work is done, each process shows exactly what was acknowledged."""
    models = [load.model for load in loads]
    for port in region.ports:

        def found(port: int = port) -> dict[str, Any] | None:
            volumes = region.call(port, "ReadVolumes", ResultsPerPage=1000)["Volumes"]
            snapshots = region.call(port, "ReadSnapshots", ResultsPerPage=1000)["Snapshots"]
            states = {each["State"] for each in (*volumes, *snapshots)}
            if not states <= {"available", "completed"}:
                return None
            by_id = {each["VolumeId"]: each for each in volumes}
            return by_id | {each["SnapshotId"]: each for each in snapshots}

        there = eventually(found, GRACE_SECONDS)
        for model in models:
            assert (model.volumes | model.snapshots) - set(there) == set()
            assert model.deleted & set(there) == set()
            for tagged, value in model.tagged.items():
                if tagged in there and f"tag of {tagged}" not in model.unsure:
                    assert there[tagged]["Tags"] == [{"Key": "n", "Value": value}]
    answered = sum(model.answered for model in models)
    assert answered > SOAK_SECONDS, "the load was none"


def test_a_process_that_answers_alone_has_metrics_of_its_own_if_they_are_asked_for(region: Region) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    with answering(region.home, *region.options, "--metrics-listen", listen) as (port, _):
        region.call(port, "ReadVolumes")
        text = requests.get(f"http://{listen}/metrics", timeout=10).text
    assert 'souche_requests_total{action="ReadVolumes",code="",status="200"} 1.0' in text
    assert 'souche_ready{check="database"} 1.0' in text
    assert 'souche_sweep_interval_seconds{sweep="withdrawn"} 60.0' in text
    assert "souche_vms" not in text
    with answering(region.home, *region.options):
        """It runs beside its server and does not try to listen on the default address, which is the server's."""
