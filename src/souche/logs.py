"""Log lines: one event with its fields, on standard error; JSON if it is not a terminal."""

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog


class BestEffortStream:
    """A stream whose writes never fail: standard error may lead to a file on a full medium."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, or lose it."""
        with suppress(OSError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        """Flush the stream, or leave the data in it."""
        with suppress(OSError):
            self._stream.flush()


def configure(level: str) -> None:
    """Send structlog's lines, and those of libraries from WARNING on, to standard error."""
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", BestEffortStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    # It logs a traceback for each connection that the database ended. The error is raised as well.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
