"""SeaweedFS's filer by gRPC: its identities, the owners of buckets, and the placement of an upload's parts.

Messages and their numbers are the filer's own (weed/pb/filer.proto and iam.proto at 4.48); unused fields are left out,
as protocol buffers allow. They are described here, not compiled by protoc: its output works with one version of
protobuf only, and should not be checked in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE: Final = "filer_pb"
FILER: Final = "/filer_pb.SeaweedFiler"
IAM: Final = "/iam_pb.SeaweedIdentityAccessManagement"
ANSWER_SECONDS: Final = 20.0
RECONNECT: Final = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))
BUCKETS: Final = "/buckets"
"""the folder of all buckets"""
OWNER: Final = "s3-identity-id"
NOTHING: Final = "filer: no entry is found in filer store"
"""This error has no code, only its text (weed/pb/filer_pb, `ErrNotFound`)."""
PART_MODE: Final = 0o660
ETAG: Final = "Seaweed-X-Amz-ETag"

Fields = Mapping[int, tuple[str, str]]
MESSAGES: Final[Mapping[str, Fields]] = {
    # On the wire, a map is a list of pairs (protobuf.dev, "Maps: Backwards compatibility").
    "Pair": {1: ("key", "string"), 2: ("value", "bytes")},
    "FileChunk": {
        1: ("file_id", "string"),
        2: ("offset", "int64"),
        3: ("size", "uint64"),
        4: ("modified_ts_ns", "int64"),
        5: ("e_tag", "string"),
    },
    "FuseAttributes": {
        1: ("file_size", "uint64"),
        2: ("mtime", "int64"),
        3: ("file_mode", "uint32"),
        6: ("crtime", "int64"),
        14: ("md5", "bytes"),
    },
    "Entry": {
        1: ("name", "string"),
        3: ("chunks", "*FileChunk"),
        4: ("attributes", "FuseAttributes"),
        5: ("extended", "*Pair"),
    },
    "Location": {1: ("url", "string")},
    "LookupDirectoryEntryRequest": {1: ("directory", "string"), 2: ("name", "string")},
    "LookupDirectoryEntryResponse": {1: ("entry", "Entry")},
    "AssignVolumeRequest": {1: ("count", "int32"), 6: ("path", "string")},
    "AssignVolumeResponse": {
        1: ("file_id", "string"),
        5: ("auth", "string"),
        8: ("error", "string"),
        9: ("location", "Location"),
    },
    "CreateEntryRequest": {1: ("directory", "string"), 2: ("entry", "Entry")},
    "CreateEntryResponse": {1: ("error", "string")},
    "ListEntriesRequest": {
        1: ("directory", "string"),
        3: ("startFromFileName", "string"),
        5: ("limit", "uint32"),
    },
    "ListEntriesResponse": {1: ("entry", "Entry")},
    "Credential": {1: ("access_key", "string")},
    "Identity": {1: ("name", "string"), 2: ("credentials", "*Credential"), 3: ("actions", "*string")},
    "Configuration": {1: ("identities", "*Identity")},
    "GetConfigurationRequest": {},
    "GetConfigurationResponse": {1: ("configuration", "Configuration")},
}
"""By number, a field's name and type. `*` before the type: a repeated field."""


PAGE: Final = 1000


class FilerFailed(Exception):
    """The filer failed. Internal to the embedded store."""


class NoEntry(FilerFailed):
    """There is no entry of this name."""


@dataclass(frozen=True)
class Identity:
    """An identity of the server; `grants` are such as `Read:backups`."""

    account_id: str
    access_key_ids: frozenset[str]
    grants: frozenset[str]


@dataclass(frozen=True)
class WritableChunk:
    """Where a chunk may be written: its id, the `host:port` of a volume server, and the token for it."""

    file_id: str
    server: str
    token: str


@dataclass(frozen=True)
class PlacedPart:
    """A part of an upload: chunks as (file id, bytes), in order, and 16 bytes that identify it at the upload's end."""

    name: str
    tag: bytes
    chunks: Sequence[tuple[str, int]]


