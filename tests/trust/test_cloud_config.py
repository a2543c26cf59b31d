"""Keys and passwords in an image's own cloud-init configuration: found in the report, taken by the cleaning."""

from pathlib import Path

import pytest
import yaml

from souche.trust.cleaning import plan
from souche.trust.disks.layout import look
from souche.trust.examination import examine
from tests.trust import corpus
from tests.trust.corpus import HASH, KEY, KEY_BLOB, SECRET, Files, FileSource
from tests.trust.test_linux import LEGACY

OPENS, PASSWORD = "authorized-key", "usable-password"
PART = "etc/cloud/cloud.cfg.d/90-own.cfg"


def found(folder: Path, files: dict[str, str | bytes | None]) -> list[tuple[str, str]]:
    """The keys and passwords that are found."""
    made = examine("tsk", look([FileSource(corpus.linux(folder, Files(files)))]), LEGACY)
    return [(each.code, each.path) for each in made.findings if each.code in (OPENS, PASSWORD)]


def cleaned(folder: Path, path: str, text: str) -> tuple[list[str], str]:
    """The codes of what is done to a file, and what it has then."""
    layout = look([FileSource(corpus.linux(folder, Files({path: text})))])
    done = [each for each in plan.deeds(plan.systems(layout, LEGACY)[0]) if each.done.path == f"/{path}"]
    return [each.done.code for each in done], done[0].changes[0].content.decode()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (f"ssh_authorized_keys:\n  - {KEY}", [OPENS]),
        (f'ssh_authorized_keys: ["{KEY.strip()}"]\n', [OPENS]),
        (f"users:\n- name: a\n  ssh-authorized-keys:\n  - no-pty {KEY}", [OPENS]),
        (f"users:\n- {{name: a, passwd: '{HASH}'}}\n", [PASSWORD]),
        (f"users:\n- name: a\n  hashed-passwd: {HASH}\n", [PASSWORD]),
        (f"password: {SECRET}\n", [PASSWORD]),
        (f"chpasswd:\n  list: |\n    root:{SECRET}\n", [PASSWORD]),
        (f"chpasswd: {{list: ['root:{SECRET}']}}\n", [PASSWORD]),
        (f"chpasswd:\n  users:\n  - {{name: a, password: {SECRET}, type: text}}\n", [PASSWORD]),
        (f"password: {SECRET}\nusers:\n- name: a\n  ssh_authorized_keys:\n  - {KEY}", [OPENS, PASSWORD]),
        ("users:\n- {name: a, lock_passwd: false, passwd: '!'}\n", []),
        ("chpasswd:\n  expire: false\n  list: |\n    root:RANDOM\n    a:R\n", []),
        (f"ssh_keys:\n  ed25519_public: {KEY}", []),
        (f"#password: {SECRET}\n", []),
        ("cloud_init_modules:\n- set-passwords\n- users-groups\nssh_pwauth: true\n", []),
    ],
)
def test_what_cloud_init_gives_every_launch_is_found(text: str, codes: list[str], tmp_path: Path) -> None:
    assert found(tmp_path, {PART: text}) == [(code, f"/{PART}") for code in codes]


def test_a_seed_is_looked_at_if_it_is_configuration(tmp_path: Path) -> None:
    folder = "var/lib/cloud/seed/nocloud/"
    files: dict[str, str | bytes | None] = {
        f"{folder}user-data": f"#cloud-config\npassword: {SECRET}\n",
        f"{folder}vendor-data": f"#!/bin/sh\n# {KEY}",
        f"{folder}meta-data": f"public-keys:\n- {KEY}",
    }
    assert set(found(tmp_path, files)) == {(PASSWORD, f"/{folder}user-data"), (OPENS, f"/{folder}meta-data")}


def test_a_secret_is_taken_and_the_rest_stays_as_it_is(tmp_path: Path) -> None:
    text = f"""# own
datasource_list: [ Ec2 ]
ssh_authorized_keys:
  - {KEY.strip()}
password: {SECRET}
chpasswd:
  expire: false
  list: |
    root:{SECRET}
users:
  - passwd: "{HASH}"
    name: a
  - {{name: b, plain_text_passwd: '{SECRET}, more', sudo: false}}
  - name: c
    ssh_authorized_keys: ["{KEY.strip()}"]
runcmd: [date]
"""
    codes, left = cleaned(tmp_path, PART, text)
    assert codes == [OPENS, PASSWORD]
    assert SECRET not in left
    assert KEY_BLOB not in left
    assert yaml.safe_load(left) == {
        "datasource_list": ["Ec2"],
        "ssh_authorized_keys": None,
        "users": [
            {"name": "a", "passwd": ""},
            {"name": "b", "plain_text_passwd": "", "sudo": False},
            {"name": "c", "ssh_authorized_keys": [" author@laptop"]},
        ],
        "runcmd": ["date"],
    }
