"""A calmer line for a noisy one. Smoothing comes before thinning, and the raw line stays in sight. Pure."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def trailing_mean(values: pd.Series, window: int) -> pd.Series:
    """Mean of each value and the window − 1 before it. Missing values do not count; a constant stays as it is.

    Trailing, so that what was once drawn does not change when more arrives; the first values average what there is.
    """
    return values.rolling(window, min_periods=1).mean()


def debiased_ema(values: ArrayLike, weight: float) -> NDArray[np.float64]:
    """Exponential moving average of values [N] with the bias of its beginning taken out, as TensorBoard draws it.

    m_t = w m_{t−1} + (1 − w) x_t from m_0 = 0, and y_t = m_t / (1 − w^t): the mean of what came so far, each value
    counting w times as much as the next one. A constant stays as it is. A value that is not finite is a gap: NaN in the
    result, and no part of the mean, which goes on behind it. weight 0 smooths nothing; raises ValueError outside of
    0 ≤ weight < 1. The correction is that of Adam, arXiv:1412.6980, section 3.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"the weight of a smoothed line is {weight}; it must be at least 0 and below 1.")
    series = pd.Series(np.asarray(values, dtype=np.float64))
    series = series.where(np.isfinite(series))
    smooth = series.ewm(alpha=1 - weight, adjust=True, ignore_na=True).mean()
    result: NDArray[np.float64] = smooth.where(series.notna()).to_numpy(dtype=np.float64)
    return result
