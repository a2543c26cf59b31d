"""The disk in an OVA: a tar archive (pax(1), ustar and GNU) of a description and, for Souche, exactly one disk (DMTF
DSP0243). It is read front to back, so the archive itself is never stored.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from souche.errors import Invalid
from souche.formats.disk_names import said_by
from souche.model.disk_imports import SaidOfDisk

BLOCK_BYTES: Final = 512
REGULAR: Final = (b"0", b"\0")
LONG_NAME: Final = b"L"
PAX: Final = b"x"
PAX_OF_ALL: Final = b"g"
MOST_EXTRA_BYTES: Final = 1024 * 1024
MOST_MEMBERS: Final = 1000
PIECE_BYTES: Final = 1024 * 1024


class BadOva(Invalid):
    """The OVA cannot be imported: {reason}"""


class OvaDisk:
    """The disk in an OVA stream. `said` is the declaration in the disk's name, once `pieces` has yielded."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = iter(stream)
        self._left = b""
        self._next: dict[str, str] = {}
        self.said = SaidOfDisk()
        self._name = ""

    def pieces(self) -> Iterator[bytes]:
        """The disk's bytes. The rest of the archive is read after them.

        Raises:
            BadOva: the archive is damaged, or does not have exactly one acceptable disk.
        """
        for _ in range(MOST_MEMBERS):
            header = self._take(BLOCK_BYTES)
            if not any(header):
                break
            yield from self._member(header)
        else:
            raise BadOva(reason=f"it has more than {MOST_MEMBERS} members.")
        if not self._name:
            raise BadOva(reason="it has no disk (.vmdk, .vhd, .vhdx, .qcow2 or .raw).")
        for _ in self._stream:
            """Padding of the archive."""

    def _member(self, header: bytes) -> Iterator[bytes]:
        name, kind, length = _parse(header)
        if kind in (PAX, LONG_NAME):
            self._next |= self._extra(kind, length)
            return
        if kind == PAX_OF_ALL:
            self._extra(kind, length)
            return
        name, length = self._next.get("path", name), _digits(self._next.get("size", ""), length)
        self._next = {}
        said = said_by(name)
        if kind in REGULAR and said.format:
            self._choose(name, said)
            yield from self._content(length)
            return
        for _ in self._content(length):
            """Bytes of other members."""

    def _extra(self, kind: bytes, length: int) -> dict[str, str]:
        """The fields of an extension header for the next member."""
        if length > MOST_EXTRA_BYTES:
            raise BadOva(reason="it is damaged.")
        data = b"".join(self._content(length))
        if kind == LONG_NAME:
            return {"path": data.rstrip(b"\0").decode("latin-1")}
        return dict(_records(data))

    def _choose(self, name: str, said: SaidOfDisk) -> None:
        if self._name:
            raise BadOva(reason="it has more than one disk: unpack it with `tar xf`, and import each disk.")
        if said.gzip or said.format == "ova":
            raise BadOva(
                reason=f"its disk {name[-40:]} is compressed: unpack the OVA with `tar xf`, then the disk."
            )
        self.said, self._name = said, name

    def _content(self, length: int) -> Iterator[bytes]:
        left = length
        while left:
            piece = self._take(min(left, PIECE_BYTES))
            left -= len(piece)
            yield piece
        self._take(-length % BLOCK_BYTES)

    def _take(self, length: int) -> bytes:
        taken = [self._left]
        have = len(self._left)
        while have < length:
            piece = next(self._stream, b"")
            if not piece:
                raise BadOva(reason="it is cut short.")
            taken.append(piece)
            have += len(piece)
        data = b"".join(taken)
        self._left = data[length:]
        return data[:length]


def _parse(header: bytes) -> tuple[str, bytes, int]:
    """Name, type and length of a member.

    Raises:
        BadOva: this is no header.
    """
    told = header[148:156].strip(b" \0")
    total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    try:
        if int(told or b"0", 8) != total:
            raise BadOva(reason="it is damaged, or not a tar archive.")
        return header[:100].rstrip(b"\0").decode("latin-1"), header[156:157], _length(header[124:136])
    except ValueError as error:
        raise BadOva(reason="it is damaged, or not a tar archive.") from error


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    """The records of a pax header: `LENGTH KEY=VALUE` and a line break each."""
    while data:
        digits, _, _ = data.partition(b" ")
        length = _digits(digits.decode("latin-1"), 0)
        if not len(digits) + 1 < length <= len(data):
            raise BadOva(reason="it is damaged.")
        key, _, value = data[len(digits) + 1 : length - 1].decode("latin-1").partition("=")
        yield key, value
        data = data[length:]


def _digits(text: str, otherwise: int) -> int:
    """A number; without digits, another one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else otherwise


def _length(field: bytes) -> int:
    """In octal digits; or, with the first bit set, in binary (GNU)."""
    if field[0] & 0x80:
        return int.from_bytes(field) - (0x80 << (8 * (len(field) - 1)))
    digits = field.strip(b" \0") or b"0"
    if not digits.isdigit():
        raise ValueError(digits)
    return int(digits, 8)
