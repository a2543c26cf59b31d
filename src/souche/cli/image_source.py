"""The source of a published disk: a file or a URL, and its checksums."""

import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, get_args
from urllib.parse import unquote, urlsplit

from souche import staged
from souche.app.official_images import MOST_BYTES
from souche.cli.composition import Workshop
from souche.cli.progress import transfer_bar
from souche.errors import Invalid
from souche.formats import vhd
from souche.formats.checksum_lists import Checksum
from souche.formats.disk_inspection import begins_as
from souche.formats.disk_names import said_by
from souche.formats.disk_refusals import WrongDiskFormat
from souche.model.disk_imports import SaidOfDisk, SourceFormat
from souche.objects.fetch import UrlNotFound
from souche.transfer import fetch_file, gate, signed_sums
from souche.transfer.gate import AdmittedDisk
from souche.value_refusals import BadValue

SIGNATURE_ENDS: Final = (".gpg", ".sign", ".asc", ".sig")
XZ: Final = ".xz"


class OtherFormat(Invalid):
    """The disk should have the format {expected}, and has {found}. If that is intended: --format {found}{packed}"""


class NoSuchFile(Invalid):
    """There is no regular file '{path}'."""


class ChecksumNeeded(Invalid):
    """A file from a URL needs a checksum: --sha256, or --sums with --key."""


class NotListed(Invalid):
    """The list of checksums has no '{name}'. It has: {names}."""


class NoSignature(Invalid):
    """There is no signature beside '{sums}' ({tried}), and none in its text: name it with --signature."""


@dataclass(frozen=True)
class ExpectedFile:
    """The operator's checksum for the file. `sums` and `signature` are paths or URLs."""

    sha256: str | None = None
    sums: str | None = None
    signature: str | None = None
    key: Path | None = None

    def check(self, source: str) -> None:
        """Refuse options that do not go together.

        Raises:
            BadValue, ChecksumNeeded.
        """
        if self.sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", self.sha256):
            raise BadValue(parameter="sha256", reason="it takes 64 hex digits.")
        if (self.sums is None) != (self.key is None):
            reason = "a list of checksums must be signed: --sums needs --key."
            raise BadValue(parameter="sums", reason=f"{reason} A checksum without a signature: --sha256")
        if self.signature is not None and self.sums is None:
            raise BadValue(parameter="signature", reason="it needs --sums.")
        if is_url(source) and self.sha256 is None and self.sums is None:
            raise ChecksumNeeded


def is_url(source: str) -> bool:
    """Whether it is a URL, not a path."""
    return source.lower().startswith(("http://", "https://"))


def name_of(source: str) -> str:
    """The file's own name."""
    return unquote(urlsplit(source).path).rpartition("/")[2] if is_url(source) else Path(source).name


@contextmanager
def taken_in(
    shop: Workshop, source: str, disk_format: SourceFormat | None, vouched: ExpectedFile
) -> Iterator[AdmittedDisk]:
    """A copy of the disk in the region's staging folder, through the gate. Unpublished copies are removed.

    Raises:
        NoSuchFile, ChecksumNeeded, BadValue, NotListed, ChecksumDiffers, BadSignature, and those of the gate and of
        fetch.
    """
    vouched.check(source)
    name = name_of(source)
    expected = _expected(shop, name, vouched)
    said, given = _said(name, disk_format), bool(expected)
    brought: AbstractContextManager[Path] = nullcontext(Path(source))
    if given:
        brought = _brought(shop, source, expected)
    with brought as file, _admitted(shop, file, said, given=given) as disk:
        yield disk


def _said(name: str, disk_format: SourceFormat | None) -> SaidOfDisk:
    packed = name.lower().endswith(XZ)
    said = said_by(name[: -len(XZ)] if packed else name)
    return replace(SaidOfDisk(disk_format or said.format or "qcow2", bool(said.gzip)), xz=packed)


