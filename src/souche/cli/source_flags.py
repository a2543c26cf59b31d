"""The flags of `souche image publish` for the source of the disk. `image_source.py` imports it."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from souche.model.disk_imports import SourceFormat

FileArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(help="A disk file, which is copied, or the http or https URL of one."),
]
FormatFlag: TypeAlias = Annotated[
    SourceFormat | None,
    typer.Option(
        "--format", help="Format of the file; never guessed. Default: the file's extension, otherwise qcow2."
    ),
]
Sha256Flag: TypeAlias = Annotated[
    str | None,
    typer.Option("--sha256", help="The expected SHA-256 of the file as stored (before unpacking), in hex."),
]
SumsFlag: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--sums",
        help="A signed list of checksums (SHA256SUMS, CHECKSUM) with the file's name: a file or a URL.",
    ),
]
SignatureFlag: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--signature",
        help="The detached signature of the list: a file or a URL. Default: the list's name with .gpg, .sign "
        "or .asc, unless the signature is inline.",
    ),
]
KeyFlag: TypeAlias = Annotated[
    Path | None,
    typer.Option("--key", help="File of OpenPGP public keys, one of which must have signed the list."),
]
