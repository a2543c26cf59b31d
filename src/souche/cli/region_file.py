"""The file of `souche up`: one region with its settings, accounts and images, in TOML (docs/developing-against.md).

Nothing is guessed or ignored: an unknown key, a wrong type or an impossible value is an error that names
the file, the table and the key. Paths begin at the file's folder.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast, get_args

from souche import small_file, toml_file
from souche.app import accounts, official_images
from souche.app.access_keys import Credentials
from souche.app.context import texts
from souche.cli.config_file import suggestion, table_settings
from souche.cli.image_source import ExpectedFile, is_url
from souche.cli.publishing import Publication
from souche.config import BadSetting, ConfigFile
from souche.errors import Invalid
from souche.formats import ssh_keys
from souche.model.disk_imports import SourceFormat
from souche.model.images import Architecture, BootMode
from souche.model.quotas import QUOTAS
from souche.recipes.recipe import Recipe
from souche.recipes.shelf import Shelf
from souche.small_file import TooLarge
from souche.value_refusals import BadKey, BadValue, ValueTooLong
from souche.words import Term

SERVE: Final = "serve"
HOME: Final = "home"
FILE_KEYS: Final = ("file", "tiny", "recipe")
KEYS: Final = {
    Term.ACCESS_KEY: "access-key",
    Term.ACCOUNT_ALIAS: "alias",
    Term.ACCOUNT_NAME: "name",
    Term.DESCRIPTION: "description",
    Term.OFFICIAL_NAME: "name",
    Term.SECRET_KEY: "secret-key",
}
"""what tables call the fields that checks refuse"""


class BadRegionFile(Invalid):
    """The file {file} is not valid: {reason}"""


@dataclass(frozen=True)
class KeypairEntry:
    """A key pair; `public_key` is in a form that `formats/ssh_keys` reads."""

    name: str
    public_key: str


@dataclass(frozen=True)
class AccountEntry:
    """An account. `credentials` None: its first access key is a new one. `quotas` are limits by name."""

    name: str
    alias: str | None
    credentials: Credentials | None
    quotas: Mapping[str, int]
    keypairs: tuple[KeypairEntry, ...]


@dataclass(frozen=True)
class RecipeEntry:
    """An image that a recipe builds. `account` is a name or an ID; None for the provider's."""

    recipe: Recipe
    account: str | None
    verify: bool

    @property
    def family(self) -> str:
        """What the image is an update of."""
        return self.recipe.family


@dataclass(frozen=True)
class RegionFile:
    """The whole file. `serve` has the settings of `souche serve`; `state` is a named state that is loaded before.
    An image is published once: of a disk, or by a recipe."""

    serve: ConfigFile
    state: str | None
    accounts: tuple[AccountEntry, ...]
    images: tuple[Publication | RecipeEntry, ...]


def read(path: Path) -> RegionFile:
    """The region in a file.

    Raises:
        BadRegionFile. NoRecipes, UnknownRecipe, BadRecipe: of an image by a recipe.
    """
    whole = _Table(path.resolve(), "", _toml(path))
    recipes = whole.path("recipes")
    found = RegionFile(
        _serve(whole),
        whole.text("state"),
        tuple(map(_account, whole.tables("accounts"))),
        tuple(_image(each, recipes) for each in whole.tables("images")),
    )
    whole.check_all_taken()
    whole.check_unique("accounts", [each.name for each in found.accounts])
    whole.check_unique("images", [each.family.lower() for each in found.images])
    if found.state is not None and found.serve.values.get("ephemeral"):
        raise whole.wrong("state", "an ephemeral region has no named states")
    return found


def _toml(path: Path) -> dict[str, Any]:
    try:
        return toml_file.read(path)
    except ValueError as error:
        raise BadRegionFile(file=path, reason=f"it is not TOML: {error}") from error


