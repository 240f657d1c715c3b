"""Numbers of tokens, and how they are coloured and ranked."""

import numpy as np
import pytest

from dashboard.token_measures import LOOKS, Measure, is_counted, joined, measures, push_caveat, token_numbers
from engine.config_loss import LossConfig
from engine.runs.tokens import Tokens


def tokens(logprobs: list[float], **more: object) -> Tokens:
    p = np.array(logprobs, dtype=np.float32)
    arrays = {name: np.array(values, dtype=np.float32) for name, values in more.items()}
    return Tokens(np.arange(len(p), dtype=np.uint32), p, arrays.pop("ref", None), np.zeros_like(p), **arrays)


def numbers(of: Tokens, advantage: float = 2.0, *, counted: bool = True, **loss: object) -> dict:
    return token_numbers(of, advantage, counted=counted, loss=LossConfig(**loss))


def test_kl_and_change_are_there_only_with_a_reference():
    assert list(numbers(tokens([-1.0], ref=[-2.0]))) == ["kl", "change", "ratio", "push", "entropy", "logprob"]
    assert list(numbers(tokens([-1.0]))) == ["ratio", "push", "entropy", "logprob"]


def test_with_one_update_the_ratio_is_exactly_1_and_the_push_is_the_advantage():
    found = numbers(tokens([-1.0, -2.0]))
    assert found["ratio"].tolist() == [1.0, 1.0] and found["push"].tolist() == [2.0, 2.0]


def test_with_several_updates_they_are_those_of_the_last_one():
    later = tokens([-1.0, -1.0], update_logprobs=np.log([0.5, 1.1]) - 1)
    found = numbers(later, num_iterations=2, epsilon=0.2)
    assert found["ratio"] == pytest.approx([0.5, 1.1], rel=1e-6)  # float32 log-probabilities
    assert found["push"] == pytest.approx([1.0, 2.2], rel=1e-6)  # ρ A; A > 0 is not clipped from below
    assert numbers(later, -2.0, num_iterations=2)["push"] == pytest.approx([0.0, -2.2], rel=1e-6)


def test_a_completion_that_no_update_used_has_no_ratio_and_is_not_pushed():
    found = numbers(tokens([-1.0]), num_minibatches=2)
    assert "ratio" not in found and found["push"].tolist() == [0.0]


def test_a_cut_completion_is_not_pushed_where_the_run_masks_such():
    assert is_counted("length", LossConfig()) and is_counted("eos", LossConfig(mask_truncated_completions=True))
    assert not is_counted("length", LossConfig(mask_truncated_completions=True))
    assert numbers(tokens([-1.0]), counted=False)["push"].tolist() == [0.0]


def test_under_process_supervision_each_token_has_its_own_advantage_and_push():
    found = numbers(tokens([-1.0, -1.0], advantages=[0.5, -0.5]))
    assert found["advantage"].tolist() == [0.5, -0.5] == found["push"].tolist()


def test_nothing_is_known_of_the_tokens_of_a_discarded_group():
    bare = Tokens(np.arange(2, dtype=np.uint32), None, None, None)
    assert token_numbers(bare, 0.0, counted=True, loss=LossConfig()) == {}


def test_joined_numbers_are_missing_where_one_completion_has_none():
    found = joined([(2, {"ratio": np.array([1.0, 2.0]), "push": np.zeros(2)}), (1, {"push": np.ones(1)})])
    assert found["ratio"][:2].tolist() == [1.0, 2.0] and np.isnan(found["ratio"][2])
    assert found["push"].tolist() == [0.0, 0.0, 1.0] and "kl" not in found


def test_a_ratio_is_as_far_from_1_below_as_above():
    ratio = Measure("ratio", np.array([0.5, 1.0, 2.0, np.nan]), 0.5)
    assert ratio.size == pytest.approx([-np.log(2), 0.0, np.log(2), 0.0])
    assert ratio.levels.tolist() == [-1.0, 0.0, 1.0, 0.0]
    assert ratio.most_extreme(9) == [0, 2]


def test_small_kl_is_visible_and_full_colour_is_the_end():
    kl = Measure("kl", np.array([0.01, 4.0]), 1.0)
    assert kl.levels == pytest.approx([0.1, 1.0])  # the root of 0.01


def test_infinite_numbers_are_full_colour_and_rank_first():
    found = Measure("change", np.array([0.1, -np.inf]), 2.0)
    assert found.levels[1] == -1.0 and found.most_extreme(1) == [1]


def test_the_scale_of_a_push_is_that_of_the_advantages():
    found = measures({"push": np.array([1.0]), "kl": np.array([1.0])}, reach=4.0)
    assert (found["push"].full, found["kl"].full) == (4.0, 1.0)
    assert found["push"].levels.tolist() == [0.25]


def test_what_colours_mean_is_said_for_every_number():
    for key in LOOKS:
        words = Measure(key, np.zeros(1), 2.0).colours_in_words()
        assert ("Blue" in words and "Orange" in words) == bool(LOOKS[key].above)
    assert "beyond 0.61 and 1.65" in Measure("ratio", np.ones(1), 0.5).colours_in_words()  # e^∓0.5


def test_a_run_that_trains_on_uncertain_tokens_alone_says_what_the_push_leaves_out():
    assert push_caveat(LossConfig()) == ""
    assert "20% most uncertain tokens" in push_caveat(LossConfig(top_entropy_quantile=0.2))
