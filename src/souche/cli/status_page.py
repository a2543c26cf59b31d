"""The page of `souche status` for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from souche.cli.output import plain
from souche.cli.sizes import shown_bytes, shown_seconds

BAR: Final = 24
WIDE: Final = 200
"""columns if the output is not a terminal"""
FULL: Final = 90
"""percentage of a medium above which it is shown in red"""
LATE: Final = 3
"""A sweep is late if its last success is older than this many intervals, and a minute."""

Row = tuple[str, RenderableType, RenderableType]
Facts = Mapping[str, Any]


def print_status(facts: Facts) -> None:
    """Print the facts that `--json` prints, as a table with bars."""
    table = Table.grid(padding=(0, 2))
    for row in (
        *_server(facts),
        *_parts(facts),
        *_room(facts),
        *_disks(facts),
        *_work(facts),
        *_sweeps(facts),
    ):
        table.add_row(*row)
    console = Console(highlight=False)
    (console if console.is_terminal else Console(width=WIDE, highlight=False)).print(table)


def _server(facts: Facts) -> Iterator[Row]:
    region = Text(plain(facts["Region"] or "-"), style="bold")
    if not facts["Served"]:
        yield "Region", region, Text("stopped", style="yellow")
    elif facts["Checks"] is None:
        yield "Region", region, Text(f"process {facts['ProcessId']} does not answer", style="red")
    else:
        yield "Region", region, Text(f"served by process {facts['ProcessId']} at {plain(facts['Api'])}")
    if facts["Faults"]:
        few = f"{facts['Faults']} left: `souche fault list`"
        yield "Faults", Text("injected", style="yellow"), Text(few)
    elif facts["FaultsAllowed"]:
        yield "Faults", Text("injected", style="yellow"), Text("allowed, none is left")


def _parts(facts: Facts) -> Iterator[Row]:
    database, store = facts["Database"], facts["ObjectStore"]
    shown = {
        "database": f"{database['Kind']}, {shown_bytes(database['Bytes'])}",
        "store": "disks",
        "hypervisor": plain(facts["Compute"] or "-"),
        "object store": f"{store['Kind']}, {plain(store['Endpoint'])}" if store else "none",
    }
    checks = facts["Checks"] or {}
    for name, text in shown.items():
        yield name.capitalize(), _ready(checks.get(name)), Text(text)


def _ready(is_ready: bool | None) -> Text:
    if is_ready is None:
        return Text("-")
    return Text("ready", style="green") if is_ready else Text("not ready", style="red")


def _room(facts: Facts) -> Iterator[Row]:
    for medium in facts["Media"]:
        used, free = medium["UsedBytes"], medium["FreeBytes"]
        percent = 100 * used / max(used + free, 1)
        left = f"{percent:.0f} % used, {shown_bytes(free)} free, {shown_bytes(facts['ReserveBytes'])} of it reserved"
        where = ", ".join(medium["Folders"])
        yield "Room", _bar(used, used + free, alarming=percent >= FULL), Text(f"{left} ({where})")


def _bar(done: float, total: float, *, alarming: bool = False) -> ProgressBar:
    style = "red" if alarming else "cyan"
    return ProgressBar(
        total=max(total, 1), completed=done, width=BAR, complete_style=style, finished_style=style
    )


def _disks(facts: Facts) -> Iterator[Row]:
    layers, trash = facts["Layers"], facts["Trash"]
    own, shared = layers["OwnBytes"], layers["SharedBytes"]
    text = f"{layers['Count']} files: {shown_bytes(own)} of one disk, {shown_bytes(shared)} shared by several"
    yield "Layers", _bar(shared, own + shared), Text(f"{text}; longest chain {layers['LongestChain']}")
    yield "Trash", Text(str(trash["Disks"])), Text(shown_bytes(trash["Bytes"]))


def _work(facts: Facts) -> Iterator[Row]:
    vms: dict[str, int] = facts["Vms"]
    yield from _counted("VMs", [(plain(state), count, "") for state, count in sorted(vms.items())])
    work = [
        (plain(each["Kind"]), each["Count"], f", the oldest for {shown_seconds(each['OldestSeconds'])}")
        for each in facts["UnderWay"]
    ]
    yield from _counted("Work", work)


def _counted(title: str, rows: Sequence[tuple[str, int, str]]) -> Iterator[Row]:
    """A bar for each count, with a length proportional to its share."""
    total = sum(count for _, count, _ in rows)
    if not rows:
        yield title, Text("-"), Text("none")
    for name, count, more in rows:
        yield title, _bar(count, total), Text(f"{count} {name}{more}")
        title = ""


def _sweeps(facts: Facts) -> Iterator[Row]:
    sweeps = facts["Sweeps"]
    if sweeps is None:
        reason = (
            "not known: the server has no metrics (--metrics-listen)"
            if facts["Served"]
            else "not while stopped"
        )
        yield "Sweeps", Text("-"), Text(reason)
        return
    late = [each for each in sweeps if _is_late(each)]
    yield (
        "Sweeps",
        _bar(len(sweeps) - len(late), len(sweeps)),
        Text(f"{len(sweeps) - len(late)} of {len(sweeps)} well"),
    )
    for each in late:
        since = each["LastSuccessSeconds"]
        ago = "no success yet" if since is None else f"last success {shown_seconds(since)} ago"
        yield "", Text(plain(each["Sweep"]), style="red"), Text(f"{ago}, {each['Failures']} failures")


def _is_late(sweep: Facts) -> bool:
    since = sweep["LastSuccessSeconds"]
    return since is None or since > LATE * (sweep["IntervalSeconds"] or 0) + 60
