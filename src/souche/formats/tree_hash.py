"""The SHA-256 tree hash of a disk: holes cost almost nothing, while SHA-256 itself must process every zero.

Source: Amazon S3 Glacier, "Computing Checksums" (botocore.utils.calculate_tree_hash is another implementation). The
leaves are the SHA-256 of every MiB. Neighbours are joined and hashed, level by level, up to one; an odd one moves up
unchanged. A subtree of zeros depends on its height only. Disks up to 1 MiB have their plain SHA-256.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from souche.formats.extents import Bytes, Chunk

LEAF_BYTES: Final = 1024 * 1024
ZERO_LEAF: Final = memoryview(bytes(LEAF_BYTES))


@cache
def _zero_subtree(height: int) -> bytes:
    """The hash over 2**height leaves of zeros."""
    if height == 0:
        return hashlib.sha256(ZERO_LEAF).digest()
    return _joined(_zero_subtree(height - 1), _zero_subtree(height - 1))


def _joined(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(left + right).digest()


class TreeHash:
    """The tree hash of the bytes given so far."""

    def __init__(self) -> None:
        self._subtrees: list[tuple[int, bytes]] = []  # heights descend, like the bits of a binary counter
        self._leaves = 0
        self._leaf = hashlib.sha256()
        self._leaf_bytes = 0

    def add(self, data: Bytes) -> None:
        """Continue with these bytes."""
        rest = memoryview(data)
        while rest:
            room = LEAF_BYTES - self._leaf_bytes
            self._into_leaf(rest[:room])
            rest = rest[room:]

    def add_zeros(self, count: int) -> None:
        """Continue with `count` zeros."""
        if self._leaf_bytes:
            filling = min(count, LEAF_BYTES - self._leaf_bytes)
            self._into_leaf(ZERO_LEAF[:filling])
            count -= filling
        self._zero_leaves(count // LEAF_BYTES)
        self._into_leaf(ZERO_LEAF[: count % LEAF_BYTES])

    def hexdigest(self) -> str:
        """64 lowercase hex digits."""
        hashes = [digest for _, digest in self._subtrees]
        if self._leaf_bytes or not hashes:
            hashes.append(self._leaf.digest())
        result = hashes.pop()
        while hashes:
            result = _joined(hashes.pop(), result)
        return result.hex()

    def _into_leaf(self, data: memoryview) -> None:
        self._leaf.update(data)
        self._leaf_bytes += len(data)
        if self._leaf_bytes == LEAF_BYTES:
            self._push(0, self._leaf.digest())
            self._leaf, self._leaf_bytes = hashlib.sha256(), 0

    def _zero_leaves(self, count: int) -> None:
        """The largest subtrees that fit at the tree's current position."""
        while count:
            largest = count.bit_length() - 1
            aligned = (self._leaves & -self._leaves).bit_length() - 1 if self._leaves else largest
            height = min(largest, aligned)
            self._push(height, _zero_subtree(height))
            count -= 1 << height

    def _push(self, height: int, digest: bytes) -> None:
        self._leaves += 1 << height
        while self._subtrees and self._subtrees[-1][0] == height:
            digest = _joined(self._subtrees.pop()[1], digest)
            height += 1
        self._subtrees.append((height, digest))


def hashed(chunks: Iterable[Chunk], size_bytes: int, tree: TreeHash) -> Iterator[Chunk]:
    """Pass the chunks of a disk on, and give the whole disk to `tree`, holes as zeros."""
    position = 0
    for chunk in chunks:
        tree.add_zeros(chunk.offset - position)
        tree.add(chunk.data)
        position = chunk.offset + len(chunk.data)
        yield chunk
    tree.add_zeros(size_bytes - position)
