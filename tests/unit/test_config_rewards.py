"""The weight of a reward over the steps, and the settings of gates and limits that are refused."""

import pytest

from engine.config import RewardSpec, RunConfig
from engine.config_io import parse_config
from engine.config_rewards import decides, is_trained, largest_weights, weight_at
from engine.errors import ConfigError
from tests.toy import toy_config


def spec(name: str = "short", **settings: object) -> RewardSpec:
    return RewardSpec(name=name, **settings)  # type: ignore[arg-type]


def rewarded(*rewards: dict[str, object]) -> RunConfig:
    return parse_config(toy_config().model_dump(mode="json") | {"rewards": list(rewards)})


def test_a_weight_without_an_end_stays() -> None:
    assert [weight_at(spec(weight=0.3), step, 10) for step in (1, 5, 10)] == [0.3, 0.3, 0.3]


def test_a_weight_goes_to_its_end_in_a_straight_line_over_the_whole_run() -> None:
    falling = spec(weight=1.0, final_weight=0.0)
    assert [weight_at(falling, step, 5) for step in (1, 2, 3, 4, 5)] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_it_waits_for_its_first_step_and_stays_after_its_last() -> None:
    rising = spec(weight=0.0, final_weight=2.0, weight_from=10, weight_until=20)
    assert [weight_at(rising, step, 100) for step in (1, 10, 15, 20, 100)] == [0.0, 0.0, 1.0, 2.0, 2.0]


def test_a_reward_whose_weight_only_ends_above_0_is_no_monitor() -> None:
    assert is_trained(spec(weight=0.0, final_weight=1.0)) and is_trained(spec())
    assert not is_trained(spec(weight=0.0)) and not is_trained(spec(weight=0.0, final_weight=0.0))
    assert largest_weights([spec(weight=0.0, final_weight=-2.0)]) == {"short": -2.0}


def test_a_step_sees_the_configuration_with_its_own_weights() -> None:
    config = toy_config(optim={"max_steps": 5})
    rewards = (config.rewards[0], config.rewards[1].model_copy(update={"weight": 1.0, "final_weight": 0.0}))
    there = config.model_copy(update={"rewards": rewards}).at_step(4)
    assert [found.weight for found in there.rewards] == [1.0, 0.25] and there.rewards[1].final_weight is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"gate": "exct_match"},
            "rewards[1].gate: 'exct_match' is no other reward of the list (exact_match). Name one of them, or leave "
            "it empty.",
        ),
        (
            {"gate": "digit_match"},
            "rewards[1].gate: 'digit_match' is no other reward of the list (exact_match). Name one of them, or leave "
            "it empty.",
        ),
        (
            {"clip_low": 1.0, "clip_high": 1.0},
            "rewards[1].clip_low: 1 is not below the upper limit, 1, so every value would be the same. Set the lower "
            "limit below the upper one.",
        ),
        (
            {"final_weight": 0.0, "weight_from": 6},
            "rewards[1].weight_from: 6 is not before step 6, at which the weight has reached its end. Begin earlier, "
            "or end later.",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_field(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rewarded({"name": "exact_match"}, {"name": "digit_match", **changes})
    assert [str(found) for found in caught.value.problems] == [problem]


def test_gates_and_limits_are_refused_for_a_reward_that_scores_steps() -> None:
    with pytest.raises(ConfigError, match=r"rewards\[1\].gate: has no meaning for digit_steps"):
        rewarded({"name": "exact_match"}, {"name": "digit_steps", "gate": "exact_match"})


def test_training_depends_on_weights_and_on_the_gates_of_what_has_one() -> None:
    gated = [spec("short", gate="exact"), spec("exact", weight=0.0), spec("seen", weight=0.0, gate="other")]
    assert decides([*gated, spec("other", weight=0.0)]) == {"short", "exact"}
    assert decides([spec("short", weight=0.0, gate="exact"), spec("exact", weight=0.0)]) == set()
