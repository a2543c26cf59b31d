"""souche vm console, souche vm screenshot"""

import sys
from base64 import b64decode
from pathlib import Path
from typing import Annotated

import typer

from souche import small_file
from souche.admin import wire
from souche.admin.action import Facts
from souche.cli import terminal
from souche.cli.actions import consoles
from souche.cli.composition import Composition, Operated
from souche.cli.flags import HomeFlag
from souche.cli.output import errors_shown
from souche.cli.server import ServerEnded
from souche.errors import Invalid
from souche.home import Home

STANDARD_OUTPUT = Path("-")

VmArgument = Annotated[str, typer.Argument(help="ID of a running VM of any account.")]


class OneConsole(Invalid):
    """Name the console: by the ID of a VM, or with --token-file."""


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the commands."""
    _add_console(app, composition)
    _add_screenshot(app, composition)


def _add_console(app: typer.Typer, composition: Composition) -> None:
    @app.command("console")
    def console(
        home: HomeFlag,
        vm: Annotated[str | None, typer.Argument(help="ID of a running VM of any account.")] = None,
        token_file: Annotated[
            Path | None,
            typer.Option(
                "--token-file", help="A file with a token of CreateConsoleToken, which identifies the VM."
            ),
        ] = None,
    ) -> None:
        """Connect this terminal to the serial console of a VM, until Ctrl-] or until the VM stops. One session at a
        time. Earlier output is not shown: ReadConsoleOutput has it. Input from a pipe or a file is typed unchanged;
        after its end the output is still shown."""
        with errors_shown(), composition.operate(home) as region:
            session = _begin(region, vm, token_file)
            connected = wire.connect(Home(home.resolve()).operator, session["Socket"])
            if connected is None:
                raise ServerEnded
            _say(f"souche: connected to the console of {session['VmId']}; Ctrl-] leaves it")
            with connected:
                left = terminal.attach(connected, sys.stdin.fileno(), sys.stdout.fileno())
            _say("" if left else f"souche: the console of {session['VmId']} has ended")


def _begin(region: Operated, vm: str | None, token_file: Path | None) -> Facts:
    if vm is not None and token_file is None:
        return region.do(consoles.connect, vm)
    if vm is None and token_file is not None:
        return region.do(consoles.redeem, small_file.read(token_file).decode(errors="replace").strip())
    raise OneConsole


def _say(line: str) -> None:
    """To people only."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr)


def _add_screenshot(app: typer.Typer, composition: Composition) -> None:
    @app.command("screenshot")
    def screenshot(
        vm: VmArgument,
        home: HomeFlag,
        output: Annotated[
            Path | None,
            typer.Option("--output", "-o", help="File for the PNG; '-': standard output. Default: VM.png."),
        ] = None,
    ) -> None:
        """Write the screen of a VM into a PNG file."""
        with errors_shown():
            with composition.operate(home) as region:
                picture = b64decode(region.do(consoles.screenshot, vm)["Screenshot"])
            if output == STANDARD_OUTPUT:
                sys.stdout.buffer.write(picture)
                return
            file = output or Path(f"{vm}.png")
            file.write_bytes(picture)
            print(file)
