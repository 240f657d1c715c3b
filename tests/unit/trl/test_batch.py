"""Batches: TRL's micro-batches and accumulation become prompts, mini-batches and steps that do the same work."""

from fractions import Fraction

import pytest

from engine.trl.batch import Batching, batching
from tests.unit.trl.trl_config import config, problems, row, translated


@pytest.mark.parametrize(
    ("completions", "slices", "accumulation", "iterations", "wanted"),
    [
        # one update on each batch
        (64, 4, 4, 1, Batching(64, 1, 1, Fraction(1))),
        # 4 micro-batches, an update after each: 4 mini-batches
        (64, 4, 1, 1, Batching(64, 4, 1, Fraction(4))),
        # 4 micro-batches passed twice, an update after every 2: 2 mini-batches, 2 passes, 4 updates
        (64, 4, 2, 2, Batching(64, 2, 2, Fraction(4))),
        # an update collects 3 generation batches of 32: one step of 96
        (32, 2, 6, 1, Batching(96, 1, 1, Fraction(1))),
    ],
)
def test_a_step_makes_the_updates_that_trl_makes_on_a_batch(completions, slices, accumulation, iterations, wanted):
    assert batching(completions, slices, accumulation, iterations) == wanted


def test_passes_within_one_update_are_one_pass():
    found = batching(32, 2, 4, 2)
    assert (found.num_completions, found.num_iterations, found.updates_per_step) == (32, 1, 1)
    assert "which is one pass" in found.note


def test_two_of_four_passes_in_each_update_leave_two():
    found = batching(8, 1, 2, 4)
    assert (found.num_minibatches, found.num_iterations, found.updates_per_step) == (1, 2, 2)


def test_numbers_that_do_not_divide_give_the_nearest_and_say_so():
    found = batching(48, 3, 2, 1)
    assert (found.num_minibatches, found.updates_per_step) == (2, Fraction(3, 2)) and "nearest" in found.note


def test_prompts_are_completions_over_the_group_size():
    result = translated(per_device_train_batch_size=16, steps_per_generation=4, num_generations=8)
    told = row(result.different, "rollout.prompts_per_step")
    assert told.theirs == "per_device_train_batch_size: 16 · steps_per_generation: 4"
    assert told.ours == "rollout.prompts_per_step: 8" and "64 completions, which are 8 groups of 8" in told.note
    assert "One process is assumed" in told.note


def test_trls_defaults_are_one_group_in_each_step():
    assert config(learning_rate=1e-6).rollout.prompts_per_step == 1


def test_the_number_of_processes_follows_from_a_config_that_trl_wrote():
    """to_dict() holds both: 4 processes of 8 rows, 2 micro-batches each, are 64 completions."""
    result = translated(per_device_train_batch_size=8, steps_per_generation=2, generation_batch_size=64)
    assert result.settings["rollout"]["prompts_per_step"] == 8
    assert "over 4 processes" in row(result.different, "rollout.prompts_per_step").note


def test_a_generation_batch_alone_gives_its_micro_batches():
    theirs = {"per_device_train_batch_size": 8, "generation_batch_size": 32, "gradient_accumulation_steps": 2}
    found = config(**theirs)
    assert (found.rollout.prompts_per_step, found.loss.num_minibatches) == (4, 2)


def test_there_are_no_more_mini_batches_than_groups():
    result = translated(per_device_train_batch_size=2, steps_per_generation=8, num_generations=8)
    assert result.settings["loss"]["num_minibatches"] == 2
    assert "at most 2 updates, where TRL makes 8" in row(result.different, "loss.num_minibatches").note


@pytest.mark.parametrize(
    ("theirs", "field", "words"),
    [
        ({"per_device_train_batch_size": 4}, "num_generations", "4 completions are not whole groups of 8"),
        ({"generation_batch_size": 20}, "generation_batch_size", "20 is not a multiple"),
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps", "a whole number of at least 1"),
        ({"steps_per_generation": 1.5}, "steps_per_generation", "a whole number of at least 1"),
        ({"num_generations": 1}, "num_generations", "a whole number of at least 2"),
        ({"per_device_train_batch_size": True}, "per_device_train_batch_size", "True is not accepted"),
        ({"per_device_train_batch_size": 80_000}, "per_device_train_batch_size", "at most 1,024"),
    ],
)
def test_a_batch_that_cannot_be_is_told_under_trls_name(theirs, field, words):
    found = [problem for problem in problems(**theirs) if problem.field == field]
    assert any(words in problem.message for problem in found)
