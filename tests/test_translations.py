"""French pages say what the English ones said at the commit that they name, and tell readers if those have changed.

The first line of a French page names its original: `<!-- Translates docs/tls.md at COMMIT, sha256 DIGEST -->`. A
change of the original is translated, and its commit and digest named there; or the page gets the sentence OUTDATED
below its title. The digest is that of the English text, so that the commit is needed for outdated pages only.
"""

import hashlib
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from os.path import relpath
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.markdown import blocks_in, headings_in, inline_code_in, links_in, parts_in

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.fr.md", *ROOT.glob("docs/fr/**/*.md")])
FIRST_LINE = re.compile(r"<!-- Translates (\S+\.md) at ([0-9a-f]{40}), sha256 ([0-9a-f]{64}) -->")
OUTDATED = "> Cette traduction est en retard sur la [page en anglais]({link}), qui a changé depuis."
REMEDY = """

The English page has changed since its translation, or the translation was brought up to date. Either translate the
change and name the commit and the digest of the English page on the first line, without the sentence below the title;
or put that sentence there, as a paragraph of its own. The pages that need another line below their title:
"""
COMMENT = re.compile(r"(^|\s+)#.*$", re.MULTILINE)


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs git in this repository, which may belong to another user than the tests'."""
    command = ["git", "-c", f"safe.directory={ROOT}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Translation:
    """A French page, and the English one that it translates, as of a commit."""

    page: Path
    original: Path
    commit: str
    digest: str

    @property
    def text(self) -> str:
        return self.page.read_text()

    @property
    def translated(self) -> str:
        """The English text that was translated."""
        if not self.is_outdated:
            return self.english
        shown = git("show", f"{self.commit}:{self.original.relative_to(ROOT)}")
        assert shown.returncode == 0, shown.stderr
        return self._without_its_link(shown.stdout)

    @property
    def english(self) -> str:
        """The English text as it is now."""
        return self._without_its_link(self.original.read_text())

    @property
    def is_outdated(self) -> bool:
        """Whether the English page is another than the one that was translated."""
        return digest(self.english) != self.digest

    def _without_its_link(self, text: str) -> str:
        """An English text without the line that leads to this page: it needs no translation."""
        link = re.escape(f"]({relpath(self.page, self.original.parent)})")
        return re.sub(rf".*{link}.*\n\n?", "", text)

    @property
    def notice(self) -> str:
        """The line that tells readers that the page is out of date."""
        return OUTDATED.format(link=relpath(self.original, self.page.parent))


def digest(text: str) -> str:
    """Of an English text, as first lines name it."""
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def translation(page: Path) -> Translation:
    """Reads the first line of a French page."""
    first = page.read_text().partition("\n")[0]
    named = FIRST_LINE.fullmatch(first)
    assert named, f"{page}: the first line names no English page and commit: {first}"
    return Translation(page, ROOT / named[1], named[2], named[3])


def anchors(text: str) -> set[str]:
    """The fragments that lead to the headings of a page, as GitHub and GitLab make them."""
    titles = (title.lower() for _, title in headings_in(text))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@every_page
def test_a_translation_names_its_original(page: Path) -> None:
    named = translation(page)
    assert named.original.is_file()
    assert named.original not in PAGES
    assert digest(named.translated) == named.digest, "the commit has another text than the digest says"


def test_a_page_has_one_translation() -> None:
    originals = [translation(page).original for page in PAGES]
    assert len({*originals}) == len(originals)


@every_page
def test_a_translation_has_the_code_of_its_original(page: Path) -> None:
    """Comments in it may be translated."""
    named = translation(page)
    code = [(each.language, COMMENT.sub("", each.text)) for each in blocks_in(named.text)]
    assert code == [(each.language, COMMENT.sub("", each.text)) for each in blocks_in(named.translated)]
    assert {*inline_code_in(named.text)} == {*inline_code_in(named.translated)}


@every_page
def test_a_translation_has_the_parts_of_its_original(page: Path) -> None:
    """Headings, paragraphs, lists and rows of tables, in the same order."""
    named = translation(page)
    assert parts_in(named.text.replace(named.notice, "")) == parts_in(named.translated)


@every_page
def test_links_of_translations_lead_to_french_pages_if_there_are_any(page: Path) -> None:
    named = translation(page)
    translated = {translation(each).original for each in PAGES}
    for link in links_in(named.text.replace(named.notice, "")):
        path, _, fragment = link.partition("#")
        if path.startswith(("http:", "https:")):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target not in translated, f"{link}: has a French page"
        assert not fragment or unquote(fragment) in anchors(target.read_text()), link


def test_a_translation_says_whether_it_is_out_of_date() -> None:
    wrong = []
    for named in map(translation, PAGES):
        _, title, below = [each for each in named.text.split("\n") if each][:3]
        assert title.startswith("# "), named.page
        changed = named.is_outdated
        if changed != (below == named.notice) or (not changed and OUTDATED[:40] in named.text):
            needed = f"add: {named.notice}" if changed else f"remove: {below}"
            if changed:
                needed += f"\n    (or translate the change: sha256 {digest(named.english)})"
            wrong.append(f"{named.page.relative_to(ROOT)}: {needed}")
    assert not wrong, REMEDY + "\n".join(wrong)
