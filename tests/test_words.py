"""Messages below `api/` and `cli/` name terms; each door puts them into its own words. No text is written in words that
make a reader translate it."""

import ast
import pickle
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

import souche
from souche.api.protocol import spec
from souche.api.protocol.errors import envelope
from souche.api.protocol.words import WORDS as API
from souche.cli import commands
from souche.cli.words import WORDS as COMMAND_LINE
from souche.errors import SoucheError, StorageFailed
from souche.main import command_line
from souche.objects.fetch import DownloadFailed
from souche.value_refusals import BadImageName, BadManifest, BadValue, IncompatibleParameters
from souche.words import MARKS, PLAIN, Phrase, Term
from souche.workflows.engine import reason_of
from tests.test_errors import kinds

SOURCES = Path(souche.__file__).parent
ABOVE = ("admin/", "api/", "cli/", "http/")
OTHER_WORDS = {
    "app/image_copies.py": "a copied snapshot's description, as the real service writes it",
    "app/image_imports.py": "members of manifests, and an imported snapshot's description",
    "app/images.py": "a snapshot's description, as the real service writes it",
    "config/table.py": "help of `souche serve`, which names the API's actions",
    "formats/companion.py": "members of a file",
    "formats/manifest.py": "members of a file",
    "main/destroying.py": "members of a file",
    "main/public_range.py": "advice to the operator, who has the API",
    "main/serving.py": "members of a file",
    "objects/emptying.py": "members of S3's answers",
    "trust/windows/checks.py": "Windows's answer file",
    "workflows/exports.py": "actions, as `souche fault add` takes them",
}
"""files with words that look like the API's and are not, or are data"""
NOT_PLAIN = (
    "anew",
    "are to be",
    "at the most",
    "behind our back",
    "brings back",
    "brought back",
    "by way of",
    "ever other",
    "for ever",
    "go by",
    "go on with",
    "goes by",
    "goes on with",
    "gone on with",
    "in good order",
    "in the place of",
    "is had",
    "is to be",
    "is to be had",
    "lest",
    "let go of",
    "lets go of",
    "look into",
    "looked into",
    "looks into",
    "makes haste",
    "passed over",
    "see to it",
    "seen to be",
    "sees to it",
    "so long as",
    "so many",
    "stands on itself",
    "taken for granted",
    "tell of",
    "tells of",
    "thereby",
    "told of",
    "what became of",
    "what becomes of",
    "what comes of",
    "what there is",
    "whatever becomes of",
    "whatever happens",
    "wherefrom",
    "whoever",
)
"""each has a plainer word: again, will be, at most, use, instead of, release, this many, has, notice, result, continue,
inspect, restore, forever"""
WORD = re.compile(r"\w+")
MEMBER = re.compile(r"[A-Z]\w*[a-z]\w*[A-Z]\w*")


def texts(path: Path) -> Iterator[str]:
    """The strings in a file, without docstrings."""
    tree = ast.parse(path.read_text())
    prose = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in prose:
            yield node.value


@cache
def wire_words() -> set[str]:
    """The names of actions, and of members of requests and answers, that are more than one English word."""
    members = {
        name for schema in spec.document()["schemas"].values() for name in schema.get("properties", {})
    }
    return {word for word in {*spec.action_names(), *members} if MEMBER.fullmatch(word)}


def test_no_word_of_the_wire_stands_below_the_api() -> None:
    known, found = wire_words(), {}
    assert {"ImageId", "FileLocation", "DeleteExportTask"} <= known
    for path in SOURCES.rglob("*.py"):
        name = path.relative_to(SOURCES).as_posix()
        if name.startswith(ABOVE) or known.isdisjoint(WORD.findall(path.read_text())):
            continue
        used = {word for text in texts(path) for word in WORD.findall(text)} & known
        if used:
            found[name] = used
    assert {name: words for name, words in found.items() if name not in OTHER_WORDS} == {}
    assert {*OTHER_WORDS} <= {*found}


def test_texts_are_plain_english() -> None:
    phrases = "|".join(r"\s+(?:#\s+)?".join(phrase.split()) for phrase in NOT_PLAIN)
    pattern = re.compile(rf"\b(?:{phrases})\b", re.IGNORECASE)
    root = SOURCES.parent.parent
    files = [path for folder in (SOURCES, root / "tests", root / "tools") for path in folder.rglob("*.py")]
    found = {
        f"{path.relative_to(root)}: {match[0]}"
        for path in [*files, root / "CHANGELOG.md", root / "ARCHITECTURE.md"]
        if path != Path(__file__).resolve()
        for match in pattern.finditer(path.read_text())
    }
    assert found == set()


