"""souche notices"""

from collections.abc import Callable

from souche.cli import which_account
from souche.cli.actions import notices
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, show


def build(composition: Composition) -> Callable[..., None]:
    """The command that shows an account's notices."""

    def show_notices(
        home: HomeFlag, account: which_account.AccountFlag = None, json: JsonFlag = False
    ) -> None:
        """Show an account's notices about images that it launched, copied or was granted: unshared, deprecated,
        withdrawn, replaced, deleted (/souche/v1/ReadNotices)."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(notices.of_account, account)
        for facts in found:
            if json:
                show(facts, as_json=True)
            else:
                print("  ".join(str(value) for value in facts.values() if value))

    return show_notices
