"""/healthz and /readyz, on a server that runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from souche.http import health
from souche.http.app import create_app
from tests.support.polling import eventually
from tests.wire.server import KEYS, Answer, Server, bare_region, serving

SECRET_PATH = "/srv/region/disks"


@contextmanager
def checked(**checks: Callable[[], object]) -> Iterator[Server]:
    """A server with these checks."""
    named = {name.replace("_", " "): check for name, check in checks.items()}
    routes = health.health_routes(health.Readiness(named))
    with serving(create_app(bare_region(), KEYS.get, routes)) as server:
        yield server


def ready(server: Server) -> Answer:
    return server.send("GET", "/readyz")


def fails() -> None:
    raise FileNotFoundError(2, "No such file or directory", SECRET_PATH)


def test_a_process_that_answers_is_healthy_whatever_its_parts_are() -> None:
    with checked(store=fails) as server:
        answer = server.send("GET", "/healthz")
        assert (answer.status, answer.json) == (200, {"Healthy": True})
        assert server.send("HEAD", "/healthz").status == 200


def test_a_region_is_ready_when_all_its_parts_are() -> None:
    with checked(database=int, object_store=int) as server:
        answer = ready(server)
    assert answer.status == 200
    assert answer.json == {
        "Ready": True,
        "Checks": {"database": {"Ready": True}, "object store": {"Ready": True}},
    }
    assert answer.headers["cache-control"] == "no-store"


def test_a_part_that_fails_is_named_and_no_path_is() -> None:
    with checked(database=int, store=fails) as server:
        answer = ready(server)
    assert answer.status == 503
    assert answer.json["Ready"] is False
    assert answer.json["Checks"]["database"] == {"Ready": True}
    assert answer.json["Checks"]["store"]["Ready"] is False
    assert SECRET_PATH not in str(answer.json)


def test_a_check_that_hangs_fails_and_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)
    released, begun = threading.Event(), []

    def hangs() -> None:
        begun.append(1)
        released.wait(30)

    with checked(hypervisor=hangs) as server:
        for _ in range(3):
            answer = ready(server)
            assert answer.status == 503
            assert "no answer" in answer.json["Checks"]["hypervisor"]["Reason"]
        assert len(begun) == 1
        released.set()
        eventually(lambda: ready(server).status == 200)


def test_checks_are_not_run_for_each_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT_SECONDS", 3600.0)
    begun: list[int] = []
    with checked(database=lambda: begun.append(1)) as server:
        for _ in range(20):
            assert ready(server).status == 200
    assert len(begun) == 1
