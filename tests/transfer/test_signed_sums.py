"""Lists of checksums count when one of the given keys has signed them (docs/official-images.md)."""

import base64

import pytest

from souche.formats import checksum_lists
from souche.transfer import signed_sums
from souche.transfer.signed_sums import BadKeyFile, BadSignature
from tests.support.signed_sums import (
    DISK_SHA256,
    EXPIRED_KEY,
    EXPIRED_SIGNATURE,
    KEY,
    OTHER_KEY,
    OTHER_SHA512,
    SIGNATURE,
    SIGNED_CHECKSUM,
    SUMS,
)

FORGED_SIGNATURE = SIGNATURE[:-1] + bytes([SIGNATURE[-1] ^ 1])


def armoured(data: bytes) -> bytes:
    body = base64.encodebytes(data).decode()
    return f"-----BEGIN PGP SIGNATURE-----\n\n{body}-----END PGP SIGNATURE-----\n".encode()


@pytest.mark.parametrize("signature", [SIGNATURE, armoured(SIGNATURE)])
@pytest.mark.parametrize("key", [KEY, OTHER_KEY + KEY, KEY.replace("\n", "\r\n")])
def test_a_detached_signature_is_verified(signature: bytes, key: str) -> None:
    known = signed_sums.verified(SUMS.encode(), signature, key.encode())
    assert {name: (each.algorithm, each.digest) for name, each in known.items()} == {
        "disk.raw": ("sha256", DISK_SHA256),
        "other.qcow2": ("sha512", OTHER_SHA512),
    }


def test_a_signature_around_the_text_covers_what_is_inside_it_only() -> None:
    assert signed_sums.is_signed(SIGNED_CHECKSUM.encode())
    added = f"{DISK_SHA256}  evil.raw\n"
    text = f"{SIGNED_CHECKSUM}{added}"
    assert list(signed_sums.verified(text.encode(), None, KEY.encode())) == ["disk.raw"]
    inside = SIGNED_CHECKSUM.replace("SHA256 (disk", f"{added}SHA256 (disk")
    with pytest.raises(BadSignature):
        signed_sums.verified(inside.encode(), None, KEY.encode())


@pytest.mark.parametrize("signature", [SIGNATURE + EXPIRED_SIGNATURE, EXPIRED_SIGNATURE + SIGNATURE])
@pytest.mark.parametrize("key", [KEY, KEY + EXPIRED_KEY])
def test_of_several_signatures_one_by_a_good_key_is_enough(signature: bytes, key: str) -> None:
    assert list(signed_sums.verified(SUMS.encode(), signature, key.encode())) == ["disk.raw", "other.qcow2"]


@pytest.mark.parametrize(
    ("signature", "key"),
    [
        (SIGNATURE + EXPIRED_SIGNATURE, OTHER_KEY),
        (SIGNATURE + EXPIRED_SIGNATURE, EXPIRED_KEY),
        (SIGNATURE + FORGED_SIGNATURE, KEY),
        (FORGED_SIGNATURE + SIGNATURE, KEY),
        (SIGNATURE + b"nonsense", KEY),
        (SIGNED_CHECKSUM.encode(), KEY),
    ],
)
def test_of_several_signatures_none_counts_where_one_is_forged_or_none_is_good(
    signature: bytes, key: str
) -> None:
    with pytest.raises(BadSignature):
        signed_sums.verified(SUMS.encode(), signature, key.encode())


def test_a_second_text_behind_a_signed_one_is_refused() -> None:
    unknown = SIGNED_CHECKSUM.replace("disk.raw", "evil.raw")
    for text in (SIGNED_CHECKSUM * 2, SIGNED_CHECKSUM + unknown, unknown + SIGNED_CHECKSUM):
        with pytest.raises(BadSignature):
            signed_sums.verified(text.encode(), None, KEY.encode())


@pytest.mark.parametrize(
    ("sums", "signature", "key"),
    [
        (SUMS.replace("disk", "evil"), SIGNATURE, KEY),
        (SUMS, SIGNATURE, OTHER_KEY),
        (SUMS, EXPIRED_SIGNATURE, EXPIRED_KEY),
        (SUMS, b"", KEY),
        (SUMS, b"nonsense", KEY),
        (SUMS, None, KEY),
        (SIGNED_CHECKSUM, SIGNATURE, KEY),
    ],
)
def test_what_is_not_signed_by_a_good_key_is_refused(sums: str, signature: bytes | None, key: str) -> None:
    with pytest.raises(BadSignature):
        signed_sums.verified(sums.encode(), signature, key.encode())


@pytest.mark.parametrize("key", ["", "nonsense", KEY.replace("mDMEawp", "mDME\0wp")])
def test_what_is_no_key_verifies_nothing(key: str) -> None:
    with pytest.raises((BadSignature, BadKeyFile)):
        signed_sums.verified(SUMS.encode(), SIGNATURE, key.encode())


def test_lists_are_read_in_both_forms_and_the_stronger_sum_counts() -> None:
    text = (
        f"{DISK_SHA256}  ./a b.img\n"
        f"{DISK_SHA256.upper()} *b.img\n"
        f"SHA512 (b.img) = {OTHER_SHA512}\n"
        f"{DISK_SHA256}  b.img\n"
        "d41d8cd98f00b204e9800998ecf8427e  weak.img\n"
        "SHA256 (short.img) = 1234\n"
        "# a remark\n"
    )
    known = checksum_lists.parse(text)
    assert {name: each.algorithm for name, each in known.items()} == {"a b.img": "sha256", "b.img": "sha512"}
