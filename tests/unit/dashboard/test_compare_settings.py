"""In which settings runs differ: those and no others, rewards by their names, values where they part."""

import pytest

from dashboard.views.compare_settings import ABSENT, CELL, differing_settings, from_the_difference, verdict
from engine.config import RewardSpec
from tests.fakes import fake_config

PLAIN = fake_config(name="a", steps=10)


def changed(section: str, **changes):
    return PLAIN.model_copy(update={section: getattr(PLAIN, section).model_copy(update=changes)})


def with_rewards(*specs: RewardSpec):
    return PLAIN.model_copy(update={"rewards": specs})


def told(*configs):
    return [(row.label, row.values) for row in differing_settings(configs)]


def test_runs_with_the_same_settings_differ_in_nothing():
    assert told(PLAIN, PLAIN, PLAIN) == [] and verdict([]) == "Identical settings."


def test_only_what_differs_is_told_with_the_value_of_every_run():
    rows = differing_settings([PLAIN, changed("loss", beta=0.02), changed("loss", beta=0.0)])
    (row,) = rows
    assert (row.path, row.section, row.label) == ("loss.beta", "GRPO", "KL weight β")
    assert row.values == ("0.04", "0.02", "0")
    assert verdict(rows) == "1 setting differs; all others are the same."


def test_another_name_or_seed_alone_is_the_same_experiment():
    renamed = PLAIN.model_copy(update={"name": "b"})
    assert verdict(differing_settings([PLAIN, renamed])) == "Identical settings, but for the name."
    again = renamed.model_copy(update={"seed": PLAIN.seed + 1})
    assert verdict(differing_settings([PLAIN, again])) == "Identical settings, but for the name and the seed."


def test_the_name_comes_first_and_then_the_rewards():
    other = PLAIN.model_copy(
        update={
            "name": "b",
            "rewards": (PLAIN.rewards[0],),
            "optim": PLAIN.optim.model_copy(update={"learning_rate": 2e-4}),
        }
    )
    assert [row.path for row in differing_settings([PLAIN, other])] == [
        "name", "rewards.digit_match", "optim.learning_rate",
    ]  # fmt: skip


def test_rewards_are_compared_by_name_and_not_by_place():
    one, two = PLAIN.rewards
    assert told(with_rewards(one, two), with_rewards(two, one)) == []
    three = RewardSpec(name="digits_only", weight=0.3)
    assert told(with_rewards(one, two), with_rewards(one, three)) == [
        ("digit_match: weight", ("0.3", ABSENT)), ("digits_only: weight", (ABSENT, "0.3")),
    ]  # fmt: skip


def test_a_reward_without_weight_is_called_a_monitor():
    one, two = PLAIN.rewards
    monitor = two.model_copy(update={"weight": 0.0})
    assert told(with_rewards(one, two), with_rewards(one, monitor)) == [
        ("digit_match: weight", ("0.3", "0 (a monitor)"))
    ]


def test_a_setting_of_a_reward_is_told_under_its_name():
    def target(number):
        return with_rewards(PLAIN.rewards[0], RewardSpec(name="length_target", weight=1.0, params={"target": number}))

    ((label, values),) = told(target(20), target(30))
    assert label.startswith("length_target: ") and values == ("20", "30")


def test_a_setting_that_does_nothing_in_one_of_the_runs_says_so():
    with_adapter = changed("model", adapter="lora", lora_rank=4)
    rows = dict(told(with_adapter, changed("model", adapter="full", lora_rank=8)))
    assert any(values == ("4", "8 (without effect here)") for values in rows.values()), rows


def test_values_that_are_long_begin_a_little_before_they_part():
    same = "s" * 500
    one, two = from_the_difference([f"{same}one", f"{same}two"])
    assert one == "…" + "s" * 30 + "one" and two == "…" + "s" * 30 + "two"
    assert from_the_difference(["short", "words"]) == ("short", "words")


def test_a_value_that_goes_on_where_the_other_ends_shows_where():
    one, two = from_the_difference(["s" * CELL, "s" * CELL + "more"])
    assert one == "…" + "s" * 30 and two == "…" + "s" * 30 + "more"


@pytest.mark.parametrize("text", ["<b>bold</b>\nsecond line", "\u202eturned"])
def test_what_people_wrote_stays_one_line_of_visible_text(text):
    (row,) = differing_settings([PLAIN, PLAIN.model_copy(update={"name": text})])
    assert "\n" not in row.values[1] and "\u202e" not in row.values[1]
