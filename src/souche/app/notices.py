"""Notices for accounts about the images that they launched, copied or were granted."""

from dataclasses import replace

from souche.app.context.page import Page
from souche.app.context.region import Region
from souche.db import images
from souche.db import notices as records
from souche.model.accounts import Principal
from souche.model.notices import Notice
from souche.model.query import Query


def find(region: Region, who: Principal, query: Query) -> Page[Notice]:
    """The caller's notices, oldest first. A successor that the caller may not use is hidden."""
    with region.store.read() as connection:
        found, more = records.find(connection, who.account_id, query)
        successors = sorted({each.successor_id for each in found if each.successor_id})
        usable = images.usable_ids(connection, who.account_id, successors)
    seen = [each if each.successor_id in usable else replace(each, successor_id=None) for each in found]
    return Page(seen, {}, more)
