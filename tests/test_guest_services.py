"""What guests reach at their bridge's address (`--guest-services`); the loopback device replaces a bridge.
tests/compute/test_guest_nat.py tests that nothing else reaches it."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from souche.config import BadSetting
from souche.main import guest_services

BRIDGE, GATEWAY, SECONDS = "lo", "127.0.0.9", 10.0


@pytest.fixture
def api() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_the_api_is_reached_at_the_bridges_address_by_the_same_port(api: socket.socket) -> None:
    listening = guest_services.listen(api, BRIDGE, GATEWAY)
    assert listening is not None
    with closing(listening):
        assert listening.getsockname() == (GATEWAY, api.getsockname()[1])


def test_the_buckets_are_reached_at_the_bridges_address_by_the_same_port(api: socket.socket) -> None:
    port = api.getsockname()[1]
    guest_services.pass_on_buckets(f"127.0.0.1:{port}", BRIDGE, GATEWAY)
    with socket.create_connection((GATEWAY, port), SECONDS) as guest:
        guest.sendall(b"GET")
        api.settimeout(SECONDS)
        with closing(api.accept()[0]) as store:
            assert store.recv(3) == b"GET"
            store.sendall(b"bytes")
        assert guest.recv(5) == b"bytes"


def test_what_listens_everywhere_is_reached_already() -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere:  # noqa: S104 (that is what is tested)
        assert guest_services.listen(everywhere, BRIDGE, GATEWAY) is None
        guest_services.pass_on_buckets(f"0.0.0.0:{everywhere.getsockname()[1]}", BRIDGE, GATEWAY)
    guest_services.pass_on_buckets(None, BRIDGE, GATEWAY)


def test_a_port_that_something_else_has_is_told_by_the_name_of_the_setting(api: socket.socket) -> None:
    port = api.getsockname()[1]
    with socket.create_server((GATEWAY, port)):
        with pytest.raises(BadSetting, match="--guest-services"):
            guest_services.listen(api, BRIDGE, GATEWAY)
        with pytest.raises(BadSetting, match="--guest-services"):
            guest_services.pass_on_buckets(f"127.0.0.1:{port}", BRIDGE, GATEWAY)
