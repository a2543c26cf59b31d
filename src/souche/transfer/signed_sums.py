"""Lists of checksums with an OpenPGP signature, verified by gpgv, as apt does: detached (Debian, Ubuntu) or around the
text (Fedora).

Only the keys of one file count. Only signed text is used: for a text with the signature around it, gpgv's output.
"""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from souche import run
from souche.errors import Invalid, ProgramFailed
from souche.formats import checksum_lists
from souche.formats.checksum_lists import Checksum

MOST_BYTES: Final = 4 * 1024 * 1024
"""of a list, a signature or a key file"""
SIGNED_MESSAGE: Final = b"-----BEGIN PGP SIGNED MESSAGE-----"
ARMOUR: Final = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
SECONDS: Final = 60
STATUSES: Final = (0, 2)
"""gpgv ends with status 2 if it does not know one of the keys, even if another signature is good."""
GOOD: Final = frozenset({"GOODSIG", "VALIDSIG"})
DO_NOT_COUNT: Final = frozenset({"EXPSIG", "EXPKEYSIG", "REVKEYSIG", "ERRSIG"})
FORGED: Final = frozenset({"BADSIG", "NODATA", "UNEXPECTED", "ERROR", "FAILURE"})
"""Messages that invalidate every other signature: one does not match the text, or there is other data."""


class BadSignature(Invalid):
    """The list of checksums is not signed by that key: {reason}"""


class BadKeyFile(Invalid):
    """The key file has no OpenPGP public key."""


def is_signed(sums: bytes) -> bool:
    """Whether the text is inside its signature."""
    return sums.lstrip().startswith(SIGNED_MESSAGE)


def verified(sums: bytes, signature: bytes | None, key: bytes) -> Mapping[str, Checksum]:
    """The checksums of a list with a good signature. `signature` is the detached one; None: it is in the list itself.
    `key`: public keys, binary or in ASCII armour.

    Raises:
        BadSignature, BadKeyFile. ProgramMissing: there is no gpgv.
    """
    with TemporaryDirectory() as folder:
        text = _signed_text(Path(folder), sums, signature, key)
    return checksum_lists.parse(text.decode(errors="replace"))


def _signed_text(folder: Path, sums: bytes, signature: bytes | None, key: bytes) -> bytes:
    (folder / "key.gpg").write_bytes(_binary(key))
    (folder / "sums").write_bytes(sums)
    argv = ["gpgv", "--homedir", str(folder), "--keyring", str(folder / "key.gpg"), "--status-fd", "1"]
    if signature is None:
        files = ["--output", str(folder / "text"), str(folder / "sums")]
    else:
        (folder / "signature").write_bytes(signature)
        files = [str(folder / "signature"), str(folder / "sums")]
    try:
        said = run.run([*argv, *files], timeout_seconds=SECONDS, statuses=STATUSES)
    except ProgramFailed as error:
        raise BadSignature(reason=str(error.fields["stderr"])) from error
    _check(said.decode(errors="replace"))
    return (folder / "text").read_bytes() if signature is None else sums


def _check(said: str) -> None:
    """One good signature is enough, as for apt: other signatures may be by unknown or expired keys. gpgv's lines on a
    signature follow its NEWSIG."""
    words = [line.split()[1] for line in said.splitlines() if line.startswith("[GNUPG:] ")]
    signatures: list[set[str]] = []
    for word in words:
        if word == "NEWSIG":
            signatures.append(set())
        elif signatures:
            signatures[-1].add(word)
    is_good = any(each >= GOOD and not each & DO_NOT_COUNT for each in signatures)
    if FORGED & set(words) or not is_good:
        wrong = sorted((FORGED | DO_NOT_COUNT | {"NO_PUBKEY"}) & set(words))
        raise BadSignature(reason=", ".join(wrong) or "there is no signature.")


def _binary(key: bytes) -> bytes:
    """The keys as gpgv reads them, without ASCII armour (RFC 9580, 6.2) of one or more blocks."""
    if ARMOUR not in key:
        return key
    blocks = key.split(ARMOUR)[1:]
    try:
        return b"".join(map(_dearmoured, blocks))
    except (binascii.Error, ValueError) as error:
        raise BadKeyFile from error


def _dearmoured(block: bytes) -> bytes:
    """Headers end at an empty line; the checksum begins with `=`."""
    body = block.replace(b"\r", b"").partition(b"\n\n")[2].partition(b"-----END")[0]
    lines = [line for line in body.splitlines() if not line.startswith(b"=")]
    return base64.b64decode(b"".join(lines), validate=True)
