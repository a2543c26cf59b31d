import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from souche.cli import commands
from souche.cli.composition import Operated, Workshop
from souche.main import command_line
from tests.support.builder import PretendedBuilder

PUBLISHING = [["image", "publish"], ["image", "build"], ["image", "update"]]


class Souche:
    """The `souche` command in this process, on a home folder of its own, without a server."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.builder = PretendedBuilder()
        self.composition = replace(command_line.composition(), operate=self._operate)
        self._app = commands.build(self.composition)

    @contextmanager
    def _operate(self, path: Path, *, make: bool = False) -> Iterator[Operated]:
        with command_line.composition().operate(path, make=make) as region:

            def workshop() -> Workshop:
                return replace(region.workshop(), builder=self.builder)

            yield replace(region, workshop=workshop)

    def __call__(self, *arguments: object) -> list[dict[str, Any]]:
        """What a command that succeeds tells, as JSON, an object a line."""
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]

    def run(self, *arguments: object) -> str:
        """What a command that succeeds prints."""
        done = self.invoke(*arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    def refusal(self, *arguments: object) -> str:
        """What a command that fails says."""
        done = self.invoke(*arguments)
        assert done.exit_code == 1, done.output
        return done.stderr

    def invoke(self, *arguments: object) -> Result:
        """Run a command, however it ends."""
        runner = CliRunner()
        words = [str(each) for each in arguments]
        if words[:2] in PUBLISHING and "--verify" not in words:
            words.append("--no-verify")  # these disks have no system to boot
        end = 3 if words[:2] == ["account", "key"] else 2
        return runner.invoke(self._app, [*words[:end], "--home", str(self.home), *words[end:]])


@pytest.fixture
def souche(tmp_path: Path) -> Souche:
    return Souche(tmp_path / "home")
