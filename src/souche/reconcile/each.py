"""A loop over many items: a failure is logged, and does not stop the others."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from souche.errors import SoucheError

Item = TypeVar("Item")
Made = TypeVar("Made")

log = structlog.get_logger()


def each(items: Iterable[Item], do: Callable[[Item], Made], name: Callable[[Item], str] = str) -> list[Made]:
    """Call an action with each item. Returns the results of successful calls; the next round retries the others."""
    made: list[Made] = []
    for item in items:
        try:
            made.append(do(item))
        except SoucheError as error:
            log.warning("set aside, the rest goes on", name=name(item), problem=str(error))
        except Exception:
            log.exception("set aside, the rest goes on", name=name(item))
    return made
