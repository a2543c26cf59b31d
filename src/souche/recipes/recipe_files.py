"""Reads a recipe from its TOML file. The keys are a table (`KEYS`); docs/recipes.md has each of them.

Nothing is guessed or ignored: an unknown key, a wrong type or an impossible value is an error that names
the file and the key.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from souche import toml_file
from souche.errors import Invalid
from souche.model.images import Architecture, BootMode
from souche.recipes.recipe import LEAST_DISK_GIB, MOST_DISK_GIB, AddedFile, Recipe

SUFFIX: Final = ".toml"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
MOST_FILE_BYTES: Final = 16 << 20
"""of one file that a recipe adds"""

_FAMILY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{2,99}")  # an image's name appends a date and a number
_SUITE: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]{1,127}")  # Debian policy, 5.6.7
_COMPONENT: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_PRODUCT_CODE: Final = re.compile(r"[0-9]{4}|pty-[0-9a-f]{8}")
_MODE: Final = re.compile(r"0?[0-7]{3}")


class BadRecipe(Invalid):
    """The recipe {file} is not valid: {reason}"""


class _Wrong(Exception):
    """An invalid value of a key; the text lists the valid ones."""


@dataclass(frozen=True)
class Key:
    """A key of a recipe: its field of `Recipe`, and the reader of its value, which gets the folder of the file."""

    field: str
    read: Callable[[Any, Path], object]
    required: bool = False

    @property
    def name(self) -> str:
        return self.field.replace("_", "-")


def read(file: Path, *, origin: str = "") -> Recipe:
    """The recipe in a file, which is named after it. `origin`: where from, if not from the file's own path.

    Raises:
        BadRecipe. OSError: the file cannot be read.
    """
    name = file.name.removesuffix(SUFFIX)
    if not NAME.fullmatch(name):
        reason = "a recipe's name has up to 64 lower-case letters, digits, dots and hyphens."
        raise BadRecipe(file=file, reason=reason)
    try:
        written = toml_file.read(file)
    except ValueError as error:
        raise BadRecipe(file=file, reason=f"it is not TOML: {error}") from error
    try:
        fields = _fields(written, KEYS, file.parent)
        if fields.get("architecture") == "i386":
            fields.setdefault("boot_modes", ("legacy",))
        return _checked(Recipe(**{"name": name, "origin": origin or str(file), **fields}))
    except _Wrong as error:
        raise BadRecipe(file=file, reason=str(error)) from error


def _fields(written: Mapping[str, object], keys: tuple[Key, ...], folder: Path) -> dict[str, Any]:
    known = {key.name: key for key in keys}
    for name in written:
        if name not in known:
            raise _Wrong(f"there is no key '{name}'. Keys: {', '.join(known)}.")
    missing = [key.name for key in keys if key.required and key.name not in written]
    if missing:
        raise _Wrong(f"the key '{missing[0]}' is missing.")
    return {known[name].field: _value(known[name], value, folder) for name, value in written.items()}


def _value(key: Key, value: object, folder: Path) -> object:
    try:
        return key.read(value, folder)
    except _Wrong as error:
        raise _Wrong(f"'{key.name}': {error}") from error


def _checked(recipe: Recipe) -> Recipe:
    """Rules across keys."""
    if recipe.architecture == "i386" and "uefi" in recipe.boot_modes:
        raise _Wrong("'boot-modes': an i386 image boots only by legacy.")
    if recipe.security_mirror and not recipe.security:
        raise _Wrong("'security-mirror': it needs security = true.")
    return recipe


def _text(pattern: re.Pattern[str], expected: str) -> Callable[[Any, Path], str]:
    def read_text(value: Any, _folder: Path) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _Wrong(f"{expected} is expected, not {value!r}.")
        return value

    return read_text


def _texts(pattern: re.Pattern[str], expected: str) -> Callable[[Any, Path], tuple[str, ...]]:
    one = _text(pattern, expected)

    def read_texts(value: Any, folder: Path) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise _Wrong(f"a list is expected, not {value!r}.")
        texts = tuple(one(each, folder) for each in value)
        doubled = [each for each in texts if texts.count(each) > 1]
        if doubled:
            raise _Wrong(f"{doubled[0]!r} occurs twice.")
        return texts

    return read_texts


def _some(pattern: re.Pattern[str], expected: str) -> Callable[[Any, Path], tuple[str, ...]]:
    """Texts, at least one."""
    several = _texts(pattern, expected)

    def read_some(value: Any, folder: Path) -> tuple[str, ...]:
        texts = several(value, folder)
        if not texts:
            raise _Wrong("the list is empty.")
        return texts

    return read_some


def _one_of(choices: tuple[str, ...]) -> tuple[re.Pattern[str], str]:
    return re.compile("|".join(map(re.escape, choices))), f"one of {', '.join(choices)}"


def _description(value: Any, _folder: Path) -> str:
    if not isinstance(value, str) or len(value) > 255 or not value.isprintable():
        raise _Wrong("up to 255 printable characters are expected.")
    return value


def _disk_gib(value: Any, _folder: Path) -> int:
    if type(value) is not int or not LEAST_DISK_GIB <= value <= MOST_DISK_GIB:
        raise _Wrong(f"a whole number of {LEAST_DISK_GIB} to {MOST_DISK_GIB} is expected, not {value!r}.")
    return value


def _truth(value: Any, _folder: Path) -> bool:
    if not isinstance(value, bool):
        raise _Wrong(f"true or false is expected, not {value!r}.")
    return value


def _date(value: Any, _folder: Path) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _Wrong(f"a date such as 2030-06-30 is expected, without quotes, not {value!r}.")
    return value


def _url(value: Any, _folder: Path) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) and re.fullmatch(r"[!-~]+", value) else None
    except ValueError:  # unbalanced brackets
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise _Wrong(f"an http or https URL is expected, not {value!r}.")
    if "@" in parts.netloc:
        raise _Wrong(
            "a URL without user and password is expected: everybody who launches the image could read it."
        )
    return str(value).rstrip("/")


def _command(value: Any, _folder: Path) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise _Wrong(f"a line for the shell is expected, not {value!r}.")
    return value


def _commands(value: Any, folder: Path) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Wrong(f"a list is expected, not {value!r}.")
    return tuple(_command(each, folder) for each in value)


def _files(value: Any, folder: Path) -> tuple[AddedFile, ...]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _Wrong("tables are expected, each under [[files]].")
    files = tuple(_file(each, folder) for each in value)
    paths = [each.path for each in files]
    doubled = [path for path in paths if paths.count(path) > 1]
    if doubled:
        raise _Wrong(f"{doubled[0]!r} occurs twice.")
    return files


def _file(written: Mapping[str, object], folder: Path) -> AddedFile:
    fields = _fields(written, FILE_KEYS, folder)
    if ("content" in fields) == ("source" in fields):
        raise _Wrong(f"{fields['path']!r} needs either 'content' or 'source'.")
    content = fields.pop("source", None) or str(fields.get("content", "")).encode()
    return AddedFile(fields["path"], content, fields.get("mode", 0o644))


def _image_path(value: Any, _folder: Path) -> str:
    good = isinstance(value, str) and value.isprintable() and value.startswith("/")
    if not good or str(PurePosixPath(value)) != value or ".." in value.split("/") or len(value) < 2:
        raise _Wrong(f"an absolute path is expected, without '..', not {value!r}.")
    return str(value)


def _content(value: Any, _folder: Path) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"a text is expected, not {value!r}.")
    return value


def _source(value: Any, folder: Path) -> bytes:
    """A file below the recipe's folder."""
    if not isinstance(value, str) or "\0" in value or not value:
        raise _Wrong(f"the name of a file beside the recipe is expected, not {value!r}.")
    file = (folder / value).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise _Wrong(f"{value!r} is not in the folder of the recipe.")
    if not file.is_file():
        raise _Wrong(f"there is no file {value!r} beside the recipe.")
    if file.stat().st_size > MOST_FILE_BYTES:
        raise _Wrong(f"{value!r} is larger than {MOST_FILE_BYTES >> 20} MiB.")
    return file.read_bytes()


