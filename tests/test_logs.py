"""Log lines where they cannot be written."""

import errno
import io
import os
from typing import NoReturn, cast

import structlog

from souche.logs import BestEffortStream


class OnFullMedium(io.StringIO):
    """Standard error that leads to a file on a medium that is full."""

    def write(self, _text: str) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_log_on_a_full_medium_fails_nobody() -> None:
    stream = BestEffortStream(OnFullMedium())
    structlog.PrintLogger(cast("io.StringIO", stream)).info("a line")
    stream.flush()
