"""The flags of `souche image publish` for the source of the disk. `image_source.py` imports it."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from souche.model.disk_imports import SourceFormat

FileArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(help="A disk file, which is copied and stays as it is; or an http or https URL of one."),
]
FormatFlag: TypeAlias = Annotated[
    SourceFormat | None,
    typer.Option("--format", help="Of the file; never guessed. Default: what its name ends in, else qcow2."),
]
Sha256Flag: TypeAlias = Annotated[
    str | None,
    typer.Option("--sha256", help="The expected SHA-256 of the file, before it is unpacked, in hex."),
]
SumsFlag: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--sums",
        help="A list of checksums (SHA256SUMS, CHECKSUM) that has the file's name, signed: a file or a URL.",
    ),
]
SignatureFlag: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--signature",
        help="The detached signature of the list: a file or a URL. Default: beside it, with .gpg, .sign or .asc "
        "behind its name; unless it is around the text.",
    ),
]
KeyFlag: TypeAlias = Annotated[
    Path | None, typer.Option("--key", help="OpenPGP public keys, of which one must have signed the list.")
]
