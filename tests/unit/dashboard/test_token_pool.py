"""The tokens of a step as one list."""

import numpy as np
import pandas as pd

from dashboard.token_pool import Pool, pool_of
from engine.config_loss import LossConfig
from engine.runs.tokens import Tokens


def completion(length: int, *, measured: bool = True) -> Tokens:
    p = -np.arange(1, length + 1, dtype=np.float32) if measured else None
    return Tokens(np.arange(length, dtype=np.uint32) + 10, p, None, p)


COMPLETIONS = pd.DataFrame(
    {
        "group_index": [0, 0, 1, 2],
        "completion_index": [0, 1, 0, 0],
        "advantage": [1.0, -1.0, 0.0, 0.5],
        "finish_reason": ["eos", "length", "eos", "eos"],
    }
)
TOKENS = {(0, 0): completion(2), (0, 1): completion(3), (1, 0): completion(2, measured=False), (2, 0): completion(1)}


def pool(**loss: object) -> Pool:
    return pool_of(TOKENS, COMPLETIONS, LossConfig(**loss))


def test_tokens_of_measured_completions_follow_one_another():
    assert pool().ids.tolist() == [10, 11, 10, 11, 12, 10]
    assert pool().keys == [(0, 0), (0, 1), (2, 0)]
    assert pool().numbers["logprob"].tolist() == [-1, -2, -1, -2, -3, -1]


def test_places_count_from_both_ends():
    assert pool().places.tolist() == [1, 2, 1, 2, 3, 1]
    assert pool().places_from_end.tolist() == [-2, -1, -3, -2, -1, -1]


def test_every_token_knows_its_completion_and_its_place_in_it():
    assert [pool().owner(token) for token in (0, 1, 2, 4, 5)] == [
        ((0, 0), 0), ((0, 0), 1), ((0, 1), 0), ((0, 1), 2), ((2, 0), 0),
    ]  # fmt: skip


def test_the_push_is_the_completion_s_advantage_or_nothing_where_it_is_masked():
    assert pool().numbers["push"].tolist() == [1, 1, -1, -1, -1, 0.5]
    assert pool(mask_truncated_completions=True).numbers["push"].tolist() == [1, 1, 0, 0, 0, 0.5]


def test_a_step_of_which_nothing_was_measured_has_no_numbers():
    empty = pool_of({(1, 0): TOKENS[1, 0]}, COMPLETIONS, LossConfig())
    assert empty.numbers == {} and len(empty.ids) == len(empty.places) == 0
