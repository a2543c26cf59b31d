"""What the firewalls should be, in files that several processes share."""

import json
from pathlib import Path

from souche.compute.libvirt.firewall_files import FirewallFiles
from souche.compute.libvirt.firewall_rules import GuestFirewall
from souche.model.security_groups import Rule

GROUP = "sg-0000000a"
SSH = Rule("tcp", 22, 22, "10.0.0.0/8")
GUEST = GuestFirewall("i-00000001", "aa:00:00:00:00:01", "10.0.4.9", (GROUP,))


def written(root: Path) -> FirewallFiles:
    files = FirewallFiles(root)
    with files.locked():
        files.put_guest(GUEST)
        files.put_rules(GROUP, [SSH])
    return files


def test_what_one_writes_another_finds(tmp_path: Path) -> None:
    state, other = written(tmp_path).state, FirewallFiles(tmp_path)
    with other.locked() as own:
        assert not own
    assert other.state == state


def test_one_knows_whether_another_has_changed_anything(tmp_path: Path) -> None:
    one, other = written(tmp_path), FirewallFiles(tmp_path)
    with one.locked() as own:
        assert own
    with other.locked():
        other.remove_guest(GUEST.vm_id)
    with one.locked() as own:
        assert not own
    assert one.state.guests == {}


def test_what_is_so_already_is_no_change(tmp_path: Path) -> None:
    one, other = written(tmp_path), FirewallFiles(tmp_path)
    with other.locked():
        other.put_guest(GUEST)
        other.put_rules(GROUP, [SSH])
        other.remove_guest("i-ffffffff")
    with one.locked() as own:
        assert own


def test_an_address_has_one_guest(tmp_path: Path) -> None:
    files = written(tmp_path)
    with files.locked():
        files.put_guest(GuestFirewall("i-00000002", "aa:00:00:00:00:02", GUEST.ip))
    assert list(files.state.guests) == ["i-00000002"]


def test_a_file_that_a_power_failure_has_left_empty_is_passed_over(tmp_path: Path) -> None:
    written(tmp_path)
    for name in (f"{GUEST.vm_id}.json", f"groups/{GROUP}.json", "generation"):
        (tmp_path / name).write_bytes(b"")
    files = FirewallFiles(tmp_path)
    with files.locked():
        files.put_guest(GUEST)
    assert files.state.guests == {GUEST.vm_id: GUEST}


def test_a_guest_of_an_earlier_release_is_in_no_group(tmp_path: Path) -> None:
    stored = {"vm_id": GUEST.vm_id, "mac": GUEST.mac, "ip": GUEST.ip, "inbound": []}
    (tmp_path / f"{GUEST.vm_id}.json").write_text(json.dumps(stored))
    files = FirewallFiles(tmp_path)
    with files.locked():
        assert files.state.guests[GUEST.vm_id].groups == ()


def test_rules_of_groups_without_guests_are_forgotten(tmp_path: Path) -> None:
    files = written(tmp_path)
    with files.locked():
        files.put_rules("sg-0000000b", [SSH])
        files.remove_unused_rules()
    assert list(files.state.rules) == [GROUP]
    assert [path.stem for path in (tmp_path / "groups").glob("*.json")] == [GROUP]
