"""The chart of a re-score: a value of every completion before, and what the other rewards make of it. Pure."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.charts import Chart
from dashboard.plot_parts import figure_of, plot_text
from dashboard.text import one_line
from dashboard.wording import plural

MAX_DOTS = 400  # different pairs of values; more are pooled
CELLS = 40  # a side of the raster that pools them
SMALLEST, LARGEST = 5.0, 34.0  # pixels across
TOTAL = "total reward"
NO_BOTH = "No completion has a value both before and after."
Pairs = NDArray[np.float64]


def before_after_chart(rows: pd.DataFrame, name: str | None = None) -> Chart:
    """One dot per pair of values, as large as it has completions. name: a reward; None: the total.

    rows: of engine.rescore_client.read_rows. Completions that miss one of the two values are counted, and not drawn.
    """
    label = TOTAL if name is None else name
    columns = [f"total_{side}" if name is None else f"{side}/{name}" for side in ("before", "after")]
    pairs = rows[columns].to_numpy(dtype=np.float64) if set(columns) <= set(rows) else np.empty((0, 2))
    known = pairs[~np.isnan(pairs).any(axis=1)]
    title, key = f"{one_line(label)}, before and after", f"rescore-{'total' if name is None else 'reward'}"
    if not len(known):
        return Chart(key, title, "", None, sentence=NO_BOTH)
    dots, counts, is_pooled = pooled(known)
    figure = figure_of([_diagonal(known), _dots(dots, counts)], f"{plot_text(label)} before", "after")
    for axis in ("xaxis", "yaxis"):
        figure["layout"][axis] |= {"tickformat": ".3~g"}
        figure["layout"][axis].pop("dtick", None)
    figure["layout"] |= {"hovermode": "closest", "showlegend": False}
    return Chart(key, title, _look_for(len(pairs) - len(known), is_pooled), figure)


def pooled(pairs: Pairs) -> tuple[Pairs, NDArray[np.int64], bool]:
    """Different pairs with how often each occurs; where there are very many, the middle of those in one cell.

    pairs [N, 2] without NaN. Returns dots [D, 2], counts [D], whether they were pooled.
    """
    dots, counts = np.unique(pairs, axis=0, return_counts=True)
    if len(dots) <= MAX_DOTS:
        return dots, counts, False
    low, span = pairs.min(axis=0), np.maximum(np.ptp(pairs, axis=0), 1e-12)
    cells = np.minimum((CELLS * (pairs - low) / span).astype(np.int64), CELLS - 1)
    _, where, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), 2))
    np.add.at(sums, where.reshape(-1), pairs)
    return sums / counts[:, None], counts, True


def _look_for(missing: int, is_pooled: bool) -> str:
    words = (
        "Dots on the line keep their value; above it they gain, below it they lose. Look for large dots far from it: "
        "the two rewards disagree there."
    )
    words += " Each dot is the middle of those nearby." if is_pooled else ""
    return words + (f" {plural(missing, 'completion')} without both values not drawn." if missing else "")


def _diagonal(pairs: Pairs) -> dict[str, Any]:
    ends = np.array([pairs.min(), pairs.max()])
    return {
        "type": "scatter", "mode": "lines", "x": ends, "y": ends, "hoverinfo": "skip",
        "line": {"color": "var(--lab-grey)", "width": 1, "dash": "dot"},
    }  # fmt: skip


def _dots(dots: Pairs, counts: NDArray[np.int64]) -> dict[str, Any]:
    """The area of a dot stands for its completions."""
    sizes = np.maximum(LARGEST * np.sqrt(counts / counts.max()), SMALLEST)
    moved = np.abs(dots[:, 1] - dots[:, 0]) > 1e-9
    return {
        "type": "scatter", "mode": "markers", "x": dots[:, 0], "y": dots[:, 1], "customdata": counts[:, None],
        "marker": {
            "size": sizes, "opacity": 0.75,
            "color": np.where(moved, "var(--lab-orange)", "var(--lab-blue)").tolist(),
        },
        "hovertemplate": "%{x:.3~g} → %{y:.3~g}: %{customdata[0]:,} completions<extra></extra>",
    }  # fmt: skip
