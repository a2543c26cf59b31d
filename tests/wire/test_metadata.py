"""The guests' metadata over HTTP: plain text by GET, and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from souche.app.context.region import Region
from souche.http.metadata import create_metadata_app
from tests.support.region import make_account, make_region
from tests.support.resources import make_vm

GUEST = "10.77.0.20"


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = make_region(tmp_path)
    make_vm(region, make_account(region), private_ip=GUEST, user_data=b"\x1f\x8b")
    yield region
    region.store.close()


def ask(region: Region, path: str, method: str = "GET", source_ip: str = GUEST) -> tuple[int, str, bytes]:
    """Status, content type and body that a guest gets."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"169.254.169.254")],
        "client": (source_ip, 40000),
        "server": ("169.254.169.254", 80),
        "scheme": "http",
        "http_version": "1.1",
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    anyio.run(create_metadata_app(region), scope, receive, send)
    headers = dict(sent[0]["headers"])
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], headers.get(b"content-type", b"").decode().partition(";")[0], body


def test_a_guest_gets_plain_text_and_its_user_data_as_they_are(region: Region) -> None:
    assert ask(region, "/latest/meta-data/local-ipv4") == (200, "text/plain", GUEST.encode())
    assert ask(region, "/latest/user-data") == (200, "text/plain", b"\x1f\x8b")


def test_what_is_not_there_is_404(region: Region) -> None:
    assert ask(region, "/latest/meta-data/tags/nothing")[0] == 404


def test_a_source_that_is_no_vm_gets_nothing(region: Region) -> None:
    assert ask(region, "/latest/meta-data/local-ipv4", source_ip="10.77.0.99")[0] == 404


def test_there_is_no_token_to_put_for(region: Region) -> None:
    """IMDSv1 only: cloud-init continues without a token after 404 and 405."""
    assert ask(region, "/latest/api/token", "PUT")[0] == 405
    assert ask(region, "/latest/api/token")[0] == 404
