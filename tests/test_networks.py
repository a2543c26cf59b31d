"""The networks that a region takes where no setting names one."""

import itertools
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from souche.main.networks import GUESTS, PUBLIC, Pool

HOME = Path("/srv/region")
SMALL = Pool(within=IPv4Network("10.128.0.0/22"), prefix=24, salt="")


@pytest.mark.parametrize("pool", [GUESTS, PUBLIC])
def test_every_home_has_one_of_the_pool(pool: Pool) -> None:
    found = {IPv4Network(pool.of(Path(f"/srv/{number}"))) for number in range(400)}
    assert all(each.subnet_of(pool.within) and each.prefixlen == pool.prefix for each in found)
    assert len(found) > 150
    assert pool.of(HOME) == pool.of(HOME)


def test_one_that_meets_a_route_of_the_host_is_left_for_the_next_that_is_free() -> None:
    taken: list[IPv4Network] = []
    for _ in range(4):
        taken.append(IPv4Network(SMALL.of(HOME, taken)))
    assert set(taken) == set(SMALL.within.subnets(new_prefix=24))
    steps = {
        (int(after.network_address) - int(before.network_address)) // 256 % 4
        for before, after in itertools.pairwise(taken)
    }
    assert steps == {1}


def test_a_route_to_a_part_of_one_takes_it() -> None:
    first = IPv4Network(SMALL.of(HOME))
    part = IPv4Network((int(first.network_address) + 200, 32))
    assert not IPv4Network(SMALL.of(HOME, [part])).overlaps(first)


def test_a_route_wider_than_all_of_them_takes_none() -> None:
    assert SMALL.of(HOME, [IPv4Network("10.0.0.0/8")]) == SMALL.of(HOME)


def test_where_all_are_taken_it_is_the_one_by_the_path() -> None:
    assert SMALL.of(HOME, [SMALL.within]) == SMALL.of(HOME)
