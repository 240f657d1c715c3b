"""A value in few characters, for messages. Loads nothing, so that a reward's worker starts at once."""

from typing import Any


def short(value: Any) -> str:
    """A value as Python writes it, in at most 60 characters."""
    if isinstance(value, int) and value.bit_length() > 200:  # int → str refuses more than 4,300 digits
        return "this huge number"
    try:
        shown = repr(value[:100]) if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):  # such a number, or too many brackets, further in
        return "this huge value"
    return shown if len(shown) <= 60 else shown[:57] + "..."
