"""Makes lives cheap: the process that they are forked of has lived through one itself.

What SQLAlchemy has compiled, Alembic has read and Python has imported is then there in each life. Nothing of a region
is left over: no thread, and no open file.
"""

import functools
import gc
import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from dbos import _sys_db_sqlite

from souche.db.engines import sqlite


def keep_compiled() -> None:
    """Have all engines of this process and of its children use the statements that the first of the kind compiled."""
    for module in (sqlite, _sys_db_sqlite):
        _put_create_engine(module)


def freeze() -> None:
    """Before lives are forked: what is in memory now is not looked through by their garbage collectors.

    Raises:
        RuntimeError: threads are left, which a fork would lose.
    """
    if threading.active_count() > 1:
        raise RuntimeError(f"threads are left: {threading.enumerate()}")
    gc.collect()
    gc.freeze()


def _put_create_engine(module: Any) -> None:
    """`sa.create_engine` of a module, with one dialect and one cache of what is compiled."""
    first: list[sa.Engine] = []
    create: Callable[..., sa.Engine] = sa.create_engine

    @functools.wraps(create)
    def create_engine(*arguments: Any, **options: Any) -> sa.Engine:
        engine = create(*arguments, **options)
        first.append(engine)
        engine.dialect = engine.pool._dialect = first[0].dialect  # noqa: SLF001
        engine._compiled_cache = first[0]._compiled_cache  # noqa: SLF001
        del first[1:]
        return engine

    module.sa = _Replaced(sa, create_engine)


class _Replaced:
    """SQLAlchemy, with another `create_engine`."""

    def __init__(self, module: Any, create_engine: Callable[..., sa.Engine]) -> None:
        self._module = module
        self.create_engine = create_engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)
