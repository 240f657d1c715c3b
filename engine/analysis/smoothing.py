"""A calmer line for a noisy one. Smoothing comes before thinning, and the raw line stays in sight. Pure."""

import pandas as pd


def trailing_mean(values: pd.Series, window: int) -> pd.Series:
    """Mean of each value and the window − 1 before it. Missing values do not count; a constant stays as it is.

    Trailing, so that what was once drawn does not change when more arrives; the first values average what there is.
    """
    return values.rolling(window, min_periods=1).mean()
