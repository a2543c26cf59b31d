"""Makes lives cheap: they are forked from a process that has completed one life.

So each life has SQLAlchemy's compiled statements, Alembic's scripts and Python's imports in memory. Nothing of a region
remains: no thread, and no open file.
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
    """Have all engines of this process and of its children reuse the compiled statements of the first engine of their
    kind."""
    for module in (sqlite, _sys_db_sqlite):
        _put_create_engine(module)


def freeze() -> None:
    """Call before forking: the garbage collectors of lives skip all objects that exist now.

    Raises:
        RuntimeError: threads are left, which a fork would lose.
    """
    if threading.active_count() > 1:
        raise RuntimeError(f"threads are left: {threading.enumerate()}")
    gc.collect()
    gc.freeze()


def _put_create_engine(module: Any) -> None:
    """Replace `sa.create_engine` in a module: its engines share one dialect and one cache of compiled statements."""
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
