"""No answer to a user has a path of the host, or what a program said (issue 9, 1.6)."""

import importlib
import pkgutil
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import souche
from souche import run
from souche.api.protocol.errors import envelope
from souche.errors import (
    HOST_PATH,
    ComputeFailed,
    DiskDamaged,
    ProgramFailed,
    SoucheError,
    StorageFailed,
    SystemFailure,
    Unavailable,
)
from souche.storage import nbd
from souche.storage.qcow2 import argv
from souche.workflows.engine import reason_of

HOME = "/srv/region of ours/disks"
SAID = f"qemu-img: Could not open '{HOME}/layers/vol-1.qcow2': Failed to get \"write\" lock"


def kinds(base: type[SoucheError]) -> Iterator[type[SoucheError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def every_failure() -> list[type[SoucheError]]:
    for module in pkgutil.walk_packages(souche.__path__, "souche."):
        if not module.name.startswith(("souche.db.migrations", "souche.__main__", "souche.recipes")):
            importlib.import_module(module.name)
    return sorted({SystemFailure, *kinds(SystemFailure)}, key=lambda kind: kind.__qualname__)


def filled(kind: type[SoucheError], text: str) -> SoucheError:
    fields = [(name, spec) for _, name, spec, _ in string.Formatter().parse(kind.template) if name]
    known: dict[str, object] = {"resource_id": "snap-1", "program": "/srv/region of ours/oos/weed"}
    return kind(**{name: known.get(name, 1.0 if spec else text) for name, spec in fields})


def causes() -> list[BaseException | None]:
    return [
        None,
        OSError(28, "No space left on device", f"{HOME}/layers/vol-1.qcow2"),
        ProgramFailed(program="qemu-img", status=1, stderr=SAID),
        ValueError(SAID),
    ]


def assert_tells_nothing_of_the_host(text: str) -> None:
    for word in ("/srv", "of ours", "disks", "layers", '"write"', "qcow2"):
        assert word not in text
    assert text.strip()


@pytest.mark.parametrize("kind", every_failure())
def test_no_failure_tells_a_path_of_the_host(kind: type[SoucheError]) -> None:
    for text in (SAID, f"[Errno 2] No such file or directory: '{HOME}/captures/x'", f"file://{HOME}", HOME):
        for cause in causes():
            error = filled(kind, text)
            error.__cause__ = cause
            assert_tells_nothing_of_the_host(reason_of(error))
            assert "/srv" not in str(envelope(error))


@pytest.mark.parametrize(
    "make", [argv.check_idle, lambda path: argv.convert(path, "qcow2", path.with_name("x"))]
)
def test_what_a_real_qemu_img_says_is_not_told(tmp_path: Path, make: Callable[[Path], list[str]]) -> None:
    for content in (None, b"no image", b"QFI\xfb" + b"\xff" * 500):
        image = tmp_path / "layers"
        if content is not None:
            image.write_bytes(content)
        with pytest.raises(ProgramFailed) as failed:
            run.run(make(image), timeout_seconds=60)
        assert str(tmp_path) in str(failed.value)
        wrapped = StorageFailed(reason=f"import snap-1: {failed.value}")
        wrapped.__cause__ = failed.value
        assert reason_of(wrapped) == "The volume store failed: 'qemu-img' failed"


def test_what_a_real_nbd_server_says_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"no image")
    with pytest.raises(StorageFailed) as failed, nbd.serve(tmp_path / "image", "qcow2", tmp_path):
        pass
    assert reason_of(failed.value) == "The volume store failed: 'qemu-nbd' failed"


def test_what_helps_a_user_is_told() -> None:
    full = StorageFailed(reason=f"create volume vol-1: {HOME}")
    full.__cause__ = OSError(28, "No space left on device", HOME)
    away = Unavailable(what="libvirt", reason="Connection refused")
    device = ComputeFailed(reason="a guest cannot have a disk at /dev/xvdzzz")
    told = {each: reason_of(each) for each in (full, away, device)}
    assert told == {
        full: "The volume store failed: No space left on device",
        away: "libvirt cannot be reached at the moment: Connection refused",
        device: "The hypervisor failed: a guest cannot have a disk at /dev/xvdzzz",
    }
    assert reason_of(DiskDamaged(resource_id="snap-1", reason="its layer vol-2.qcow2 is missing")) == (
        "The disk of snap-1 is damaged."
    )


@pytest.mark.parametrize(
    "text", ["http://h:1/a/b", "https://[::1]/a", "either/or", "1/s", "/dev/sda1", "</a>"]
)
def test_what_is_no_path_of_the_host_is_told(text: str) -> None:
    assert not HOST_PATH.search(text)
