"""The dates until which makers give security updates without a contract. Compiled in November 2026 from the makers' own
pages; by os-release's ID, and the beginning of its VERSION_ID.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

_ENTERPRISE: Final = {
    "6": date(2020, 11, 30),
    "7": date(2024, 6, 30),
    "8": date(2029, 5, 31),
    "9": date(2032, 5, 31),
}

ENDS: Final[Mapping[str, Mapping[str, date]]] = {
    "debian": {
        "7": date(2018, 5, 31),
        "8": date(2020, 6, 30),
        "9": date(2022, 6, 30),
        "10": date(2024, 6, 30),
        "11": date(2026, 8, 31),
        "12": date(2028, 6, 30),
        "13": date(2030, 6, 30),
    },
    "ubuntu": {
        "12.04": date(2017, 4, 28),
        "14.04": date(2019, 4, 25),
        "16.04": date(2021, 4, 30),
        "18.04": date(2023, 5, 31),
        "20.04": date(2025, 5, 31),
        "22.04": date(2027, 4, 30),
        "22.10": date(2023, 7, 20),
        "23.04": date(2024, 1, 25),
        "23.10": date(2024, 7, 11),
        "24.04": date(2029, 4, 30),
        "24.10": date(2025, 7, 10),
        "25.04": date(2026, 1, 15),
        "25.10": date(2026, 7, 31),
    },
    "centos": {
        "5": date(2017, 3, 31),
        "6": date(2020, 11, 30),
        "7": date(2024, 6, 30),
        "8": date(2024, 5, 31),
    },
    "rhel": _ENTERPRISE,
    "rocky": _ENTERPRISE,
    "almalinux": _ENTERPRISE,
    "ol": _ENTERPRISE,
    "amzn": {"2018": date(2023, 12, 31), "2": date(2026, 6, 30)},
    "alpine": {
        "3.15": date(2023, 11, 1),
        "3.16": date(2024, 5, 23),
        "3.17": date(2024, 11, 22),
        "3.18": date(2025, 5, 9),
        "3.19": date(2025, 11, 1),
        "3.20": date(2026, 4, 1),
        "3.21": date(2026, 11, 1),
    },
    "fedora": {
        "37": date(2023, 12, 5),
        "38": date(2024, 5, 21),
        "39": date(2024, 11, 26),
        "40": date(2025, 5, 13),
        "41": date(2025, 12, 15),
        "42": date(2026, 5, 13),
    },
    "opensuse-leap": {"15.3": date(2022, 12, 31), "15.4": date(2023, 12, 7), "15.5": date(2024, 12, 31)},
    "sles": {"11": date(2019, 3, 31), "12": date(2024, 10, 31)},
}

WINDOWS_BUILDS: Final[Mapping[int, date]] = {
    6002: date(2020, 1, 14),
    7601: date(2020, 1, 14),
    9200: date(2023, 10, 10),
    9600: date(2023, 10, 10),
    14393: date(2027, 1, 12),
    17763: date(2029, 1, 9),
    20348: date(2031, 10, 14),
    26100: date(2034, 10, 10),
}
"""By the build number of Windows Server."""


def end_of(system_id: str, version: str) -> date | None:
    """The last day of a release; None: it is not known, or has none."""
    ends = ENDS.get(system_id, {})
    parts = version.split(".")
    return ends.get(".".join(parts[:2])) or ends.get(parts[0])
