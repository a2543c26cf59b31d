"""`souche quota`."""

from tests.cli.conftest import Souche


def test_a_quota_is_shown_as_it_was_set(souche: Souche) -> None:
    (account,) = souche("account", "create", "alice")
    souche.run("quota", "set", "alice", "vm_limit", "7")
    (changed,) = souche("quota", "set", account["AccountId"], "image_limit", "0")
    assert changed == {"Name": "image_limit", "MaxValue": 0, "UsedValue": 0}
    shown = {quota["Name"]: quota for quota in souche("quota", "show", "alice")}
    assert shown["vm_limit"] == {"Name": "vm_limit", "MaxValue": 7, "UsedValue": 0}
    assert shown["image_limit"]["MaxValue"] == 0
    assert shown["image_export_limit"]["MaxValue"] == 3
    lines = souche.run("quota", "show", "alice").splitlines()
    assert lines[0].split() == ["image_limit", "0", "of", "no", "limit"]
    assert len(lines) == len(shown)


def test_what_does_not_exist_is_said(souche: Souche) -> None:
    souche("account", "create", "alice")
    assert "There is no account 'bob'" in souche.refusal("quota", "show", "bob")
    assert "There is no quota 'vms'" in souche.refusal("quota", "set", "alice", "vms", "1")
