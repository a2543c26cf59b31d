"""API access rules on the wire."""

from tests.support.client import Client

RANGE = "192.0.2.0/24"


def test_a_rule_is_made_found_changed_and_deleted(client: Client) -> None:
    rule = client("CreateApiAccessRule", IpRanges=[RANGE], Description="office")["ApiAccessRule"]
    assert rule == {
        "ApiAccessRuleId": rule["ApiAccessRuleId"],
        "CaIds": [],
        "Cns": [],
        "Description": "office",
        "IpRanges": [RANGE],
    }
    rule_id = rule["ApiAccessRuleId"]
    for filters, found in (
        ({"ApiAccessRuleIds": [rule_id]}, [rule]),
        ({"Descriptions": ["office"], "IpRanges": [RANGE, "10.0.0.0/8"]}, [rule]),
        ({"IpRanges": ["10.0.0.0/8"]}, []),
        ({"CaIds": ["ca-1"]}, []),
    ):
        assert client("ReadApiAccessRules", Filters=filters)["ApiAccessRules"] == found
    assert len(client("ReadApiAccessRules")["ApiAccessRules"]) == 2
    changed = client("UpdateApiAccessRule", ApiAccessRuleId=rule_id, IpRanges=["10.0.0.0/8"])["ApiAccessRule"]
    assert changed == {**rule, "IpRanges": ["10.0.0.0/8"]}
    client("DeleteApiAccessRule", ApiAccessRuleId=rule_id)
    assert len(client("ReadApiAccessRules")["ApiAccessRules"]) == 1


def test_rules_by_certificate_are_refused(client: Client) -> None:
    (rule,) = client("ReadApiAccessRules")["ApiAccessRules"]
    for certificates in ({"CaIds": ["ca-00000000"]}, {"Cns": ["name"]}):
        assert client.refusal("CreateApiAccessRule", IpRanges=[RANGE], **certificates).status == 400
        refused = client.refusal(
            "UpdateApiAccessRule", ApiAccessRuleId=rule["ApiAccessRuleId"], **certificates
        )
        assert refused.status == 400


def test_the_codes_of_what_is_refused(client: Client) -> None:
    (rule,) = client("ReadApiAccessRules")["ApiAccessRules"]
    for refused, code in (
        (client.refusal("CreateApiAccessRule"), "7007"),
        (client.refusal("CreateApiAccessRule", IpRanges=["x"]), "4047"),
        (client.refusal("DeleteApiAccessRule", ApiAccessRuleId="aar-00000000"), "5044"),
        (client.refusal("DeleteApiAccessRule", ApiAccessRuleId=rule["ApiAccessRuleId"]), "9000"),
    ):
        assert refused.code == code


def test_a_consumption_is_of_dates_in_order(client: Client) -> None:
    told = client("ReadConsumptionAccount", FromDate="2026-01-01", ToDate="2026-02-01T00:00:00Z")
    assert told == {"ConsumptionEntries": [], "Currency": None}
    for begin, end in (("2026-02-01", "2026-01-01"), ("2026-01-01", "2026-01-01")):
        assert client.refusal("ReadConsumptionAccount", FromDate=begin, ToDate=end).code == "4047"


def test_no_policy_limits_access_keys(client: Client) -> None:
    policy = client("ReadApiAccessPolicy")["ApiAccessPolicy"]
    assert policy == {"MaxAccessKeyExpirationSeconds": 0, "RequireTrustedEnv": False}