def _serve(whole: "_Table") -> ConfigFile:
    table = whole.table(SERVE)
    if HOME not in table.values:
        raise table.wrong(HOME, "it is missing: the folder of the region, by which `souche down` finds it")
    try:
        return table_settings(table.values, whole.file)
    except BadSetting as error:
        raise whole.wrong(SERVE, str(error.fields["reason"]).removeprefix(f"{whole.file}: ")) from error


def _account(table: "_Table") -> AccountEntry:
    name, alias = table.required_text("name"), table.text("alias")
    keypairs = tuple(map(_keypair, table.tables("keypairs")))
    with table.refusals_by_key():
        accounts.check_texts(name, alias)
    table.check_unique("keypairs", [each.name for each in keypairs])
    entry = AccountEntry(name, alias, _credentials(table), _quotas(table), keypairs)
    table.check_all_taken()
    return entry


def _credentials(table: "_Table") -> Credentials | None:
    key_id, secret, file = table.text("access-key"), table.text("secret-key"), table.path("secret-key-file")
    if secret is not None and file is not None:
        raise table.wrong("secret-key", "it cannot be used with secret-key-file")
    if file is not None:
        secret = table.content("secret-key-file", file).strip()
    if (key_id is None) != (secret is None):
        raise table.wrong("access-key", "it needs secret-key or secret-key-file")
    if key_id is None or secret is None:
        return None
    credentials = Credentials(key_id, secret)
    with table.refusals_by_key():
        credentials.check()
    return credentials


def _quotas(table: "_Table") -> dict[str, int]:
    quotas, known = table.table("quotas"), [each.name for each in QUOTAS]
    for name, value in quotas.values.items():
        if name not in known:
            raise quotas.wrong(name, f"there is no such quota{suggestion(name, known)}")
        if type(value) is not int or value < 0:
            raise quotas.wrong(name, "a whole number is expected; 0 is no limit")
    return dict(quotas.values)


def _keypair(table: "_Table") -> KeypairEntry:
    name, key, file = table.required_text("name"), table.text("public-key"), table.path("public-key-file")
    if (key is None) == (file is None):
        raise table.wrong("public-key", "either it or public-key-file is expected")
    text = key if file is None else table.content("public-key-file", file)
    try:
        ssh_keys.parse(str(text).encode())
    except BadKey as error:
        raise table.wrong("public-key", str(error)) from error
    table.check_all_taken()
    return KeypairEntry(name, str(text))


def _image(table: "_Table", recipes: Path | None) -> Publication | RecipeEntry:
    given = [key for key in FILE_KEYS if table.values.get(key)]
    if len(given) != 1:
        raise table.wrong("file", "one of file, tiny and recipe is expected")
    entry = _by_recipe(table, recipes) if given == ["recipe"] else _publication(table)
    table.check_all_taken()
    return entry


def _by_recipe(table: "_Table", recipes: Path | None) -> RecipeEntry:
    recipe = Shelf(recipes).get(table.required_text("recipe"))
    return RecipeEntry(recipe, table.text("account"), table.boolean("verify", default=True))


def _publication(table: "_Table") -> Publication:
    architecture = table.one_of("architecture", get_args(Architecture)) or "x86_64"
    disk = Publication(
        family=table.required_text("name"),
        file=None if table.boolean("tiny", default=False) else table.source("file"),
        disk_format=cast("SourceFormat | None", table.one_of("format", get_args(SourceFormat))),
        vouched=ExpectedFile(
            table.text("sha256"), table.source("sums"), table.source("signature"), table.path("key")
        ),
        boot_modes=table.texts("boot-modes", get_args(BootMode)) or ("legacy",),
        architecture=cast("Architecture", architecture),
        description=table.text("description") or "",
        account=table.text("account"),
        verify=table.boolean("verify", default=True),
    )
    with table.refusals_by_key():
        official_images.check_family(disk.family)
        texts.check_description(disk.description)
    try:
        disk.check()
    except Invalid as error:
        raise table.wrong("tiny", str(error)) from error
    return disk


