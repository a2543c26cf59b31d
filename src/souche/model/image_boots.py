"""Boots of images before publication."""

from dataclasses import dataclass
from datetime import datetime

from souche.model.images import BootMode


@dataclass(frozen=True)
class Boot:
    """The result of one boot of an image. `reached`: `login` (a login prompt on the serial console), `cloud-init` (its
    end), or empty; then `reason` explains it. `log` is the end of the serial console; `screenshot` a PNG of the screen
    (None: none could be taken). `seconds` from power-on."""

    boot_mode: BootMode
    reached: str
    seconds: float
    reason: str = ""
    log: bytes = b""
    screenshot: bytes | None = None

    @property
    def passed(self) -> bool:
        """Whether it reached a state that proves the image."""
        return bool(self.reached)


@dataclass(frozen=True)
class Verification:
    """The last boot of an image, and its date."""

    image_id: str
    date: datetime
    boot: Boot
