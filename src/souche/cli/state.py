"""souche state"""

from datetime import UTC, datetime
from typing import Annotated

import typer

from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, show, show_if_json

NameArgument = Annotated[str, typer.Argument(help="Name of the state: letters, digits, '.', '_' and '-'.")]


def build(composition: Composition) -> typer.Typer:
    """The commands about named states."""
    app = typer.Typer(help="Named states of a region of simulated guests.", no_args_is_help=True)

    @app.command()
    def save(name: NameArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Save the region's state under a name. The region must be stopped. The disks are not copied."""
        with errors_shown():
            seconds = composition.states(home).save(name)
        show_if_json(_facts(name, seconds), as_json=json)

    @app.command()
    def load(name: NameArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Restore a saved state of the region; its current contents are deleted. The region must be stopped."""
        with errors_shown():
            seconds = composition.states(home).load(name)
        show_if_json(_facts(name, seconds), as_json=json)

    @app.command("list")
    def list_states(home: HomeFlag, json: JsonFlag = False) -> None:
        """List the states, oldest first."""
        with errors_shown():
            for name, seconds in composition.states(home).every().items():
                facts = _facts(name, seconds)
                if json:
                    show(facts, as_json=True)
                else:
                    print(f"{facts['CreationDate']}  {name}")

    @app.command()
    def delete(name: NameArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Delete a saved state. The region does not change, and may be served."""
        with errors_shown():
            seconds = composition.states(home).delete(name)
        show_if_json(_facts(name, seconds), as_json=json)

    return app


def _facts(name: str, seconds: float) -> dict[str, str]:
    """`seconds` since the epoch: when the state was saved."""
    date = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"Name": name, "CreationDate": date}
