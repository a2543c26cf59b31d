"""Waits for an operation of the server or of this process, and shows its progress."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Final

from souche.admin.action import Administered

POLL_SECONDS: Final = 0.25


def follow(administered: Administered, operation_id: str, look: Callable[[], None]) -> None:
    """Wait until an operation has ended, in the server or in this process; `look` is called while waiting."""
    ended: Future[None] = Future()
    Thread(target=_finish, args=(administered, operation_id, ended), daemon=True).start()
    while not ended.done():
        look()
        _pause(ended)
    ended.result()


def _pause(ended: Future[None]) -> None:
    try:
        ended.exception(POLL_SECONDS)
    except TimeoutError:
        return


def _finish(administered: Administered, operation_id: str, ended: Future[None]) -> None:
    try:
        administered.finish(operation_id)
    except BaseException as error:
        ended.set_exception(error)
    else:
        ended.set_result(None)
