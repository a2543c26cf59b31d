"""Progress bars: of a transfer, with amount, speed and time left; and of work with named steps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

OnProgress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with the current step, the bytes done and the total (None: unknown)."""

Step: TypeAlias = Callable[[str, float], None]
"""Called with the current step and the share done (0 to 1)."""


@contextmanager
def transfer_bar() -> Iterator[OnProgress]:
    """A progress bar on standard error, with speed and time left; without a terminal, a line for each tenth."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        shown = bar.add_task("queued", total=None)
        yield lambda what, done, total: bar.update(shown, description=what, completed=done, total=total)


def _lines(console: Console) -> OnProgress:
    doing, tenth = "", -1

    def line(what: str, done: int, total: int | None) -> None:
        nonlocal doing, tenth
        percent = 100 * done // total if total else 0
        if what != doing or percent // 10 > tenth:  # resending a part lowers the percentage
            console.print(f"{percent:3}%  {what}", highlight=False)
            doing, tenth = what, percent // 10

    return line


@contextmanager
def step_bar() -> Iterator[Step]:
    """A progress bar on standard error; without a terminal, a line for each new step."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _steps(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, done: bar.update(task, description=what, completed=done)


def _steps(console: Console) -> Step:
    last = ""

    def line(what: str, done: float) -> None:
        nonlocal last
        if what != last:
            console.print(f"{done:4.0%}  {what}", highlight=False)
        last = what

    return line
