"""What commands import. Each module costs every command, and each press of Tab."""

import os
import subprocess
import sys

import pytest

from souche.cli.commands import COMMANDS

HEAVY = {
    "alembic",
    "boto3",
    "botocore",
    "cryptography",
    "dbos",
    "libvirt",
    "sqlalchemy",
    "starlette",
    "structlog",
    "uvicorn",
}
COUNTED = """
import sys
sys.argv[0] = "souche"
from souche.main import cli
try:
    cli()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""
MOST_MODULES = 700
"""What typer, rich and pydantic (which typer imports where it is installed) take, and as much again."""


@pytest.mark.parametrize(
    ("words", "completing", "said"),
    [
        (["--version"], "", "souche 0"),
        (["--help"], "", "marketplace"),
        *(([name, "--help"], "", "Usage") for name in COMMANDS),
        (["image", "publish", "--help"], "", "--sha256"),
        ([], "souche im", "import"),
        ([], "souche serve --li", "--listen"),
    ],
)
def test_what_does_no_work_imports_nothing_that_does(words: list[str], completing: str, said: str) -> None:
    completion = {
        "_SOUCHE_COMPLETE": "complete_bash",
        "COMP_WORDS": completing,
        "COMP_CWORD": str(len(completing.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | (completion if completing else {}),
        check=False,
    )
    assert said in done.stdout
    modules = done.stderr.split()
    assert "souche.main" in modules
    assert sorted(HEAVY & {module.partition(".")[0] for module in modules}) == []
    assert len(modules) < MOST_MODULES
