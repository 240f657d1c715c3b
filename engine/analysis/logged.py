"""What reward functions gave to log_metric, as columns. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

LOGGED = "logged/"  # before a name, where it stands among other metrics
MAX_NAMES = 50  # of a run: an engine stores 20 of each reward, and a file may hold whatever somebody wrote


def logged_means(rewards: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each step, a column for each name; NaN where nothing was logged.

    rewards: the column of steps of that name. Where several functions logged a name, it is their mean, as in TRL.
    """
    rows = [_of_step(row) for row in rewards]
    names = list(dict.fromkeys(name for row in rows for name in row))[:MAX_NAMES]
    columns = {name: [row.get(name, math.nan) for row in rows] for name in names}
    return pd.DataFrame(columns, dtype=np.float64, index=range(len(rows)))


def _of_step(rewards: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for summary in rewards.values():
        for name, value in summary.get("logged", {}).items():
            if isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(name, []).append(float(value))
    return {name: sum(value / len(values) for value in values) for name, values in found.items()}
