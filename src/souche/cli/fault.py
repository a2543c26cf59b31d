"""souche fault"""

from pathlib import Path
from typing import Annotated, Final

import typer

from souche.cli.actions import accounts
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, plain, show, show_if_json
from souche.errors import Invalid, WrongState
from souche.faults import Fault, Faults
from souche.home import Home

EXPORTS: Final = ("CreateImageExportTask", "CreateSnapshotExportTask")
CODES: Final = {429: "10000", 500: "2000", 503: "2000"}
"""the code for a status, if none is given"""
MOST_DELAY: Final = 600


class FaultsNotAllowed(WrongState):
    """The region in {home} is served without --allow-faults."""


class BadFault(Invalid):
    """The fault is not valid: {reason}"""


def build(composition: Composition) -> typer.Typer:
    """The commands about injected faults."""
    app = typer.Typer(
        help="Injected faults, to test clients: a region served with --allow-faults.", no_args_is_help=True
    )
    _add_add(app, composition)

    @app.command("list")
    def list_faults(home: HomeFlag, json: JsonFlag = False) -> None:
        """List the remaining faults, oldest first."""
        with errors_shown():
            for fault in _faults(home).every():
                facts = _facts(fault)
                if json:
                    show(facts, as_json=True)
                else:
                    print("  ".join(f"{name}={plain(value)}" for name, value in facts.items() if value))

    @app.command()
    def clear(
        home: HomeFlag,
        fault: Annotated[
            int | None, typer.Argument(help="Number of the fault to remove. Default: all.")
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Remove faults: all, or one by its number."""
        with errors_shown():
            removed = _faults(home).clear(fault)
        for each in removed:
            show_if_json(_facts(each), as_json=json)

    return app


def _add_add(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def add(
        action: Annotated[str, typer.Argument(help="The action that will fail, such as CreateVms.")],
        home: HomeFlag,
        status: Annotated[
            int | None, typer.Option(min=400, max=599, help="HTTP status of the answer: 400 to 599.")
        ] = None,
        code: Annotated[
            str | None,
            typer.Option(
                help="Code of the error. Its Type is that of the code's family. 429, 500 and 503 have a default."
            ),
        ] = None,
        times: Annotated[int, typer.Option(min=1, help="Number of calls that fail.")] = 1,
        after: Annotated[int, typer.Option(min=0, help="Number of calls that pass before.")] = 0,
        delay: Annotated[
            float, typer.Option(min=0, max=MOST_DELAY, help="Delay of the answer in seconds.")
        ] = 0,
        account: Annotated[
            str | None, typer.Option(help="Name or ID of the account whose calls count. Default: all.")
        ] = None,
        half_way: Annotated[
            bool,
            typer.Option(
                "--half-way",
                help="For an export: the task is created, and fails when half of its bytes are written.",
            ),
        ] = False,
        json: JsonFlag = False,
    ) -> None:
        """Make the next calls of an action fail, or delay them, before the action does anything. Answers with status
        429 or 503 have Retry-After. Without --status, the action runs after the delay."""
        with errors_shown():
            faults = _faults(home)
            wanted = Fault(
                0, action, status, code or CODES.get(status or 0, ""), times, after, delay, None, half_way
            )
            _check(wanted)
            made = faults.add(_of_account(composition, home, wanted, account) if account else wanted)
        show(_facts(made), as_json=json)


def _of_account(composition: Composition, home: Path, fault: Fault, account: str) -> Fault:
    with composition.operate(home) as region:
        found = region.do(accounts.known, account)
    return Fault(**{**vars(fault), "account_id": found["AccountId"]})


def _check(fault: Fault) -> None:
    from souche.api import actions
    from souche.api.protocol import errors, spec

    if not (spec.knows(fault.action) or fault.action in actions.SOUCHE_ACTIONS):
        raise BadFault(reason=f"there is no action {fault.action}")
    if fault.half_way and (fault.action not in EXPORTS or fault.status or fault.delay):
        raise BadFault(reason=f"--half-way is for {' and '.join(EXPORTS)}, without --status and --delay")
    if not (fault.status or fault.delay or fault.half_way):
        raise BadFault(reason="--status, --delay or --half-way is expected")
    if fault.status is None and fault.code:
        raise BadFault(reason="--code needs --status")
    if fault.status and errors.family_of(fault.code) is None:
        raise BadFault(reason=f"--code is expected with a code of the API, such as 10022, not '{fault.code}'")


def _faults(path: Path) -> Faults:
    home = Home(path.resolve())
    if not home.read().get("AllowFaults"):
        raise FaultsNotAllowed(home=home.path)
    return Faults(home.faults)


def _facts(fault: Fault) -> dict[str, object]:
    return {
        "Fault": fault.number,
        "Action": fault.action,
        "Status": fault.status,
        "Code": fault.code or None,
        "Times": fault.times,
        "After": fault.after,
        "Delay": fault.delay,
        "Account": fault.account_id,
        "HalfWay": fault.half_way,
    }
