"""The region's writes to the embedded store: by S3, except for the bytes of parts, which go directly to the volume
server.

For S3 uploads, SeaweedFS copies the data twice more internally and hashes it with MD5 three times: more work than the
rest of an export. So a part's bytes are sent to the volume server, and the part is entered in the filer, as S3's
gateway does itself, and as SeaweedFS's own clients write files. S3 still begins, completes and aborts uploads, and so
handles versions, locks and owners.

A part is entered before its bytes are sent, so that aborting the upload removes them after any crash. The volume
server's CRC-32C verifies the received data. After any failure the part is sent again by S3.
"""

import secrets
import uuid
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Final

import google_crc32c
import structlog

from souche.clock import Clock
from souche.objects.base import Part, Upload
from souche.objects.published import PublishedStore
from souche.objects.s3 import READ_SECONDS, S3Access
from souche.objects.seaweedfs.filer import BUCKETS, Filer, FilerFailed, PlacedPart, WritableChunk

CHUNK_BYTES: Final = 8 * 1024 * 1024
HASHED_BYTES: Final = 1024 * 1024
WRITTEN: Final = frozenset({201, 204})
"""The volume server's status codes; 204: it had the same bytes already."""

log = structlog.get_logger()


class ChunkDamaged(Exception):
    """A chunk did not arrive, or arrived damaged. Internal: it is then sent by S3."""


class SeaweedFsStore(PublishedStore):
    """An `ObjectStore`, beside the server."""

    def __init__(self, access: S3Access, published: S3Access, filer: Filer, clock: Clock) -> None:
        super().__init__(access, published)
        self._filer = filer
        self._clock = clock

    def put_part(self, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        if data:
            try:
                return self._put_chunks(upload, number, memoryview(data))
            except (FilerFailed, ChunkDamaged, HTTPException, OSError) as error:
                log.warning(
                    "a part is sent by S3 instead", bucket=upload.bucket, part=number, reason=str(error)
                )
        return super().put_part(upload, number, data)

    def _put_chunks(self, upload: Upload, number: int, data: memoryview) -> Part:
        uploads, now = f"{BUCKETS}/{upload.bucket}/.uploads", self._clock.now()
        self._filer.entry(uploads, upload.upload_id)
        directory, name = f"{uploads}/{upload.upload_id}", f"{number:04d}_{uuid.uuid4()}.part"
        chunks = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
        rooms = [self._filer.room(f"{directory}/{name}") for _ in chunks]
        # A random ETag: for multipart uploads, clients must not expect an MD5 (S3, "Object": `ETag`).
        sizes = [(room.file_id, len(chunk)) for room, chunk in zip(rooms, chunks, strict=True)]
        part = PlacedPart(name, secrets.token_bytes(16), sizes)
        self._filer.place(directory, part, now)
        for room, chunk in zip(rooms, chunks, strict=True):
            _put_chunk(room, chunk)
        return Part(number, f'"{part.tag.hex()}"')


def _put_chunk(room: WritableChunk, chunk: memoryview) -> None:
    headers = {"Authorization": f"BEARER {room.token}", "Content-Type": "application/octet-stream"}
    with closing(HTTPConnection(room.server, timeout=READ_SECONDS)) as connection:
        connection.request("PUT", f"/{room.file_id}", body=chunk, headers=headers)
        answer = connection.getresponse()
        said = answer.read()
    if answer.status not in WRITTEN:
        raise ChunkDamaged(f"{answer.status} {said[:200]!r}")
    if (arrived := answer.headers.get("ETag", "")).strip('"') != f"{_crc32c(chunk):08x}":
        raise ChunkDamaged(f"what has arrived has the CRC-32C {arrived}")


def _crc32c(data: memoryview) -> int:
    crc = 0
    for start in range(0, len(data), HASHED_BYTES):
        crc = google_crc32c.extend(crc, bytes(data[start : start + HASHED_BYTES]))
    return crc
