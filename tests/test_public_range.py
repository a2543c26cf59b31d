"""The range that public IPs are from: kept from the first start on, and refused where it cannot be."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from souche import config
from souche.config import BadSetting, Settings
from souche.db.store import Store
from souche.home import Home
from souche.main import networks, public_range
from souche.main.databases import open_store

FORMER = "198.19.7.0/24"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with open_store(home) as opened:
        yield opened


def settings(home: Home, **given: Any) -> Settings:
    return config.read_settings({"home": home.path, "guest_network": "10.77.0.0/24", **given}, {})


def hold(store: Store, public_ip: str) -> None:
    with store.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO accounts (account_id, name, alias, creation_date) VALUES ('1', 'a', NULL, '2026')"
            )
        )
        columns = "public_ip_id, account_id, public_ip, creation_date"
        held = sa.text(f"INSERT INTO public_ips ({columns}) VALUES ('e', '1', :ip, '2026')")  # noqa: S608  constants
        connection.execute(held, {"ip": public_ip})


def test_without_a_setting_a_region_gets_a_range_by_its_path_and_keeps_it(
    home: Home, store: Store, tmp_path: Path
) -> None:
    chosen = public_range.chosen(settings(home), home, store)
    assert IPv4Network(chosen).subnet_of(IPv4Network("198.19.0.0/16"))
    public_range.record(store, chosen)
    paths = (tmp_path / f"elsewhere{number}" for number in count())
    elsewhere = Home(next(path for path in paths if networks.PUBLIC.of(path) != chosen))
    assert public_range.chosen(settings(elsewhere), elsewhere, store) == chosen


def test_a_region_gets_no_range_that_the_host_has_a_route_for_unless_it_is_its_own(
    home: Home, store: Store
) -> None:
    taken = IPv4Network(public_range.chosen(settings(home), home, store))
    chosen = public_range.chosen(settings(home), home, store, [taken])
    assert not IPv4Network(chosen).overlaps(taken)
    public_range.record(store, chosen)
    assert public_range.chosen(settings(home), home, store, [IPv4Network(chosen)]) == chosen


def test_a_range_can_be_chosen_as_long_as_nobody_holds_an_address_outside_of_it(
    home: Home, store: Store
) -> None:
    public_range.record(store, FORMER)
    other = "203.0.113.0/24"
    assert public_range.chosen(settings(home, public_ips=other), home, store) == other
    hold(store, "198.19.7.9")
    with pytest.raises(BadSetting, match=r"198\.19\.7\.9.*DeletePublicIp"):
        public_range.chosen(settings(home, public_ips=other), home, store)
    assert public_range.chosen(settings(home, public_ips="198.19.0.0/16"), home, store) == "198.19.0.0/16"


def test_a_range_that_overlaps_with_the_guests_network_is_refused(home: Home, store: Store) -> None:
    with pytest.raises(BadSetting, match="overlaps"):
        public_range.chosen(settings(home, public_ips="10.77.0.0/28"), home, store)


@pytest.mark.parametrize(
    "cidr", ["here", "198.19.0.1/24", "10.0.0.0/8", "198.19.0.0/31", "169.254.169.0/24", "127.1.0.0/16"]
)
def test_what_cannot_be_a_range_is_refused(cidr: str) -> None:
    with pytest.raises(BadSetting, match="--public-ips"):
        public_range.check(cidr)
