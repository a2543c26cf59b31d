"""Security groups: what a request with many sources or groups costs, while nobody else writes to the records."""

import pytest

from souche.app import security_groups
from souche.app.context.region import Region
from souche.app.security_groups import Member, RuleRequest
from souche.model.accounts import Principal
from souche.value_refusals import BadValue
from tests.support.statements import statements

MANY = 1001


@pytest.fixture
def group_id(region: Region, alice: Principal) -> str:
    return security_groups.create(region, alice, "web", "for tests").security_group_id


@pytest.mark.parametrize("change", [security_groups.add_rules, security_groups.remove_rules])
def test_sources_beyond_the_rules_of_a_group_are_not_looked_up(
    region: Region, alice: Principal, group_id: str, change: object
) -> None:
    request = RuleRequest("tcp", 22, 22, members=(Member(group_id),) * MANY)

    def ask() -> None:
        with pytest.raises(BadValue, match="at most 1000 rules"):
            change(region, alice, group_id, "Inbound", [request])  # type: ignore[operator]

    assert len(statements(region, ask)) < 20


def test_a_group_that_is_named_repeatedly_is_looked_up_once(
    region: Region, alice: Principal, group_id: str
) -> None:
    def choose() -> None:
        with region.begin() as work:
            chosen = security_groups.chosen(region, work, alice, [group_id] * MANY, ["web"] * MANY)
            assert [group.security_group_id for group in chosen] == [group_id]

    assert len(statements(region, choose)) < 20
