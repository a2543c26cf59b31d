"""Aliases of images: `web@stable`, `Debian-12@latest`. docs/aliases.md describes them."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

LATEST: Final = "latest"
"""the channel that follows a family"""
MARK: Final = "@"
"""Names of images cannot contain it (`app/images.NAME`), so a name with it is an alias."""
WILDCARD: Final = "*"

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_NAME: Final = re.compile(r"(?=.{1,100}\Z)[a-zA-Z0-9_().-]+( [a-zA-Z0-9_().-]+)*")
"""Only single spaces, and none at the ends, so that no two names look the same."""
_CHANNEL: Final = re.compile(r"[a-zA-Z0-9_.-]{1,32}")


@dataclass(frozen=True)
class AliasName:
    """`NAME@CHANNEL`, or `ACCOUNT/NAME@CHANNEL` for one of another account. Case does not count."""

    name: str
    channel: str
    account_id: str | None = None

    @property
    def key(self) -> str:
        """Equal for names that differ in case only."""
        return self.name.lower()

    @property
    def is_well_formed(self) -> bool:
        """Whether a new alias may have this name."""
        return bool(_NAME.fullmatch(self.name) and _CHANNEL.fullmatch(self.channel))

    def alias_id(self, account_id: str) -> str:
        """The key of the record of an account's alias with this name."""
        return f"{account_id}/{self.key}{MARK}{self.channel}"


def is_alias(text: str) -> bool:
    """Whether a text names an alias and not an image. Patterns match images only."""
    return MARK in text and WILDCARD not in text


def parsed(text: str) -> AliasName | None:
    """The name in a text; None: it is not a name."""
    before, mark, channel = text.rpartition(MARK)
    if not mark or not before or not channel:
        return None
    account, slash, name = before.partition("/")
    if slash and _ACCOUNT.fullmatch(account):
        return AliasName(name, channel.lower(), account) if name else None
    return AliasName(before, channel.lower())


@dataclass(frozen=True)
class AliasChange:
    """An image that an alias named, and since when."""

    image_id: str
    date: datetime


@dataclass(frozen=True)
class ImageAlias:
    """An alias of an account. `history` is in the order of its changes.

    `live`: the image is available and not withdrawn, and the alias's owner may use it; an alias that is not live
    resolves to nothing. `follows_family`: it was not set by hand, but names the newest image of a family. `image_id` is
    None if the family has no live image. `official`: it is the provider's.
    """

    account_id: str
    name: AliasName
    image_id: str | None
    live: bool
    creation_date: datetime
    history: tuple[AliasChange, ...]
    follows_family: bool = False
    official: bool = False

    def told_to(self, account_id: str | None) -> str:
        """The alias's name for an account: without the owner for its own aliases and the provider's."""
        short = f"{self.name.name}{MARK}{self.name.channel}"
        return short if self.official or self.account_id == account_id else f"{self.account_id}/{short}"

    @property
    def alias_id(self) -> str:
        """Its id among all aliases."""
        return self.name.alias_id(self.account_id)

    @property
    def date(self) -> datetime:
        """Since when it names its image."""
        return self.history[-1].date if self.history else self.creation_date
