from pathlib import Path

import pytest

from souche.recipes.apt_mirrors import Mirrors, Source, host_mirrors, mirrors, parse_deb822, parse_list

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://unused.example/debian
Suites: bookworm
Components: main
"""


def test_a_machine_without_apt_configuration_uses_deb_debian_org(tmp_path: Path) -> None:
    assert host_mirrors(tmp_path) == Mirrors()


def test_one_line_sources_are_read_with_options_and_comments() -> None:
    text = (
        "# deb http://old.example/debian trixie main\n"
        "deb [arch=amd64] http://a.example/debian trixie main non-free # x\n"
    )
    assert list(parse_list(text)) == [Source("http://a.example/debian", "trixie", ("main", "non-free"))]


def test_deb822_sources_are_read_with_continuations_and_without_disabled_ones() -> None:
    assert list(parse_deb822(DEB822)) == [
        Source("http://mirror.example/debian/", "bookworm", ("main", "contrib")),
        Source("http://mirror.example/debian/", "bookworm-updates", ("main", "contrib")),
        Source("http://mirror.example/debian-security", "bookworm-security", ("main",)),
    ]


def test_the_machines_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)
    expected = Mirrors("http://mirror.example/debian", "http://mirror.example/debian-security")
    assert host_mirrors(tmp_path) == expected


@pytest.mark.parametrize(
    "source",
    [
        Source("https://download.docker.com/linux/debian", "bookworm", ("stable",)),
        Source("https://apt.example.com", "bookworm", ("main",)),
        Source("https://deb.nodesource.com/node_20.x", "nodistro", ("main",)),
        Source("mirror+file:/etc/apt/mirrors/debian.list", "bookworm", ("main",)),
        Source("file:/srv/debian", "bookworm", ("main",)),
    ],
)
def test_other_vendors_and_other_transports_are_passed_over(source: Source) -> None:
    assert mirrors([source]) == Mirrors()
