"""Sizes and durations as people read them."""

from typing import Final

UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")
DURATIONS: Final = ((86400, "d"), (3600, "h"), (60, "min"))


def shown_bytes(size_bytes: float) -> str:
    """A size with its unit: `1.5 GiB`."""
    if abs(size_bytes) < 1024:
        return f"{size_bytes:.0f} B"
    power = next(
        (power for power in range(1, len(UNITS)) if abs(size_bytes) < 1024 ** (power + 1)), len(UNITS)
    )
    return f"{size_bytes / 1024**power:.1f} {UNITS[power - 1]}"


def shown_seconds(seconds: float) -> str:
    """A duration in its largest whole unit: `5 min`."""
    for length, unit in DURATIONS:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"
