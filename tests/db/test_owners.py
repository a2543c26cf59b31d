"""Images and snapshots are found by their owners, and only scopes that can have a row are read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from souche.app.context.region import Region
from souche.db import images, schema, snapshots
from souche.db.store import Prepared, Reader
from souche.model.accounts import Principal
from souche.model.permissions import Permissions
from souche.model.query import Condition, Query
from tests.support.region import make_account, make_region
from tests.support.resources import make_image, make_snapshot

ALIAS, ID = "account_alias", "account_id"

# By the names of accounts. `vendor` has an alias, `Vendor`.
CASES: Mapping[str, Sequence[tuple[str, list[str]]]] = {
    "own": [(ID, ["caller"])],
    "another's": [(ID, ["other"])],
    "both": [(ID, ["other", "caller"])],
    "nobody's": [(ID, ["nobody"])],
    "no id": [(ID, [])],
    "by alias": [(ALIAS, ["Vendor"])],
    "by an unknown alias": [(ALIAS, ["Unknown"])],
    "by alias and its id": [(ALIAS, ["Vendor"]), (ID, ["vendor", "caller"])],
    "by alias and another id": [(ALIAS, ["Vendor"]), (ID, ["caller"])],
}
WANTED = {
    "own": {"caller"},
    "another's": {"other"},
    "both": {"caller", "other"},
    "by alias": {"vendor"},
    "by alias and its id": {"vendor"},
}
UNIONS = {"own": 0, "another's": 1, "both": 2, "by alias": 1, "by alias and its id": 1}
"""of the scopes that are read: the caller's own, public ones, granted ones"""


class Sharing:
    """Accounts with a private, a public and a granted image each, and snapshots likewise."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.who: dict[str, Principal] = {}
        for name in ("caller", "other", "vendor"):
            self.who[name] = make_account(region, name)
        with region.store.begin() as connection:
            vendor = schema.accounts.c.account_id == self.who["vendor"].account_id
            connection.execute(schema.accounts.update().where(vendor).values(alias="Vendor"))
        to_caller = Permissions((self.who["caller"].account_id,))
        for name, who in self.who.items():
            for permissions in (Permissions(), Permissions(public=True), to_caller):
                make_image(region, who, f"{name} {permissions}", permissions=permissions)
                snapshot = make_snapshot(region, who)
                with region.store.begin() as connection:
                    snapshots.set_public(connection, snapshot.snapshot_id, public=permissions.public)
                    snapshots.grant(connection, snapshot.snapshot_id, permissions.account_ids)

    def owner(self, noun: Any, resource_id: str) -> str:
        with self.region.store.read() as connection:
            account_id = noun.get(connection, resource_id).account_id
        return next(name for name, who in self.who.items() if who.account_id == account_id)

    def query(self, case: str) -> Query:
        def ids(name: str) -> str:
            return self.who[name].account_id if name in self.who else "999999999999"

        return Query(
            tuple(
                Condition(field, values if field == ALIAS else [ids(each) for each in values])
                for field, values in CASES[case]
            ),
            20,
        )

    def found(self, noun: Any, query: Query) -> list[str]:
        with self.region.store.reader() as reader:
            find = noun.find if noun is images else noun.find_page
            rows, _ = find(reader, self.who["caller"].account_id, query)
        return [row.resource_id for row in rows]


@pytest.fixture
def sharing(tmp_path: Path) -> Iterator[Sharing]:
    region = make_region(tmp_path)
    yield Sharing(region)
    region.store.close()


@pytest.mark.parametrize("noun", [images, snapshots])
def test_what_owners_have_is_a_part_of_all(sharing: Sharing, noun: Any) -> None:
    everything = sharing.found(noun, Query((), 20))
    owners = {each: sharing.owner(noun, each) for each in everything}
    assert set(owners.values()) == {"caller", "other", "vendor"}
    for case in CASES:
        expected = [each for each in everything if owners[each] in WANTED.get(case, set())]
        assert sharing.found(noun, sharing.query(case)) == expected, case


@pytest.mark.parametrize("case", UNIONS)
def test_scopes_that_can_have_no_row_are_not_read(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Neither the caller's images for one of another account, nor all public ones for its own."""
    for finder in (images._FINDER._all, images._FINDER._own, images._FINDER._others):
        monkeypatch.setattr(finder, "_rare_rows", 0)
        monkeypatch.setattr(finder, "_prepared", {})
    sent: list[str] = []
    execute = Reader.cursor

    def noted(reader: Reader, statement: Prepared, parameters: Mapping[str, object]) -> Any:
        sent.append(statement.on(reader.dialect).text)
        return execute(reader, statement, parameters)

    monkeypatch.setattr(Reader, "cursor", noted)
    assert sharing.found(images, sharing.query(case))
    assert sent[-1].count("UNION") == UNIONS[case]
