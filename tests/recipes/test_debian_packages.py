import pytest

from souche.recipes.debian_packages import NoPlan, installed, planned

STATUS = """\
Package: adduser
Status: install ok installed
Priority: important
Version: 3.152
Description: add and remove users
 Version: 9 of something else

Package: gone
Status: deinstall ok config-files
Version: 1.0

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12+deb13u5
"""

# As apt says it.
LOG = """\
I: running apt-get update...
The following NEW packages will be installed:
  linux-base openssh-server
Inst gcc-14-base (14.2.0-19 Debian:13.8/stable [amd64])
Inst libc6 (2.41-12+deb13u5 Debian:13.8/stable [amd64]) []
Inst dpkg:amd64 [1.22.21] (1.22.22 Debian:13.8/stable [amd64])
Inst linux-base (4.12.1 Debian:13.8/stable, Debian-Security:13/stable-security [all])
Conf libc6 (2.41-12+deb13u5 Debian:13.8/stable [amd64])
Inst openssh-server (1:10.0p1-7+deb13u4 Debian:13.8/stable [amd64])
"""


def test_the_packages_of_an_image_are_those_that_dpkg_has_installed() -> None:
    assert installed(STATUS) == {"adduser": "3.152", "libc6": "2.41-12+deb13u5"}


def test_the_packages_of_a_plan_are_those_that_apt_would_install() -> None:
    assert planned(LOG) == {
        "gcc-14-base": "14.2.0-19",
        "libc6": "2.41-12+deb13u5",
        "dpkg": "1.22.22",
        "linux-base": "4.12.1",
        "openssh-server": "1:10.0p1-7+deb13u4",
    }


def test_a_plan_without_a_package_is_none() -> None:
    with pytest.raises(NoPlan):
        planned("I: running apt-get update...\n")
