"""Pages that are made from the code are fresh, and what the README names exists."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "souche"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
GUIDES = ("ARCHITECTURE.md", "docs/adding-an-action.md", "docs/databases.md", "docs/reads.md")
"""pages that lead through the code"""
OF_POSTGRESQL = {"pg_dump", "synchronous_standby_names"}


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.gen_docs", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_pages_name_exist(page: Path) -> None:
    """Paths below src/, tests/, tools/ and docs/ in backticks."""
    named = re.findall(r"`((?:src|tests|tools|docs)/[\w./-]+)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", GUIDES)
def test_paths_that_guides_name_exist(page: str) -> None:
    """Also those in drawings. They are relative to src/souche or to the repository; a bare name is anywhere."""
    named = re.findall(r"(?<![\w./<>-])[\w.-]+(?:/[\w.-]+)*(?:\.py\b|/(?=`))", _present(page))
    assert named
    assert [path for path in named if not _places(path)] == []


def test_the_search_for_paths_finds_those_in_drawings_and_tables() -> None:
    assert _places("http/endpoint.py") == [SOURCE / "http" / "endpoint.py"]
    assert _places("accelerator.py") == [SOURCE / "compute" / "libvirt" / "accelerator.py"]
    assert _places("http/no_such.py") == _places("no_such.py") == []
    text = _present("ARCHITECTURE.md")
    assert "http/endpoint.py " in text
    assert "`trust/linux/`" in text


@pytest.mark.parametrize("page", GUIDES)
def test_names_that_guides_name_after_a_file_are_in_it(page: str) -> None:
    """`api/protocol/answers.py: Answers.cached, answer` says that the file defines them."""
    lost = [
        f"{path}: {name}"
        for path, names in re.findall(r"`([\w/.]+\.py): ([\w., ]+)`", _present(page))
        for name in re.findall(r"\w+", names)
        if not any(_defines(file.read_text(), name) for file in _places(path))
    ]
    assert lost == []


@pytest.mark.parametrize("page", GUIDES)
def test_names_in_guides_are_in_the_code(page: str) -> None:
    """Classes, attributes, functions and constants in backticks."""
    named = re.findall(r"`([A-Z]\w+(?:\.\w+)*|[a-z]\w*(?:[_.]\w+)+)(?:\(.*?\))?`", _present(page))
    words = {word for name in named if not name.endswith((".md", ".py")) for word in name.split(".")}
    assert words
    assert words - _words_of_the_code() - OF_POSTGRESQL == set()


def _present(page: str) -> str:
    """A guide without its section about the past."""
    return (ROOT / page).read_text().partition("\n## Before")[0]


def _places(path: str) -> list[Path]:
    if "/" in path:
        return [root / path for root in (ROOT, SOURCE) if (root / path).exists()]
    return [ROOT / path] if (ROOT / path).exists() else [*SOURCE.rglob(path), *(ROOT / "tests").rglob(path)]


def _defines(source: str, name: str) -> bool:
    return (
        re.search(rf"^\s*(?:(?:async )?def|class) {name}\b|^\s*{name}\b[^=\n]*=", source, re.MULTILINE)
        is not None
    )


@cache
def _words_of_the_code() -> frozenset[str]:
    files = [
        *SOURCE.rglob("*.py"),
        *SOURCE.rglob("*.json"),
        *(ROOT / "tests").rglob("*.py"),
        *ROOT.glob("tools/*.py"),
    ]
    here = Path(__file__)
    files += [*ROOT.glob("*.toml"), ROOT / "Makefile"]
    return frozenset(word for file in files if file != here for word in re.findall(r"\w+", file.read_text()))


def test_names_of_the_glossary_exist() -> None:
    """The explained ones, in the named modules."""
    section = (ROOT / "ARCHITECTURE.md").read_text().partition("## Glossary")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \(([^)]*)\) \|", section, re.MULTILINE)
    assert rows
    for name, modules in rows:
        for module in re.findall(r"`([\w/.]+)`", modules):
            source = (ROOT / "src" / "souche" / module).read_text()
            assert re.search(rf"^class {name}\b", source, re.MULTILINE), f"{name} is not in {module}"
