"""Rounds of sampling: which prompts, how many, which groups are kept, and what is said when signal runs out."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.config import RunConfig
from engine.data.example import Example
from engine.data.prompts import Rendered
from engine.rewards.score import Scores
from engine.rollout.sampler import Completions
from engine.runs.records import FinishReason
from engine.seeds import derive_seed
from engine.train.rollout import Batch
from engine.train.sampling import Sampled, sample_step, shortfall
from tests.toy import toy_config

LIVE = [[1.0, 1.0], [0.0, 0.5], [0.0, 0.5], [0.0, 0.0]]  # exact_match, digit_match of four completions
DEAD = [[0.0, 0.5]] * 4
CUT: list[FinishReason] = ["length"] * 4


class Rollouts:
    """Stands in for collect: the prompt at a position has signal if the position is in `live`; the calls are kept."""

    def __init__(self, live: set[int], cut: Sequence[FinishReason] = ("eos",) * 4) -> None:
        self.live, self.cut = live, list(cut)
        self.calls: list[tuple[list[int], int]] = []

    def __call__(
        self, session: Any, examples: Sequence[Example], group_size: int, *, seed: int, beat: Any, **_: Any
    ) -> Batch:
        places = [int(example.prompt) for example in examples]
        self.calls.append((places, seed))
        beat("rollout", "token 1")
        values = np.array([row for place in places for row in (LIVE if place in self.live else DEAD)])
        count = len(values)
        ids = [[place % 10 + 2, 1] for place in places for _ in range(4)]
        scores = Scores(("exact_match", "digit_match"), values, [{}] * count, [None] * count, 0.25)
        rendered = [Rendered(example.prompt, [5] * (1 + place), None) for place, example in enumerate(examples)]
        completions = Completions(ids, self.cut * len(places))
        return Batch(4, examples, rendered, completions, ["x"] * count, scores, [False] * count, 1.5)


def sampled(rollouts: Rollouts, monkeypatch: pytest.MonkeyPatch, beats: list[str] | None = None, **changes: Any) -> Any:
    """Step 7 with three prompts a step, from the training position 10 on."""
    config = toy_config(
        rollout={"prompts_per_step": 3, "dynamic_sampling": True, **changes.pop("rollout", {})}, **changes
    )
    monkeypatch.setattr("engine.train.sampling.collect", rollouts)
    heard = [] if beats is None else beats
    return sample_step(session_of(config), 7, beat=lambda _, detail: heard.append(detail))  # type: ignore[arg-type]


def session_of(config: RunConfig) -> SimpleNamespace:
    def train(position: int) -> Example:
        return Example(f"id{position}", str(position), str(position), "0", {})

    return SimpleNamespace(config=config, dataset=SimpleNamespace(train=train), next_example=10)


def positions(found: Sampled) -> list[int]:
    return [int(example.prompt) for example in found.batch.examples]


def test_a_first_round_full_of_signal_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rollouts = Rollouts({10, 11, 12})
    found = sampled(rollouts, monkeypatch)
    assert rollouts.calls == [([10, 11, 12], derive_seed(0, 7, "rollout"))]
    assert (found.reasons, found.rounds, found.num_discarded) == ((None, None, None), 1, 0)


def test_each_round_samples_exactly_what_is_missing_in_data_order_with_a_seed_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rollouts = Rollouts({11, 14, 15})
    sampled(rollouts, monkeypatch)
    assert rollouts.calls == [
        ([10, 11, 12], derive_seed(0, 7, "rollout", 0)),
        ([13, 14], derive_seed(0, 7, "rollout", 1)),
        ([15], derive_seed(0, 7, "rollout", 2)),
    ]


def test_groups_with_signal_come_first_and_the_others_are_discarded_in_the_order_they_were_sampled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = sampled(Rollouts({11, 14, 15}), monkeypatch)
    assert positions(found) == [11, 14, 15, 10, 12, 13]
    assert found.reasons == (None, None, None, "no_signal", "no_signal", "no_signal")
    assert [int(example.prompt) for example in found.kept.examples] == [11, 14, 15]
    # completions, texts and rewards move with their group
    assert [ids[0] for ids in found.batch.completions.ids[::4]] == [3, 6, 7, 2, 4, 5]
    assert found.batch.scores.values[:12].tolist() == LIVE * 3
    assert found.batch.scores.values[12:].tolist() == DEAD * 3


def test_time_and_tokens_of_all_rounds_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = sampled(Rollouts({11, 14, 15}), monkeypatch).batch
    assert (batch.rollout_seconds, batch.scores.seconds) == (4.5, 0.75)  # three rounds
    assert batch.completion_tokens == 6 * 4 * 2
    assert batch.prompt_tokens == (1 + 2 + 3) + (1 + 2) + 1


def test_at_the_limit_of_rounds_the_step_has_the_groups_that_were_found_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rollouts = Rollouts({12})
    found = sampled(rollouts, monkeypatch, rollout={"max_sampling_rounds": 2})
    assert len(rollouts.calls) == 2
    assert positions(found) == [12, 10, 11, 13, 14]
    assert (found.num_kept, found.num_discarded) == (1, 4)
    event = shortfall(found, 3, 7)
    assert event is not None
    assert (event.kind, event.level, event.step) == ("sampling-cap", "warning", 7)
    assert event.message == (
        "1 of 3 groups have signal after 2 of at most 2 rounds, in which 5 were sampled: the step trained on 1."
    )


def test_with_no_signal_at_all_the_first_round_stays_and_the_rest_is_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sampled(Rollouts(set()), monkeypatch, rollout={"max_sampling_rounds": 3})
    assert positions(found) == list(range(10, 19))
    assert found.reasons == (None,) * 3 + ("no_signal",) * 6
    event = shortfall(found, 3, 7)
    assert event is not None
    assert event.message.startswith("0 of 3 groups have signal after 3 of at most 3 rounds, in which 9 were sampled")
    assert "the step kept the first 3" in event.message


def test_a_step_that_is_full_warns_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shortfall(sampled(Rollouts({11, 14, 15}), monkeypatch), 3, 7) is None


def test_without_dynamic_sampling_one_round_is_kept_as_it_is_whatever_its_groups_are_like(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rollouts = Rollouts(set())
    found = sampled(rollouts, monkeypatch, rollout={"dynamic_sampling": False})
    assert rollouts.calls == [([10, 11, 12], derive_seed(0, 7, "rollout"))]
    assert (found.reasons, found.rounds) == ((None,) * 3, 1)
    assert found.kept is found.batch
    assert shortfall(found, 3, 7) is None


def test_signal_in_cut_completions_alone_is_none_when_they_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"rollout": {"max_sampling_rounds": 1}}
    found = sampled(Rollouts({10, 12}, CUT), monkeypatch, loss={"mask_truncated_completions": True}, **options)
    assert found.found == 0
    options = {"rollout": {"max_sampling_rounds": 2}}
    found = sampled(Rollouts({14, 15}, CUT), monkeypatch, loss={"mask_truncated_completions": True}, **options)
    assert found.reasons == (None, None, None, "no_signal", "masked", "masked")
    found = sampled(Rollouts({10, 11, 12}, CUT), monkeypatch)
    assert found.num_discarded == 0


def test_a_group_with_one_counted_completion_that_differs_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    one_ended = Rollouts({10, 11, 12}, ["eos", "length", "length", "length"])
    assert sampled(one_ended, monkeypatch, loss={"mask_truncated_completions": True}).num_discarded == 0


def test_rewards_that_differ_but_cancel_in_the_sum_are_signal_only_when_compared_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # total = exact + 0.3 digits is 0.3 for every completion of this group; each reward by itself is not flat
    monkeypatch.setattr("tests.unit.train.test_sampling.LIVE", [[0.3, 0.0], [0.0, 1.0], [0.3, 0.0], [0.15, 0.5]])
    options: dict[str, Any] = {"rollout": {"max_sampling_rounds": 1}}
    assert sampled(Rollouts({10, 11}), monkeypatch, **options).found == 0
    found = sampled(
        Rollouts({10, 11}), monkeypatch, loss={"multi_objective_aggregation": "normalize_then_sum"}, **options
    )
    assert positions(found) == [10, 11, 12]
    assert found.reasons == (None, None, "no_signal")  # of the flat one only rounding is left


def test_progress_names_the_round_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[str] = []
    sampled(Rollouts({11, 14, 15}), monkeypatch, beats)
    assert beats == ["token 1", "round 2, token 1", "round 3, token 1"]


def test_the_position_in_the_data_moves_only_once_the_step_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.train.sampling.collect", Rollouts(set()))
    session = session_of(toy_config(rollout={"dynamic_sampling": True}))
    sample_step(session, 1, beat=lambda *_: None)  # type: ignore[arg-type]
    assert session.next_example == 10