def _mode(value: Any, _folder: Path) -> int:
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        raise _Wrong(f"an octal mode such as '0644' is expected, in quotes, not {value!r}.")
    return int(value, 8)


KEYS: Final = (
    Key("family", _text(_FAMILY, "3 to 100 letters, digits, '_', '.' and '-'"), required=True),
    Key("suite", _text(_SUITE, "the code name of a release, such as trixie,"), required=True),
    Key("description", _description),
    Key("architecture", _text(*_one_of(get_args(Architecture)))),
    Key("boot_modes", _some(*_one_of(get_args(BootMode)))),
    Key("disk_gib", _disk_gib),
    Key("product_codes", _some(_PRODUCT_CODE, "a code such as '0001' or 'pty-12345678'")),
    Key("components", _some(_COMPONENT, "a component of the archive, such as main,")),
    Key("packages", _texts(_PACKAGE, "the name of a Debian package")),
    Key("kernel", _text(_PACKAGE, "the name of a Debian package")),
    Key("updates", _truth),
    Key("security", _truth),
    Key("mirror", _url),
    Key("security_mirror", _url),
    Key("files", _files),
    Key("commands", _commands),
    Key("end_of_life", _date),
)

FILE_KEYS: Final = (
    Key("path", _image_path, required=True),
    Key("content", _content),
    Key("source", _source),
    Key("mode", _mode),
)
"""of a table under [[files]]"""
