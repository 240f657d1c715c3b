"""What a reward function returned, as numbers: a float, a None that was meant, or a failure with its reason."""

import math
from collections.abc import Mapping
from typing import Any

from engine.shown import short

MAX_TEXT = 500
MAX_METRICS = 20  # names that a reward can log
MAX_NAME = 80  # characters of such a name
MAX_EXTRA = 1000  # characters of one value given to log_extra

Value = tuple[float | None, str | None]  # the value, and why it is not there although it should be


def number(result: Any) -> Value:
    """One value. A None has no reason: the function has nothing to say about this completion."""
    if result is None:
        return None, None
    try:
        value = math.nan if isinstance(result, str | bytes) else float(_plain(result))
    except Exception:  # foreign objects raise what they like
        value = math.nan
    return (value, None) if math.isfinite(value) else (None, f"returned {_shown(result)}, not a finite number")


def batch(results: Any, expected: int) -> tuple[list[Value], str | None]:
    """The values of a batch, and why there are none: they are not one for each completion."""
    results = _plain(results)
    if isinstance(results, str | bytes | Mapping) or not hasattr(results, "__len__"):
        return [], f"returned {_shown(results)}, not a list with one value for each of {expected} completions"
    if len(results) != expected:
        return [], f"returned {len(results):,} value{'' if len(results) == 1 else 's'} for {expected} completions"
    return [number(result) for result in results], None


def score_of(result: Any) -> tuple[Any, dict[str, float]]:
    """verl's answer: a number, or a mapping with "score", whose other finite numbers are metrics."""
    if not isinstance(result, Mapping):
        return result, {}
    if "score" not in result:
        raise ValueError(f"it returned a dict without 'score': {_shown(dict(result))}")
    others = {str(key): number(value)[0] for key, value in result.items() if key != "score"}
    return result["score"], {key: value for key, value in others.items() if value is not None}


class Logged:
    """What one call gives to log_metric: means of the finite numbers by name, and why others were left out."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self.refused: dict[str, str] = {}

    def log(self, name: Any, value: Any) -> None:
        """Take a number for this name, as TRL does: what is logged several times is averaged."""
        name = str(name).encode(errors="replace").decode()  # half a surrogate pair is no text
        found, reason = number(value)
        if len(name) > MAX_NAME:
            reason = f"its name has {len(name):,} characters, more than {MAX_NAME}"
        elif name not in self._values and len(self._values) == MAX_METRICS:
            reason = f"a reward can log at most {MAX_METRICS} names"
        if reason is None and found is not None:
            self._values.setdefault(name, []).append(found)
        elif len(self.refused) < MAX_METRICS:
            self.refused.setdefault(name[:MAX_NAME], reason or "its value was None")

    def add(self, found: Mapping[str, float]) -> None:
        for name, value in found.items():
            self.log(name, value)

    def means(self) -> dict[str, float]:
        # Divided first: a sum of huge ones would be no finite number.
        return {name: sum(value / len(found) for value in found) for name, found in self._values.items()}


def extras(given: Mapping[str, Any], expected: int) -> dict[str, list[Any]]:
    """The columns given to log_extra that have an entry for each completion; texts shortened."""
    found = {}
    for key, column in list(given.items())[:20]:
        column = _plain(column)
        if isinstance(column, list | tuple) and len(column) == expected:
            found[str(key)[:80]] = [_kept(value) for value in column]
    return found


def _kept(value: Any) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    return str(value)[:MAX_EXTRA]


def _plain(value: Any) -> Any:
    """Arrays and tensors as Python's numbers and lists."""
    tolist = getattr(value, "tolist", None)
    return tolist() if callable(tolist) else value


def _shown(value: Any) -> str:
    try:
        return short(value)
    except Exception:  # its own __repr__
        return f"a {type(value).__name__}"
