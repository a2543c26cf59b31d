"""One JSON text for each value, so that a signature or a hash covers the value, not its spelling.

It is RFC 8785 (JCS) for values without fractions: UTF-8, no spaces, sorted keys of objects, and only the escapes that
JSON requires. docs/formats.md has the full rules.
"""

import json
from typing import Any

from souche.formats.json_fields import NotJson


def canonical(value: object) -> bytes:
    """The one text of a value that was read from JSON.

    Raises:
        NotJson: a number has a fraction or an exponent, which has many spellings, or the value is nested too deeply.
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
        raise NotJson(reason=f"the number {value} is not an integer, and only integers can be signed")
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        _check(item)
