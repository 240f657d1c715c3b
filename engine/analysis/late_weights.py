"""What the loss left of a group's tokens at the last of several updates, where ratios have moved away from 1. Pure.

The ratios are those that the run came to with its own settings; under others they would have been others.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from engine.analysis.token_weights import clip_weights
from engine.config_loss import LossConfig

Sample = tuple[ArrayLike, ArrayLike, float]


@dataclass(frozen=True)
class LateWeights:
    """Of the tokens that have an advantage: how many there are, how many the loss held back (weight 0), and the mean
    weight, NaN without any.
    """

    num_tokens: int
    held: int
    mean: float


def late_weights(samples: Iterable[Sample], loss: LossConfig) -> LateWeights:
    """samples: of each completion log-probabilities [T] at the last update and when it was sampled, in nats, and its
    advantage under the settings in question; NaN or 0: it has none, and does not count.
    """
    weights = [
        clip_weights(latest, sampled, advantage, loss)
        for latest, sampled, advantage in samples
        if advantage and not math.isnan(advantage)
    ]
    pooled = np.concatenate(weights) if weights else np.empty(0)
    return LateWeights(len(pooled), int((pooled == 0).sum()), float(pooled.mean()) if len(pooled) else math.nan)
