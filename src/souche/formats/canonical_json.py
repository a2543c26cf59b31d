"""One JSON text for each value, so that a signature or a hash is of the value and not of its spelling.

As RFC 8785 (JCS) has it, for values without fractions: UTF-8, no spaces, the keys of objects sorted, characters escaped
only where JSON demands it. docs/formats.md says it in full.
"""

import json
from typing import Any

from souche.formats.json_fields import NotJson


def canonical(value: object) -> bytes:
    """The one text of a value that was read from JSON.

    Raises:
        NotJson: there is a number with a fraction or an exponent in it, which has many spellings, or it is nested
            too deeply.
    """
    try:
        _check(value)
        return json.dumps(_sorted(value), separators=(",", ":"), ensure_ascii=False).encode()
    except RecursionError as error:
        raise NotJson(reason="it is nested too deeply") from error


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return {key: _sorted(value[key]) for key in keys}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _check(value: Any) -> None:
    if isinstance(value, float):
        raise NotJson(reason=f"the number {value} is not whole, and nothing in it may be signed so")
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        _check(item)
