"""Work that begins with what was committed before, on a database that is a server."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from souche.db.store import Store
from souche.http.turns import Turns

Answer = TypeVar("Answer")


class MarkedTurns:
    """As its turns, but the work begins with the change mark, for which one query of the event loop asks for many
    requests at once."""

    def __init__(self, store: Store, turns: Turns) -> None:
        self._store = store
        self._turns = turns

    async def run(self, account_id: str, work: Callable[[], Answer]) -> Answer:
        """Run the work of an account, and return or raise its result.

        Raises:
            RecordsUnavailable: the database does not answer. TooManyRequests: as `Turns.run`.
        """
        mark = await self._store.next_mark()
        return await self._turns.run(account_id, partial(self._store.with_mark, mark, work))
