"""A region with many images, for the benchmark of reads: images of the caller, of the provider, and of neighbours."""

import datetime
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias
from uuid import uuid4

from souche.app import accounts
from souche.db import schema
from souche.db.store import Store
from souche.home import Home
from souche.main import administration, records
from tools.http_load import Caller

NEIGHBOURS: Final = 1000  # number of other accounts
BATCH: Final = 10_000  # images that are inserted in one transaction
OWN_SHARE: Final = 0.2  # the caller's share of all images
BEGINNING: Final = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

Tables: TypeAlias = Mapping[Any, list[dict[str, Any]]]


def prepare(home: Home, count: int, database_file: str) -> Caller:
    """Create a region with images, or use an existing one. Returns its reader. Its records are in the PostgreSQL
    database whose URL is in the file; "": in SQLite."""
    kept = home.path / "caller.json"
    if not kept.exists():
        if database_file:
            home.make()
            records.keep(home, records.Place("", database_file, str(uuid4())))
        caller = _fill(home, count)
        if database_file:
            with opened(home) as store, store.begin() as connection:
                connection.exec_driver_sql("ANALYZE")
        kept.write_text(json.dumps(vars(caller)))
    return Caller(**json.loads(kept.read_text()))


def _fill(home: Home, count: int) -> Caller:
    with administration.administer(home.path, make=True) as administered:
        account, key, secret = accounts.create(administered.region, "bench")
        # Built before each transaction: PostgreSQL ends idle transactions.
        for tables in batches(account.account_id, count):
            with administered.region.store.begin() as connection:
                for table, some in tables.items():
                    if some:
                        connection.execute(table.insert(), some)
    return Caller(account.account_id, key.access_key_id, secret)


def batches(own: str, count: int) -> Iterator[Tables]:
    """Images of the caller, of the provider, and of neighbours, some public, granted or tagged: the rows of each table,
    for at most `BATCH` images at a time."""
    random_source = random.Random(3)  # noqa: S311 (the same images in every run)
    others = [f"9{number:011}" for number in range(NEIGHBOURS)]
    provider = others[0]
    yield {
        schema.accounts: [
            _account_row(account_id, is_provider=account_id == provider) for account_id in others
        ]
    }
    for first in range(0, count, BATCH):
        tables: dict[Any, list[dict[str, Any]]] = {}
        for number in range(first, min(first + BATCH, count)):
            draw = random_source.random()
            owner = (
                own
                if draw < OWN_SHARE
                else provider
                if draw < OWN_SHARE + 0.01
                else random_source.choice(others)
            )
            for table, some in _image_rows(
                random_source, number, owner, own, public=owner == provider
            ).items():
                tables.setdefault(table, []).extend(some)
        yield tables


def _account_row(account_id: str, *, is_provider: bool) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "name": account_id,
        "alias": "Outscale" if is_provider else None,
        "creation_date": BEGINNING,
    }


def _image_rows(
    random_source: random.Random, number: int, owner: str, reader: str, *, public: bool
) -> Tables:
    image_id = f"ami-{number * 2654435761 % 2**32:08x}"
    name = f"{random_source.choice(['Ubuntu-24.04', 'Debian-12', 'Rocky-9', 'build'])}-{number}"
    image = {
        "image_id": image_id,
        "account_id": owner,
        "name": name,
        "description": "d" * random_source.randrange(60),
        "architecture": "x86_64",
        "legacy_boot": True,
        "uefi_boot": number % 3 == 0,
        "root_device_name": "/dev/sda1",
        "file_location": f"{owner}/{name}",
        "state": "available",
        "public": public or random_source.random() < 0.005,
        "tpm_mandatory": False,
        "secure_boot": False,
        "creation_date": BEGINNING + datetime.timedelta(seconds=number),
    }
    mappings = [
        {
            "image_id": image_id,
            "position": position,
            "device_name": device_name,
            "snapshot_id": f"snap-{(2 * number + position) * 2654435761 % 2**32:08x}",
            "volume_size_gib": 10,
            "volume_type": random_source.choice(["standard", "gp2"]),
            "delete_on_vm_deletion": True,
        }
        for position, device_name in enumerate(("/dev/sda1", "/dev/xvdb"))
    ]
    tag = {
        "resource_id": image_id,
        "key": random_source.choice(["Name", "env"]),
        "value": random_source.choice(["x", "prod", str(number)]),
        "account_id": owner,
        "resource_type": "image",
        "creation_date": BEGINNING,
    }
    code = {"image_id": image_id, "product_code": "0002" if number % 1000 == 7 else "0001"}
    grant = {"image_id": image_id, "account_id": reader, "creation_date": image["creation_date"]}
    return {
        schema.images: [image],
        schema.snapshots: [_snapshot_row(image, mapping) for mapping in mappings],
        schema.image_mappings: mappings,
        schema.image_product_codes: [code],
        schema.image_grants: [grant] if owner != reader and random_source.random() < 0.001 else [],
        schema.tags: [tag] if random_source.random() < 0.3 else [],
    }


def _snapshot_row(image: Mapping[str, Any], mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "snapshot_id": mapping["snapshot_id"],
        "account_id": image["account_id"],
        "volume_size_gib": mapping["volume_size_gib"],
        "state": "completed",
        "progress_percent": 100,
        "description": "",
        "public": False,
        "product_codes": [],
        "creation_date": image["creation_date"],
    }


@contextmanager
def opened(home: Home) -> Iterator[Store]:
    """The region's database."""
    with administration.administer(home.path) as administered:
        yield administered.region.store
