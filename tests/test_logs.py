"""Log lines where they cannot be written."""

import errno
import io
import os
from typing import NoReturn, cast

import structlog
from structlog.testing import capture_logs

from souche import logs
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


LOG = structlog.get_logger()


def test_a_command_in_this_process_configures_the_log() -> None:
    """Of the tests' own: the next test is not to notice."""
    logs.configure("error")
    LOG.warning("not shown, and not to be kept by the logger")


def test_the_log_is_as_it_was_before_that() -> None:
    with capture_logs() as lines:
        LOG.info("shown")
    assert [line["event"] for line in lines] == ["shown"]
