"""Key pairs: the public keys that a launch puts into a VM."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Keypair:
    """A key pair of an account. The private half is never stored. `public_key` is OpenSSH's one line, with the name as
    its comment; `fingerprint` is RFC 4716's MD5.
    """

    keypair_id: str
    account_id: str
    name: str
    key_type: str
    fingerprint: str
    public_key: str
    creation_date: datetime
