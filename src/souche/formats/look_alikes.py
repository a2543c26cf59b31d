"""Names that look alike."""

import unicodedata
from typing import Final

_LIKE: Final = {
    "a": "4@\u0430\u03b1\u0251",
    "c": "\u0441\u03f2",
    "e": "3\u0435",
    "l": "1i|!\u0131\u0269\u0456\u03b9\u0142\u029f",
    "o": "0\u00f8\u043e\u03bf",
    "s": "5$\u0455",
    "t": "7\u0167\u0442\u03c4",
    "u": "\u03c5\u0446",
}
"""For each letter, those that look like it once case and accents are removed. Other scripts have only look-alikes of
letters in "outscale" (https://www.unicode.org/reports/tr39/, "confusables")."""
_SAME: Final = str.maketrans({each: letter for letter, like in _LIKE.items() for each in like})


def look(name: str) -> str:
    """A form that look-alike names share: without case, accents, spaces, signs and invisible characters, and with one
    letter for those that are mistaken for one another."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return "".join(each for each in plain.translate(_SAME) if each.isalnum())


def is_latin(name: str) -> bool:
    """Whether a name has only Latin letters, digits, spaces and ASCII signs: readers cannot tell other letters
    apart."""
    return all(
        each.isascii() and each.isprintable()
        if not each.isalpha()
        else unicodedata.name(each, "").startswith("LATIN ") and ord(each) < 0x180
        for each in unicodedata.normalize("NFC", name)
    )
