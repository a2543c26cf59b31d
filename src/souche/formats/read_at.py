"""Reads at an offset that a file states, which may be anywhere."""

import os
from typing import BinaryIO


def read_at(image: BinaryIO, offset: int, length: int) -> bytes:
    """The bytes of an open file from an offset on; fewer, or none, if it ends earlier."""
    if not 0 <= offset < image.seek(0, os.SEEK_END):
        return b""
    image.seek(offset)
    return image.read(length)
