"""Whether an image was seen to boot."""

from dataclasses import dataclass
from datetime import datetime

from souche.model.images import BootMode


@dataclass(frozen=True)
class Boot:
    """What one boot of an image came to. `reached`: `login` (a login prompt on the serial console), `cloud-init` (its
    end), or empty, and then `reason` says why. `log` is the end of the serial console; `screenshot` a PNG of the
    screen, None: none could be taken. `seconds` from power-on."""

    boot_mode: BootMode
    reached: str
    seconds: float
    reason: str = ""
    log: bytes = b""
    screenshot: bytes | None = None

    @property
    def passed(self) -> bool:
        """Whether it came so far that the image is good."""
        return bool(self.reached)


@dataclass(frozen=True)
class Verification:
    """The last boot of an image, and when it was."""

    image_id: str
    date: datetime
    boot: Boot