def test_no_message_has_a_word_of_the_wire() -> None:
    for kind in {*kinds(SoucheError)}:
        if not kind.__module__.startswith(("souche.api.", "souche.cli.", "souche.http.")):
            assert wire_words().isdisjoint(WORD.findall(kind.template)), kind


def test_a_refusal_below_the_api_names_a_term() -> None:
    for path in SOURCES.rglob("*.py"):
        if not path.relative_to(SOURCES).as_posix().startswith(ABOVE):
            assert not re.search(r"""parameter=f?["']""", path.read_text()), path


def test_every_slot_is_a_term() -> None:
    for kind in {*kinds(SoucheError)}:
        for _, field, _, _ in string.Formatter().parse(kind.template):
            if field and field.startswith("word"):
                assert field[len("word[") : -1] in {*Term}, kind


def test_the_api_calls_fields_by_its_own_words() -> None:
    known = {name for schema in spec.document()["schemas"].values() for name in schema.get("properties", {})}
    own = {
        *spec.action_names(),
        "Days",
        "PreSignedUrl",
        "ReadImageReports",
        "UpdateImageAlias",
    }  # Souche's, and manifests'
    for term in Term:
        if API[term] != PLAIN[term]:
            assert {*API[term].split(".")} <= known | own, term


def test_the_command_line_calls_fields_by_its_options() -> None:
    options: set[str] = set()

    def gather(command: Any) -> None:
        options.update(option for each in command.params for option in each.opts)
        for below in getattr(command, "commands", {}).values():
            gather(getattr(below, "loaded", below))

    gather(typer.main.get_command(commands.build(command_line.composition())))
    assert {COMMAND_LINE[term] for term in Term if COMMAND_LINE[term].startswith("-")} <= options


@pytest.mark.parametrize(
    ("error", "api", "line"),
    [
        (
            BadImageName(name="{x}"),
            "The ImageName '{x}' is not valid. Constraints: [a-zA-Z0-9_ ()/.-], length: (3, 128).",
            "The --name '{x}' is not valid. Constraints: [a-zA-Z0-9_ ()/.-], length: (3, 128).",
        ),
        (
            BadValue(parameter=Term.BOOT_MODE, reason=Phrase("it has no {word[tpm]} {what}", what="{word}")),
            "The value of the parameter 'BootMode' is not valid: it has no TpmEnabled {word}",
            "The value of the parameter '--boot-mode' is not valid: it has no TPM {word}",
        ),
        (
            BadManifest(reason=BadValue(parameter=Term.DAYS, reason="no")),
            "The manifest is not valid: The value of the parameter 'Days' is not valid: no",
            "The manifest is not valid: The value of the parameter '--days' is not valid: no",
        ),
    ],
)
def test_each_door_puts_a_refusal_into_its_words(error: Exception, api: str, line: str) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert envelope(again)["Errors"][0]["Details"] == api  # type: ignore[index]
    assert again.worded(COMMAND_LINE) == line


def test_a_reason_on_record_is_shown_in_the_words_of_each_door() -> None:
    kept = reason_of(DownloadFailed(parameter=Term.FILE_LOCATION, reason="a {word[nothing]} {word[vm_id"))
    assert kept == "The download of '{word[file_location]}' failed: a {word[nothing]} {word[vm_id"
    assert API.fill(kept) == "The download of 'FileLocation' failed: a {word[nothing]} {word[vm_id"
    assert PLAIN.fill(kept) == "The download of 'file location' failed: a {word[nothing]} {word[vm_id"
    assert API.fill("as a former release wrote it: 'FileLocation'").endswith("'FileLocation'")
    assert MARKS.fill(kept) == kept


def test_what_a_failure_tells_is_in_the_words_of_the_door() -> None:
    error = StorageFailed(reason="no")
    error.__cause__ = StorageFailed(reason=Phrase("{word[image_id]}"))
    assert error.public_message(API) == "The volume store failed: The volume store failed: ImageId"
    assert str(IncompatibleParameters(reason=Phrase("{a}", a=Term.VM_IDS))).endswith("VM IDs")