@contextmanager
def _brought(shop: Workshop, source: str, expected: list[Checksum]) -> Iterator[Path]:
    """A copy of the source, made before the check, so that nobody can change it in between."""
    room = shop.room
    with staged.folder(shop.staging) as folder:
        file = folder / "brought"
        if is_url(source):
            fetcher = shop.fetcher_of(source)
            with transfer_bar() as on_progress:
                most = MOST_BYTES
                fetch_file.fetch(
                    fetcher,
                    source,
                    file,
                    most,
                    room,
                    lambda done, total: on_progress("downloading", done, total),
                )
        else:
            _check_regular(Path(source))
            fetch_file.copy(Path(source), file, room)
        for each in expected:
            fetch_file.check(file, name_of(source), each)
        yield file


def _expected(shop: Workshop, name: str, vouched: ExpectedFile) -> list[Checksum]:
    found = [Checksum("sha256", vouched.sha256.lower())] if vouched.sha256 else []
    if vouched.sums is None or vouched.key is None:
        return found
    sums = _small(shop, vouched.sums)
    signature = None if signed_sums.is_signed(sums) else _signature(shop, vouched)
    known = signed_sums.verified(sums, signature, _small(shop, str(vouched.key)))
    if name not in known:
        raise NotListed(name=name, names=", ".join(list(known)[:10]) or "nothing")
    return [*found, known[name]]


def _signature(shop: Workshop, vouched: ExpectedFile) -> bytes:
    if vouched.signature is not None:
        return _small(shop, vouched.signature)
    for end in SIGNATURE_ENDS:
        try:
            return _small(shop, f"{vouched.sums}{end}")
        except (NoSuchFile, UrlNotFound):
            continue
    raise NoSignature(sums=vouched.sums, tried=", ".join(SIGNATURE_ENDS))


def _small(shop: Workshop, source: str) -> bytes:
    """The content of a list, a signature or a key."""
    if is_url(source):
        fetcher = shop.fetcher_of(source)
        return fetch_file.fetch_small(fetcher, source, signed_sums.MOST_BYTES)
    _check_regular(Path(source))
    with Path(source).open("rb") as file:
        return file.read(signed_sums.MOST_BYTES)


def _check_regular(file: Path) -> None:
    if not file.is_file():
        raise NoSuchFile(path=file)


@contextmanager
def _admitted(shop: Workshop, file: Path, said: SaidOfDisk, *, given: bool) -> Iterator[AdmittedDisk]:
    _check_regular(file)
    first = _first_bytes(file)
    if said.format == "raw":
        _note_beginning(first, said)
    room = shop.room
    with staged.folder(shop.staging) as folder:
        with _advised(file, first, said):
            taken = gate.take_file(file, folder / "disk", said, MOST_BYTES, room, given=given)
        yield taken


@contextmanager
def _advised(file: Path, first: bytes, said: SaidOfDisk) -> Iterator[None]:
    """Adds advice if the file is a disk in another format. Treating a compressed disk as raw would publish the
    compressed bytes, and treating a VHD as raw would include its footer: the name must declare the format."""
    try:
        yield
    except WrongDiskFormat as error:
        found = "vhd" if _is_vhd(file) else error.fields["found"]
        if found not in get_args(SourceFormat):
            raise
        packed = gate.is_packed(first, SaidOfDisk()) and not said.gzip
        renamed = ", and a name that ends in .gz, as the file is packed" if packed else ""
        raise OtherFormat(expected=error.fields["expected"], found=found, packed=renamed) from error


def _is_vhd(file: Path) -> bool:
    with file.open("rb") as opened:
        return vhd.read_footer(opened, file.stat().st_size) is not None


def _note_beginning(first: bytes, said: SaidOfDisk) -> None:
    """A disk declared raw is raw. Print a note in case the declaration is a mistake."""
    found = begins_as(first)
    if found and not said.gzip and not said.xz:
        print(
            f"souche: the file begins like {found}; it is published as a raw disk, as stated",
            file=sys.stderr,
        )


def _first_bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(512)
