"""Which tokens carry a number of a step, such as its KL: by vocabulary piece, and by place in the completion. Pure.

N tokens of all completions of a step.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def by_piece(ids: Ints, values: Floats, sizes: Floats) -> pd.DataFrame:
    """A row for each token of the vocabulary that occurs, the one that carries most first.

    ids [N]; values [N], NaN where not known; sizes [N] ≥ 0: how far each value is from nothing. Columns: id; share of
    Σ sizes; count of tokens whose value is known; their mean; the value that is `largest` in size, and its `place`.
    """
    known = np.flatnonzero(~np.isnan(values))
    frame = pd.DataFrame({"id": ids[known], "value": values[known], "size": sizes[known], "place": known})
    whole = float(frame["size"].sum())
    largest = frame.sort_values(["id", "size"], ascending=[True, False], kind="stable").drop_duplicates("id")
    found = frame.groupby("id").agg(share=("size", "sum"), count=("size", "size"), mean=("value", "mean")).reset_index()
    found["share"] = found["share"] / whole if whole > 0 else 0.0
    found["largest"], found["place"] = largest["value"].to_numpy(), largest["place"].to_numpy()
    return found.sort_values(["share", "count"], ascending=False, kind="stable", ignore_index=True)


def by_place(places: Ints, sizes: Floats) -> pd.DataFrame:
    """Mean and 90 % quantile of the sizes at each place, in the order of the places. places [N]: any whole numbers.

    Columns: place, mean, high, count. Sizes that are not known are left out.
    """
    known = ~np.isnan(sizes)
    groups = pd.Series(sizes[known]).groupby(places[known])
    found = pd.DataFrame({"mean": groups.mean(), "high": groups.quantile(0.9), "count": groups.size()})
    return found.rename_axis("place").reset_index()
