"""Pages that are made from the code are fresh, and what the README names exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


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


def test_paths_that_the_architecture_names_exist() -> None:
    """Also those in its drawings. They are relative to src/souche or to the repository; a bare name is anywhere."""
    named = re.findall(
        r"(?<![\w./<>])[\w.-]+(?:/[\w.-]+)*(?:\.py\b|/(?=`))", (ROOT / "ARCHITECTURE.md").read_text()
    )
    assert {"http/endpoint.py", "trust/linux/", "accelerator.py"} <= {*named}
    roots = (ROOT, ROOT / "src" / "souche")
    missing = [path for path in named if not any((root / path).exists() for root in roots)]
    assert [path for path in missing if "/" in path or not [*(ROOT / "src").rglob(path)]] == []


def test_names_of_the_glossary_exist() -> None:
    """Those that are explained, in the modules that are named."""
    section = (ROOT / "ARCHITECTURE.md").read_text().partition("## Glossary")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \(([^)]*)\) \|", section, re.MULTILINE)
    assert rows
    for name, modules in rows:
        for module in re.findall(r"`([\w/.]+)`", modules):
            source = (ROOT / "src" / "souche" / module).read_text()
            assert re.search(rf"^class {name}\b", source, re.MULTILINE), f"{name} is not in {module}"
