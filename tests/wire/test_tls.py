"""The API over TLS: clients, changed certificates, bad certificates."""

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import anyio.to_thread
import pytest
import requests
from starlette.types import Receive, Scope, Send

from souche.clock import SystemClock
from souche.config import BadSetting
from souche.http.certificates import CertificatePair, Tls
from souche.http.connections import Bounds
from souche.main.self_signed import AUTHORITY_LIFE, LIFE, RENEWED, SelfSigned
from tests.support.certificates import LONG_AGO, certificate
from tests.support.region import ManualClock
from tests.wire.server import new_app, serving
from tests.wire.signing import OSC_SDK_PYTHON, sign
from tests.wire.test_connections import read_to_end


@pytest.fixture
def files(tmp_path: Path) -> SelfSigned:
    return certificate(tmp_path / "tls")


@pytest.fixture
def tls(files: SelfSigned) -> Tls:
    return Tls(files.pair, SystemClock())


@pytest.fixture
def port(tls: Tls) -> Iterator[int]:
    with serving(new_app(), tls=tls.context) as server:
        yield server.port


def put(source: CertificatePair, target: CertificatePair) -> None:
    """Replace a pair as its renewal does: each file at once, one after the other."""
    for old, new in ((target.certificate, source.certificate), (target.key, source.key)):
        temporary = old.with_suffix(".new")
        temporary.write_bytes(new.read_bytes())
        temporary.replace(old)


def shown(port: int, authority: Path) -> ssl.SSLSocket:
    """A connection, by a client that trusts an authority."""
    context = ssl.create_default_context(cafile=authority)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="127.0.0.1")


def ask(client: ssl.SSLSocket, port: int) -> bytes:
    """A signed call on an open connection."""
    headers = sign(OSC_SDK_PYTHON, f"127.0.0.1:{port}", "/api/v1/ReadRegions", b"{}")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    client.sendall(f"POST /api/v1/ReadRegions HTTP/1.1\r\n{lines}Content-Length: 2\r\n\r\n{{}}".encode())
    return client.recv(65536)


def test_requests_trusts_the_file_of_the_authority_and_no_other(
    port: int, files: SelfSigned, tmp_path: Path
) -> None:
    url = f"https://localhost:{port}/api"
    assert requests.get(url, verify=str(files.authority), timeout=10).json() == {"Versions": ["v1"]}
    other = certificate(tmp_path / "other")
    for verify in (str(other.authority), True):
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url, verify=verify, timeout=10)


