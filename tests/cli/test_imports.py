"""What commands import. Each module costs every command, and each press of Tab."""

import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

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
MOST_MODULES = 450
"""of help and completion: typer and rich have nearly 400"""
HEAVY_FOR_RECORDS = HEAVY - {"cryptography", "sqlalchemy", "structlog"} | {
    "botocore",
    "psycopg",
    "rich.markdown",
    "souche.workflows.catalogue",
    "sqlalchemy.dialects.postgresql",
}
MOST_MODULES_FOR_RECORDS = 800
"""of commands that read and write records without a server: SQLAlchemy, pydantic and the use-cases have nearly 750"""


@pytest.mark.parametrize(
    ("words", "completing", "said"),
    [
        (["--version"], "", "souche 0"),
        (["--help"], "", "marketplace"),
        *(([name, "--help"], "", "Usage") for name in COMMANDS),
        (["image", "publish", "--help"], "", "--sha256"),
        (["account", "key", "create", "--help"], "", "Usage"),
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
    printed, modules = _run(words, completion if completing else {})
    assert said in printed
    assert _heavy(modules, HEAVY if completing else HEAVY | {"pydantic"}) == []
    assert len(modules) < MOST_MODULES


def test_accounts_and_quotas_need_few_modules_without_a_server(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path / "home")]
    _run(["account", "create", "alice", *home])
    for words, said in (
        (["account", "list"], "alice"),
        (["account", "show", "alice"], "alice"),
        (["account", "key", "list", "alice"], "ACTIVE"),
        (["account", "disable", "alice"], ""),
        (["quota", "show", "alice"], "vm_limit"),
        (["quota", "set", "alice", "vm_limit", "5"], ""),
    ):
        printed, modules = _run([*words, *home])
        assert said in printed
        assert "sqlalchemy" in modules
        assert _heavy(modules, HEAVY_FOR_RECORDS) == [], words
        assert len(modules) < MOST_MODULES_FOR_RECORDS, words


def _run(words: list[str], env: Mapping[str, str] = MappingProxyType({})) -> tuple[str, list[str]]:
    """What a command prints, and the modules that it imports."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | env,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = done.stderr.splitlines()[-1].split()
    assert "souche.main" in modules
    return done.stdout, modules


def _heavy(modules: list[str], heavy: Collection[str]) -> list[str]:
    """Those of `heavy` that were imported."""
    return sorted(set(heavy) & set(modules))
