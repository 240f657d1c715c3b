"""What a cell may hold: plain values within limits, as JSON could hold them; and JSON read so that nothing is lost."""

import json
import math
from typing import Any

from engine.config_problems import repeated

MAX_CELL = 200_000  # characters; tokenizers get slow on longer texts, and no context takes them
MAX_DEPTH = 20  # of lists and objects inside a cell
MAX_NUMBER = 4_300  # digits; Python refuses to read more


class Unusable(Exception):
    """Why a row, or a value in it, cannot be used. Also stands where such a value would be."""


def parsed(text: str) -> Any:
    """The JSON value of a text, or the Unusable that says what is wrong with it."""
    try:
        return json.loads(text, cls=Decoder)
    except json.JSONDecodeError as error:
        return Unusable(f"is not JSON ({error.msg}, column {error.colno}).")
    except RecursionError:
        return too_deep()


class Decoder(json.JSONDecoder):
    """Reads JSON; what Python would let pass or change silently becomes an Unusable in its place."""

    def __init__(self) -> None:
        super().__init__(parse_constant=_constant, parse_int=_integer, object_pairs_hook=_object)


def too_deep() -> Unusable:
    return Unusable(f"is nested more than {MAX_DEPTH} levels deep.")


def usable(cells: Any) -> dict[str, Any]:
    """The row with plain values. Raises Unusable when it is not an object or holds what cannot be kept."""
    if isinstance(cells, Unusable):
        raise cells
    if not isinstance(cells, dict):
        raise Unusable(f"is {kind_of(cells)}, not an object.")
    if not cells:
        raise Unusable("is an empty object.")
    return {_checked_text(name, "a column name"): _plain(value, f"'{name[:40]}'") for name, value in cells.items()}


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    names: dict[type, str] = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    return names.get(type(value), json.dumps(value, default=str))  # true, false, null


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Unusable:
    """A JSON object. Of a name that occurs twice nobody can say which value was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = repeated(name for name, _ in pairs) or ""
        return Unusable(f"has '{twice[:40]}' twice in one object.")
    return found


def _constant(name: str) -> Unusable:
    return Unusable(f"has {name}, which is not JSON.")


def _integer(digits: str) -> int | Unusable:
    return int(digits) if len(digits) <= MAX_NUMBER else Unusable("has a number with thousands of digits.")


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """The value as JSON could hold it: dates and the like become text, NaN becomes nothing.

    Bytes that are no text, such as pictures, stay bytes: as prompt or answer they are refused.
    """
    if isinstance(value, Unusable):
        raise value
    if depth > MAX_DEPTH:
        raise Unusable(f"{where} is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, str):
        return _checked_text(value, where)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):  # older writers of Parquet store text so
        return _decoded(value, where)
    if isinstance(value, dict):
        return {_checked_text(str(key), where): _plain(item, where, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, where, depth + 1) for item in value]
    return str(value)


def _decoded(data: bytes, where: str) -> str | bytes:
    try:
        return _checked_text(data.decode(), where)
    except UnicodeDecodeError:
        return data


def _checked_text(text: str, where: str) -> str:
    if len(text) > MAX_CELL:
        raise Unusable(f"{where} has {len(text):,} characters, more than {MAX_CELL:,}.")
    if "\0" in text:
        raise Unusable(f"{where} has a NUL character.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Unusable(f"{where} has half a surrogate pair, which is no character.")
    return text