def test_curl_calls_by_http_1_1_where_it_offers_2(port: int, files: SelfSigned) -> None:
    command = ["curl", "-sS", "--http2", "--cacert", str(files.authority), f"https://localhost:{port}/api"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b'{"Versions":["v1"]}'


def test_a_changed_certificate_is_shown_to_new_connections(
    port: int, tls: Tls, files: SelfSigned, tmp_path: Path
) -> None:
    other = certificate(tmp_path / "other")
    with shown(port, files.authority) as before:
        put(other.pair, files.pair)
        tls.look()
        with shown(port, other.authority) as after:
            assert ask(after, port).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(ssl.SSLCertVerificationError):
            shown(port, files.authority)
        assert ask(before, port).startswith(b"HTTP/1.1 200 ")
    assert tls.not_after == Tls(other.pair, SystemClock()).not_after


def test_half_of_a_new_pair_is_not_used(port: int, tls: Tls, files: SelfSigned, tmp_path: Path) -> None:
    other = certificate(tmp_path / "other")
    files.pair.certificate.write_bytes(other.pair.certificate.read_bytes())
    tls.look()
    shown(port, files.authority).close()
    files.pair.key.write_bytes(other.pair.key.read_bytes())
    tls.look()
    shown(port, other.authority).close()
    files.pair.key.unlink()
    tls.look()
    shown(port, other.authority).close()


def test_a_pair_that_becomes_good_later_is_used(tmp_path: Path) -> None:
    """Its files do not change meanwhile: it was read before its first moment."""
    clock = ManualClock(SystemClock().now())
    first, later = certificate(tmp_path / "first", clock=clock), ManualClock(clock.now())
    later.advance(days=30)
    second = certificate(tmp_path / "second", clock=later)
    tls = Tls(first.pair, clock)
    before = tls.fingerprint
    for mine, other in ((first.pair.certificate, second.pair.certificate), (first.pair.key, second.pair.key)):
        mine.write_bytes(other.read_bytes())
    tls.look()
    assert tls.fingerprint == before
    clock.advance(days=30)
    tls.look()
    assert tls.fingerprint != before


def test_who_speaks_no_tls_is_hung_up_on(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in read_to_end(client)


def test_handshakes_count_as_connections(tls: Tls, files: SelfSigned) -> None:
    few = Bounds(most_from_address=3)
    with serving(new_app(), few, tls.context) as server:
        waiting = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(3)]
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shown(server.port, files.authority)
        for client in waiting:
            client.close()


def test_what_does_not_come_is_given_up(tls: Tls, files: SelfSigned) -> None:
    with serving(new_app(), Bounds(most_from_address=8, head_seconds=3), tls.context) as server:
        with socket.create_connection(("127.0.0.1", server.port), 10) as client:
            client.sendall(b"\x16\x03\x01")  # where a handshake begins
            assert read_to_end(client) == b""
        with shown(server.port, files.authority) as silent:
            assert silent.recv(65536).startswith(b"HTTP/1.1 408 ")


def refusal(pair: CertificatePair) -> str:
    with pytest.raises(BadSetting) as refused:
        Tls(pair, SystemClock())
    return str(refused.value)


def test_what_is_wrong_with_a_certificate_is_told(files: SelfSigned, tmp_path: Path) -> None:
    certificate_file, key = files.pair.certificate, files.pair.key
    other = certificate(tmp_path / "other").pair
    old = certificate(tmp_path / "old", clock=LONG_AGO).pair
    nowhere, noise = tmp_path / "nowhere.pem", tmp_path / "noise.pem"
    noise.write_bytes(b"\x00\x01")
    assert refusal(CertificatePair(nowhere, key)) == (
        f"The setting --tls-cert is not valid: {nowhere}: No such file or directory"
    )
    assert refusal(CertificatePair(certificate_file, nowhere)) == (
        f"The setting --tls-key is not valid: {nowhere}: No such file or directory"
    )
    assert refusal(CertificatePair(tmp_path, key)).endswith(f"{tmp_path}: Is a directory")
    assert refusal(CertificatePair(noise, key)).endswith("has no certificate in PEM")
    assert refusal(CertificatePair(key, key)).endswith("has no certificate in PEM")
    assert refusal(CertificatePair(certificate_file, certificate_file)).endswith("has no private key in PEM")
    assert "is not that of the certificate in" in refusal(CertificatePair(certificate_file, other.key))
    assert "has expired: it was valid until 2020-12-31" in refusal(old)


def test_a_certificate_of_the_future_is_told(tmp_path: Path) -> None:
    later = ManualClock(SystemClock().now() + timedelta(days=10))
    assert "is not valid before" in refusal(certificate(tmp_path / "later", clock=later).pair)


def test_a_key_with_a_passphrase_is_refused_without_asking(files: SelfSigned, tmp_path: Path) -> None:
    sealed = tmp_path / "sealed.pem"
    command = [
        "openssl",
        "pkcs8",
        "-topk8",
        "-in",
        str(files.pair.key),
        "-out",
        str(sealed),
        "-passout",
        "pass:secret",
    ]
    subprocess.run(command, check=True)
    assert "has a passphrase" in refusal(CertificatePair(files.pair.certificate, sealed))


@pytest.fixture
def private_files() -> Iterator[None]:
    """As in a process that serves."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("private_files")
def test_the_authority_stays_and_its_certificate_is_made_again_when_it_must(tmp_path: Path) -> None:
    clock = ManualClock(SystemClock().now())
    folder = tmp_path / "tls"
    first = certificate(folder, "a.example", clock=clock)
    authority, leaf = first.authority.read_bytes(), first.pair.certificate.read_bytes()
    certificate(folder, "a.example", clock=clock)
    assert first.pair.certificate.read_bytes() == leaf
    certificate(folder, "b.example", clock=clock)
    again = first.pair.certificate.read_bytes()
    assert again != leaf
    certificate(folder, "a.example", clock=clock)
    assert first.pair.certificate.read_bytes() == again, "names stay"
    first.pair.key.unlink()
    certificate(folder, clock=clock)
    assert first.pair.certificate.read_bytes() != again
    tls = Tls(first.pair, clock, first.renew)
    end = tls.not_after
    clock.advance(days=(LIFE - RENEWED).days + 1)
    tls.look()
    assert tls.not_after > end
    assert first.authority.read_bytes() == authority
    assert {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()} == {
        "ca.pem": 0o644,
        "ca-key.pem": 0o600,
        "certificate.pem": 0o644,
        "key.pem": 0o600,
        "lock": 0o600,
    }
    assert AUTHORITY_LIFE > LIFE


def test_the_end_waits_for_answers_and_not_for_idle_clients(
    files: SelfSigned, tls: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that does not read what follows an answer was waited for as long as requests may take to end."""
    asked, may_answer = threading.Event(), threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] == "/slow":
            asked.set()
            await anyio.to_thread.run_sync(may_answer.wait)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    with ExitStack() as clients, caplog.at_level("ERROR", "uvicorn"):
        with serving(app, tls=tls.context) as server:
            idle, slow = (clients.enter_context(shown(server.port, files.authority)) for _ in range(2))
            idle.sendall(b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(65536).endswith(b"{}")
            slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            asked.wait()
            threading.Timer(0.5, may_answer.set).start()
        assert slow.recv(65536).endswith(b"{}")
        assert idle.recv(65536) == b""
    assert not caplog.records
