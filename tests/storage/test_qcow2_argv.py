"""The exact command lines: every one names its formats."""

from pathlib import Path

from souche.storage import nbd
from souche.storage.qcow2 import argv
from tests.support import memory_volumes as memory

IMAGE, OTHER = Path("/d/layers/vol-1.qcow2"), Path("/d/layers/vol-2.qcow2")
OPTIONS = "compat=1.1,lazy_refcounts=off"


def test_create_overlay_does_not_open_its_backing() -> None:
    assert argv.create_overlay(IMAGE, "vol-2.qcow2", 1024) == [
        *("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-o", OPTIONS),
        *("-b", "vol-2.qcow2", "-F", "qcow2", "/d/layers/vol-1.qcow2", "1024"),
    ]


def test_grow_never_shrinks() -> None:
    assert argv.grow(IMAGE, 1024) == [
        "qemu-img",
        "resize",
        "-q",
        "-f",
        "qcow2",
        "/d/layers/vol-1.qcow2",
        "1024",
    ]


def test_check_idle_honours_image_locks() -> None:
    assert argv.check_idle(IMAGE) == ["qemu-img", "info", "-f", "qcow2", "/d/layers/vol-1.qcow2"]


def test_convert() -> None:
    assert argv.convert(Path("/in.raw"), "raw", IMAGE) == [
        *("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2"),
        *("-o", OPTIONS, "/in.raw", "/d/layers/vol-1.qcow2"),
    ]


def test_rebase_copies_what_lies_between() -> None:
    assert argv.rebase(IMAGE, OTHER) == [
        *("qemu-img", "rebase", "-q", "-f", "qcow2"),
        *("-b", "/d/layers/vol-2.qcow2", "-F", "qcow2", "/d/layers/vol-1.qcow2"),
    ]


def test_rename_backing_copies_nothing() -> None:
    assert argv.rename_backing(IMAGE, "vol-2.qcow2") == [
        *("qemu-img", "rebase", "-q", "-u", "-f", "qcow2"),
        *("-b", "vol-2.qcow2", "-F", "qcow2", "/d/layers/vol-1.qcow2"),
    ]


def test_nbd_server_is_read_only_and_ends_with_us() -> None:
    assert nbd.server_argv(IMAGE, "qcow2", Path("/w")) == [
        *("setpriv", "--pdeathsig", "KILL", "--", "env", "--chdir=/w"),
        *("qemu-nbd", "--read-only", "--persistent", "--shared=8", "--format=qcow2"),
        *("--socket=/proc/self/cwd/nbd", "/d/layers/vol-1.qcow2"),
    ]


def test_nbd_uri_quotes_its_path() -> None:
    assert nbd.uri(Path("/a b/nbd")) == "nbd+unix:///?socket=/a%20b/nbd"


def test_memory_store_converts_to_raw() -> None:
    assert memory.convert_argv(IMAGE, "qcow2", Path("/t.raw")) == [
        *("qemu-img", "convert", "-q", "-f", "qcow2", "-O", "raw", "/d/layers/vol-1.qcow2", "/t.raw"),
    ]
