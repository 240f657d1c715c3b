"""Values of run.db as what their column should hold: a file from elsewhere may hold anything in any column.

What is wrong raises ValueError or TypeError, which RunReader turns into a StoreError where it has the database open.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from engine.analysis.evaluation import read_estimates
from engine.runs.schema import INTEGER_COLUMNS, REAL_COLUMNS
from engine.runs.shapes import parsed, whole_numbers
from engine.runs.tokens import unpack


def frame_column(name: str, values: Sequence[Any], json_columns: tuple[str, ...] = ()) -> Any:
    """One column of a frame: numbers as float64 with NaN where missing, JSON and arrays decoded."""
    if name in REAL_COLUMNS:
        return np.array(values, dtype=np.float64)
    if name in json_columns:
        return pd.Series([parsed(name, text, dict) for text in values], dtype=object)
    if name == "metrics":
        return pd.Series([read_estimates(parsed(name, text, dict)) for text in values], dtype=object)
    if name in ("totals", "advantages"):
        return pd.Series([unpack(name, blob) for blob in values], dtype=object)
    if name in INTEGER_COLUMNS:
        return whole_numbers(name, values)
    if not all(value is None or isinstance(value, str) for value in values):
        raise TypeError(f"the column {name} holds something else than text")
    return list(values)


def checked(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """One row by its columns: float, int or str as the column says, None where missing, and nothing decoded."""
    return {name: _checked(name, value) for name, value in zip(names, row, strict=True)}


def string(value: Any) -> str:
    """The value, which is text."""
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def known_number(value: float) -> float | None:
    """None for NaN, which frames have where a number is missing."""
    return None if math.isnan(value) else value


def _checked(name: str, value: Any) -> float | int | str | None:
    if value is None:
        return None
    if name not in REAL_COLUMNS:
        return cast("int | str", frame_column(name, (value,))[0])
    if not isinstance(value, float | int) or not math.isfinite(value):  # the store writes no infinity
        raise TypeError(f"the column {name} holds something else than numbers")
    return float(value)
