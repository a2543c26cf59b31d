"""Names, directories and console logs on the host."""

from pathlib import Path

import pytest

from souche.compute.libvirt import console, host_paths
from souche.compute.libvirt.names import Names, home_tag
from souche.errors import ComputeFailed


def test_names_fit_and_are_told_apart() -> None:
    here, there = Names(home_tag(Path("/srv/a"))), Names(home_tag(Path("/srv/b")))
    assert len(here.bridge) <= 15
    assert here.bridge != there.bridge
    assert here.uuid("i-1") != there.uuid("i-1")
    assert here.vm_id(here.domain("i-1")) == "i-1"
    assert here.vm_id(there.domain("i-1")) is None


@pytest.mark.parametrize("tag", ["", "UPPER", "a-b", "thirteenchars"])
def test_other_tags_are_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        Names(tag)


def test_a_closed_directory_is_named_with_what_mends_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(ComputeFailed, match=r"nobody.*chmod o\+x"):
        host_paths.require_traversable(tmp_path, user="nobody")


def test_an_unknown_user_is_named() -> None:
    with pytest.raises(ComputeFailed, match="no user"):
        host_paths.require_traversable(Path("/"), user="no-such-user")


def test_a_missing_directory_is_named() -> None:
    with pytest.raises(ComputeFailed, match="does not exist"):
        host_paths.require_traversable(Path("/nowhere/at-all"), user="nobody")


def test_every_directory_of_the_root_may_be_passed() -> None:
    host_paths.require_traversable(Path("/usr/bin"), user="nobody")


@pytest.mark.parametrize(
    ("older", "newer", "expected"),
    [(None, None, b""), (None, b"abcdef", b"cdef"), (b"1234", b"ab", b"34ab"), (b"1234", b"abcd", b"abcd")],
)
def test_the_console_is_the_tail_of_its_logs(
    tmp_path: Path, older: bytes | None, newer: bytes | None, expected: bytes
) -> None:
    log_file = tmp_path / "console.log"
    for path, content in ((log_file, newer), (tmp_path / "console.log.0", older)):
        if content is not None:
            path.write_bytes(content)
    assert console.tail(log_file, size=4) == expected
    console.forget_turned_over(log_file)
    assert not (tmp_path / "console.log.0").exists()


def test_the_console_has_64_kib_at_the_most(tmp_path: Path) -> None:
    log_file = tmp_path / "console.log"
    log_file.write_bytes(b"earlier" + b"x" * 64 * 1024)
    assert console.tail(log_file) == b"x" * 64 * 1024


def test_the_tail_of_a_tpm_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_paths, "TPM_LOGS", tmp_path)
    (tmp_path / "a-swtpm.log").write_text("one\ntwo\nthree\n")
    assert host_paths.tpm_log_tail("a", lines=2) == "two | three"
    assert host_paths.tpm_log_tail("b") == ""
