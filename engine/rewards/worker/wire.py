"""JSON lines between client and worker: fast for what JSON has, and still readable for texts with half a character."""

import json
from typing import Any

import orjson

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
_dumps, _loads, _slow_dumps, _slow_loads = orjson.dumps, orjson.loads, json.dumps, json.loads
Unreadable = (ValueError, RecursionError, UnicodeDecodeError)


def encode(message: Any) -> bytes:
    """One line. What JSON does not have becomes its text; orjson takes neither half characters nor huge integers."""
    try:
        return _dumps(message, default=str, option=_OPTIONS)
    except (TypeError, RecursionError):
        return _slow_dumps(message, default=str).encode() + b"\n"


def decode(line: bytes) -> Any:
    """Raises one of Unreadable when the line is no JSON."""
    try:
        return _loads(line)
    except ValueError:
        return _slow_loads(line)
