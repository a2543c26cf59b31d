"""Fetches a manifest, and its companion if there is one."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from souche.formats import companion as companions
from souche.formats import manifest as manifests
from souche.formats.companion import Companion, CompanionDisk
from souche.formats.manifest import Manifest, ManifestDisk
from souche.objects.fetch import DownloadTooLarge, Fetcher, Limits, UrlNotFound
from souche.objects.urls import parse_url, shown
from souche.refusals import NoSuchManifest
from souche.value_refusals import BadManifest, BadUrl, ManifestDiffers
from souche.words import Term

PARAMETER: Final = Term.FILE_LOCATION
LIMITS: Final = Limits(most_bytes=manifests.MOST_BYTES, seconds=20, idle_seconds=10)
COMPANION_HEADER: Final = f"x-amz-meta-{companions.METADATA_KEY}"
HASH_HEADER: Final = f"x-amz-meta-{companions.HASH_KEY}"


@dataclass(frozen=True)
class ExportedImage:
    """An image whose disks have not been fetched yet."""

    manifest: Manifest
    companion: Companion | None

    def checksums_of(self, disk: ManifestDisk) -> CompanionDisk | None:
        """The companion's checksums of a disk; None without a companion.

        Raises:
            BadManifest: the companion does not have the disk.
        """
        if self.companion is None:
            return None
        for each in self.companion.disks:
            if each.filename == disk.filename:
                return each
        raise BadManifest(reason=f"the companion does not list the disk {disk.device_name}")


def fetch_manifest(fetcher: Fetcher, url: str) -> ExportedImage:
    """Read the manifest at a URL.

    Raises:
        BadUrl, UrlUnreachable: the URL must not, or cannot, be fetched.
        NoSuchManifest: there is nothing at the URL.
        BadManifest: it is not a manifest; the subclasses name the reason.
    """
    try:
        body, headers = fetcher.read(url, PARAMETER, LIMITS)
    except UrlNotFound as error:
        raise NoSuchManifest(location=without_query(url)) from error
    except DownloadTooLarge as error:
        raise BadManifest(reason=f"it has more than {LIMITS.most_bytes} bytes") from error
    manifest = manifests.read_manifest(body)
    companion_url = headers.get(COMPANION_HEADER)
    if companion_url is None:
        return ExportedImage(manifest, None)
    found = _fetch_companion(fetcher, companion_url)
    named = headers.get(HASH_HEADER)
    if named is not None and named != companions.sha256_of(found):
        raise ManifestDiffers(reason="the manifest's object names a companion with another SHA-256")
    companion = companions.read_companion(found)
    _check_bound(body, companion)
    return ExportedImage(manifest, companion)


def _fetch_companion(fetcher: Fetcher, url: str) -> bytes:
    try:
        body, _ = fetcher.read(url, COMPANION_HEADER, LIMITS)
    except DownloadTooLarge as error:
        raise BadManifest(reason=f"the companion has more than {LIMITS.most_bytes} bytes") from error
    return body


def _check_bound(manifest: bytes, companion: Companion) -> None:
    """Refuse a companion of another manifest. Companions of an earlier Souche name none, and are never signed."""
    expected = companion.manifest_sha256
    if expected is None and companion.signer is None:
        return
    if expected != manifests.digest(manifest):
        raise ManifestDiffers(reason="the companion has the hash of another manifest")


def without_query(url: str) -> str:
    """A URL without its query, which may be a signature.

    Raises:
        BadUrl: it is not a URL.
    """
    return shown(parse_url(url, PARAMETER))


def path_of(url: str) -> str:
    """The unescaped path of a URL; empty if the text is no URL, which the download refuses."""
    try:
        return unquote(parse_url(url, PARAMETER).path.partition("?")[0])
    except BadUrl:
        return ""