class _Table:
    """A table of the file, whose keys are taken one by one; `check_all_taken` refuses the others."""

    def __init__(self, file: Path, where: str, values: object) -> None:
        self.file = file
        self._where = where
        self._taken: dict[str, None] = {}
        if not isinstance(values, dict):
            raise BadRegionFile(file=file, reason=f"{where}: a table is expected")
        self.values: dict[str, Any] = values

    def wrong(self, key: str, reason: str) -> BadRegionFile:
        """A key or its value is not valid."""
        where = f"{self._where}.{key}" if self._where else key
        return BadRegionFile(file=self.file, reason=f"{where}: {reason}.")

    @contextmanager
    def refusals_by_key(self) -> Iterator[None]:
        """Raises the refusal of a check as one of this file, with the value's key."""
        try:
            yield
        except BadValue as error:
            reason = str(error.fields["reason"]).removesuffix(".")
            raise self.wrong(KEYS[Term(str(error.fields["parameter"]))], reason) from error
        except ValueTooLong as error:
            reason = "it has {length} characters, and may have {most}".format(**error.fields)
            raise self.wrong(KEYS[Term(str(error.fields["parameter"]))], reason) from error

    def check_all_taken(self) -> None:
        """Refuse the keys that were not taken."""
        for key in self.values:
            if key not in self._taken:
                raise self.wrong(key, f"there is no such key{suggestion(key, self._taken)}")

    def check_unique(self, key: str, names: Iterable[str]) -> None:
        """Refuse a name that two tables of a list have."""
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise self.wrong(key, f"two have the name {name!r}")
            seen.add(name)

    def text(self, key: str) -> str | None:
        """A text; None: there is none."""
        value = self._take(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "a text is expected")
        return value

    def required_text(self, key: str) -> str:
        """A text that must be there."""
        value = self.text(key)
        if not value:
            raise self.wrong(key, "it is missing")
        return value

    def one_of(self, key: str, choices: Collection[str]) -> str | None:
        """One of some texts; None: there is none."""
        value = self.text(key)
        if value is not None and value not in choices:
            raise self.wrong(key, f"one of {', '.join(choices)} is expected")
        return value

    def texts(self, key: str, choices: Collection[str]) -> tuple[str, ...]:
        """A list of some of the choices; none if it is not there."""
        value = self._take(key)
        found = [] if value is None else value
        if not isinstance(found, list) or not all(each in choices for each in found):
            raise self.wrong(key, f"a list of some of {', '.join(choices)} is expected")
        return tuple(found)

    def boolean(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false is expected")
        return default if value is None else value

    def path(self, key: str) -> Path | None:
        """A path, below the file's folder unless it is absolute."""
        value = self.text(key)
        return None if value is None else self.file.parent / value

    def source(self, key: str) -> str | None:
        """A path or a URL."""
        value = self.text(key)
        return value if value is None or is_url(value) else str(self.file.parent / value)

    def content(self, key: str, file: Path) -> str:
        """The content of a file that a key names."""
        try:
            return small_file.read(file).decode()
        except OSError as error:
            raise self.wrong(key, f"{file}: {error.strerror}") from error
        except TooLarge as error:
            raise self.wrong(key, str(error).removesuffix(".")) from error
        except ValueError as error:
            raise self.wrong(key, f"{file} is not text") from error

    def table(self, key: str) -> "_Table":
        """The table of a key; an empty one if it is not there."""
        value = self._take(key)
        return _Table(self.file, self._below(key), {} if value is None else value)

    def tables(self, key: str) -> list["_Table"]:
        """The tables under [[key]], numbered from 1."""
        value = self._take(key)
        found = [] if value is None else value
        if not isinstance(found, list):
            raise self.wrong(key, f"tables are expected, each under [[{self._below(key)}]]")
        return [
            _Table(self.file, f"{self._below(key)} {number}", each) for number, each in enumerate(found, 1)
        ]

    def _below(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _take(self, key: str) -> Any:
        self._taken[key] = None
        return self.values.get(key)
