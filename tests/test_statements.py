"""Only `db` sends statements: other rooms hand a transaction to its functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import souche

ROOT = Path(souche.__file__).parent
SENDING = {"execute", "exec_driver_sql", "scalar", "scalars", "begin_nested", "rollback"}
OTHER_DATABASES = {
    "workflows/journal_file.py": "the journal's file, by sqlite3",
    "workflows/durable.py": "the journal's file, by sqlite3",
    "trust/linux/release.py": "the packages of an RPM system, in its disk's own SQLite file",
}


def sent(source: str) -> Iterator[str]:
    """The calls in a module of a transaction's methods that send something to the database."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SENDING:
            yield f"line {node.lineno}: {ast.unparse(node.func)}"


def test_a_statement_is_seen() -> None:
    assert list(sent("connection.execute(text)")) == ["line 1: connection.execute"]


def test_no_other_room_sends_statements() -> None:
    rooms = [path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] != "db"]
    assert len(rooms) > 100
    found = {
        name: calls
        for path in rooms
        if (name := str(path.relative_to(ROOT))) not in OTHER_DATABASES
        and (calls := list(sent(path.read_text())))
    }
    assert found == {}
