"""The event loop, shared out by account."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from souche.app.context.region import Region
from souche.clock import SystemClock
from souche.http.app import create_app
from souche.http.loop_turns import LoopTurns
from souche.model.accounts import Principal
from tests.support.region import make_account, make_region
from tests.wire.server import Key
from tests.wire.signing import OSC_SDK_PYTHON, sign

SECRET = "S" * 40
PATH = f"{OSC_SDK_PYTHON.prefix}/ReadImages"


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = make_region(tmp_path, clock=SystemClock())
    yield region
    region.store.close()


def test_accounts_take_turns_and_each_keeps_its_order() -> None:
    order: list[str] = []

    async def main() -> None:
        turns = LoopTurns()
        names = ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]
        await asyncio.gather(*(turns.run(name[0], partial(order.append, name)) for name in names))

    asyncio.run(main())
    assert order == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


def test_what_comes_between_two_pieces_is_seen() -> None:
    order: list[str] = []

    async def main() -> None:
        turns = LoopTurns()
        asked = [asyncio.ensure_future(turns.run("a", partial(order.append, "a"))) for _ in range(20)]
        while len(order) < 3:
            await asyncio.sleep(0)
        await turns.run("b", partial(order.append, "b"))
        await asyncio.gather(*asked)

    asyncio.run(main())
    assert order.index("b") <= 5


def test_what_fails_or_is_given_up_leaves_its_turn_to_the_next() -> None:
    done: list[str] = []

    async def main() -> None:
        turns = LoopTurns()
        asked = [asyncio.ensure_future(turns.run("a", partial(done.append, str(n)))) for n in range(4)]
        failing = asyncio.ensure_future(turns.run("b", partial(int, "x")))
        await asyncio.sleep(0)
        asked[2].cancel()
        results = await asyncio.gather(*asked, failing, return_exceptions=True)
        assert [type(result) for result in results[2:]] == [asyncio.CancelledError, type(None), ValueError]
        await turns.run("c", partial(done.append, "later"))

    asyncio.run(main())
    assert done == ["0", "1", "3", "later"]


async def ask(app: Any, who: Principal, number: int) -> None:
    """A ReadImages without a cached answer."""
    body = json.dumps({"Filters": {"ImageNames": [f"image {number}"]}}).encode()
    headers = sign(OSC_SDK_PYTHON, "souche.test", PATH, body, key_id=str(who.access_key_id), secret=SECRET)
    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "headers": [(b"host", b"souche.test")]
        + [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    assert statuses == [200]


def test_reads_of_one_account_do_not_wait_for_all_reads_of_another(region: Region) -> None:
    crowd, other = make_account(region, "crowd"), make_account(region, "other")
    keys = {who.access_key_id: Key(who.account_id, SECRET) for who in (crowd, other)}
    app = create_app(region, keys.get)
    answered: list[str] = []

    async def asked(name: str, who: Principal, number: int) -> None:
        await ask(app, who, number)
        answered.append(name)

    async def main() -> None:
        await asyncio.gather(*(asked("crowd", crowd, n) for n in range(40)), asked("other", other, 41))

    asyncio.run(main())
    assert len(answered) == 41
    assert answered.index("other") <= 3