class Filer:
    """A filer. Several threads may call."""

    def __init__(self, address: str, tls: Path) -> None:
        """`tls` is the folder of `tls`. Connects at the first call, and again after a lost connection."""
        certificate = (tls / "certificate.pem").read_bytes()
        credentials = grpc.ssl_channel_credentials(certificate, (tls / "key.pem").read_bytes(), certificate)
        self._channel = grpc.secure_channel(address, credentials, options=RECONNECT)
        self._lookup = self._method(FILER, "LookupDirectoryEntry")
        self._assign = self._method(FILER, "AssignVolume")
        self._create = self._method(FILER, "CreateEntry")
        self._list = self._channel.unary_stream(
            f"{FILER}/ListEntries",
            request_serializer=_CLASSES["ListEntriesRequest"].SerializeToString,
            response_deserializer=_CLASSES["ListEntriesResponse"].FromString,
        )
        self._configuration = self._method(IAM, "GetConfiguration", wait=True)

    def identities(self) -> list[Identity]:
        """All identities. Waits for a filer that is starting.

        Raises:
            FilerFailed.
        """
        answer = self._configuration(_new("GetConfigurationRequest"))
        return [
            Identity(
                each.name, frozenset(key.access_key for key in each.credentials), frozenset(each.actions)
            )
            for each in answer.configuration.identities
        ]

    def owner(self, bucket: str) -> str | None:
        """The account of a bucket; empty if it has none; None if there is no such bucket.

        Raises:
            FilerFailed.
        """
        try:
            entry = self.entry(BUCKETS, bucket)
        except NoEntry:
            return None
        return _owner(entry)

    def owners(self) -> dict[str, str]:
        """The account of each bucket, by name; empty if it has none.

        Raises:
            FilerFailed.
        """
        owners: dict[str, str] = {}
        last, more = "", True
        while more:
            request = _new("ListEntriesRequest", directory=BUCKETS, startFromFileName=last, limit=PAGE)
            try:
                page = [answer.entry for answer in self._list(request, timeout=ANSWER_SECONDS)]
            except grpc.RpcError as error:
                raise FilerFailed(f"ListEntries: {error.code().name}, {error.details()}") from error
            owners |= {entry.name: _owner(entry) for entry in page}
            more = len(page) == PAGE
            last = page[-1].name if page else ""
        return owners

    def entry(self, directory: str, name: str) -> Any:
        """The entry of this name.

        Raises:
            NoEntry: there is none. FilerFailed.
        """
        return self._lookup(_new("LookupDirectoryEntryRequest", directory=directory, name=name)).entry

    def room(self, path: str) -> WritableChunk:
        """A place for a chunk of the file `path`; each bucket has its own volumes.

        Raises:
            FilerFailed: there is none.
        """
        answer = self._assign(_new("AssignVolumeRequest", count=1, path=path))
        return WritableChunk(answer.file_id, answer.location.url, answer.auth)

    def place(self, directory: str, part: PlacedPart, now: datetime) -> None:
        """Enter a part in the same way as the S3 gateway (weed/s3api, `putToFiler`).

        Raises:
            FilerFailed.
        """
        seconds, nanoseconds = int(now.timestamp()), int(now.timestamp() * 1_000_000) * 1000
        chunks, offset = [], 0
        for file_id, size in part.chunks:
            chunk = _new("FileChunk", file_id=file_id, offset=offset, size=size, modified_ts_ns=nanoseconds)
            chunks.append(chunk)
            offset += size
        attributes = _new(
            "FuseAttributes",
            file_size=offset,
            mtime=seconds,
            crtime=seconds,
            file_mode=PART_MODE,
            md5=part.tag,
        )
        tag = _new("Pair", key=ETAG, value=part.tag.hex().encode())
        entry = _new("Entry", name=part.name, chunks=chunks, attributes=attributes, extended=[tag])
        self._create(_new("CreateEntryRequest", directory=directory, entry=entry))

    def _method(self, service: str, name: str, *, wait: bool = False) -> Callable[[Any], Any]:
        call = self._channel.unary_unary(
            f"{service}/{name}",
            request_serializer=_CLASSES[f"{name}Request"].SerializeToString,
            response_deserializer=_CLASSES[f"{name}Response"].FromString,
        )

        def ask(request: Any) -> Any:
            try:
                answer = call(request, timeout=ANSWER_SECONDS, wait_for_ready=wait)
            except grpc.RpcError as error:
                said = f"{name}: {error.code().name}, {error.details()}"
                raise (NoEntry(said) if error.details() == NOTHING else FilerFailed(said)) from error
            if refusal := getattr(answer, "error", ""):
                raise FilerFailed(f"{name}: {refusal}")
            return answer

        return ask


def _owner(bucket: Any) -> str:
    return next((pair.value.decode() for pair in bucket.extended if pair.key == OWNER), "")


def _classes() -> Mapping[str, Any]:
    file = FileDescriptorProto(name="souche/filer.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in fields.items():
            message.field.append(_field(number, field, kind))
    pool = DescriptorPool()
    pool.Add(file)
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in MESSAGES}


def _field(number: int, name: str, kind: str) -> FieldDescriptorProto:
    label = FieldDescriptorProto.LABEL_REPEATED if kind[0] == "*" else FieldDescriptorProto.LABEL_OPTIONAL
    field = FieldDescriptorProto(name=name, number=number, label=label)
    if (plain := kind.lstrip("*")) in MESSAGES:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{PACKAGE}.{plain}"
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{plain.upper()}")
    return field


_CLASSES: Final = _classes()


def _new(message: str, **fields: Any) -> Any:
    return _CLASSES[message](**fields)
