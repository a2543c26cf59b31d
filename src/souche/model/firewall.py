"""The words of security groups' rules."""

from typing import Literal, TypeAlias

Protocol: TypeAlias = Literal["tcp", "udp", "icmp", "-1"]
"""`-1` means all protocols."""

ANY = -1
EVERYWHERE = "0.0.0.0/0"
