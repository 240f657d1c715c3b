"""All tokens of a step as one list, each knowing its completion: what the view of a step's tokens ranks and sums. Pure.

N tokens of all completions that were measured, in the order of groups, completions and places.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dashboard.token_measures import Floats, is_counted, joined, token_numbers
from engine.analysis.token_totals import Ints
from engine.config_loss import LossConfig
from engine.runs.tokens import Tokens

Key = tuple[int, int]  # group_index, completion_index


@dataclass(frozen=True)
class Pool:
    """numbers: [N] for each key of token_measures.LOOKS. ids [N]. starts: where each of `keys` begins."""

    tokens: Mapping[Key, Tokens]
    keys: list[Key]
    starts: Ints
    ids: Ints
    numbers: dict[str, Floats]

    @property
    def lengths(self) -> Ints:
        return np.diff(np.append(self.starts, len(self.ids)))

    @property
    def places(self) -> Ints:
        """[N]: the place of each token in its completion, from 1."""
        return np.arange(len(self.ids)) - np.repeat(self.starts, self.lengths) + 1

    @property
    def places_from_end(self) -> Ints:
        """[N]: −1 for the last token of a completion, −2 for the one before."""
        return self.places - 1 - np.repeat(self.lengths, self.lengths)

    def owner(self, token: int) -> tuple[Key, int]:
        """The completion of one of the N tokens, and its place in it, from 0."""
        index = int(np.searchsorted(self.starts, token, side="right")) - 1
        return self.keys[index], token - int(self.starts[index])


def pool_of(tokens: Mapping[Key, Tokens], completions: pd.DataFrame, loss: LossConfig) -> Pool:
    """tokens: of RunReader.step_tokens; completions: of RunReader.completions, of the same step."""
    columns = (completions[name].tolist() for name in ("group_index", "completion_index", "advantage", "finish_reason"))
    known = {(g, c): (advantage, end) for g, c, advantage, end in zip(*columns, strict=True)}
    keys = [key for key, found in tokens.items() if found.logprobs is not None and key in known]
    parts = []
    for key in keys:
        advantage, end = known[key]
        numbers = token_numbers(tokens[key], advantage, counted=is_counted(end, loss), loss=loss)
        parts.append((len(tokens[key].ids), numbers))
    lengths = np.array([length for length, _ in parts], dtype=np.int64)
    ids = [tokens[key].ids.astype(np.int64) for key in keys]
    return Pool(
        tokens, keys, np.cumsum(lengths) - lengths, np.concatenate(ids) if ids else np.zeros(0, np.int64), joined(parts)
    )
