"""Schedules: what TRL counts in updates is counted in steps, and shares of the run are worked out."""

import pytest

from engine.trl.config import import_trl
from tests.unit.trl.trl_config import BEFORE, config, not_here, problems, row, translated

FOUR = {"per_device_train_batch_size": 16, "steps_per_generation": 4}  # 4 updates in each of our steps


def test_steps_are_updates_over_the_updates_of_a_step():
    result = translated(**FOUR, max_steps=402, eval_strategy="steps", eval_steps=50, save_steps=100)
    found = result.settings
    assert found["optim"]["max_steps"] == 101  # 100.5, and no update is lost
    assert (found["evaluation"]["every"], found["checkpoint"]["every"]) == (13, 25)
    assert "updates, of which a step here makes 4" in row(result.different, "optim.max_steps").note


def test_with_one_update_a_step_the_numbers_stay_and_nothing_is_said():
    result = translated(max_steps=500, save_steps=50)
    assert row(result.mapped, "optim.max_steps").ours == "optim.max_steps: 500"
    assert row(result.mapped, "checkpoint.every").ours == "checkpoint.every: 50"


def test_passes_over_the_data_leave_the_number_of_steps():
    result = translated(num_train_epochs=2, per_device_train_batch_size=32)
    told = row(result.different, "optim.max_steps")
    assert (told.theirs, told.ours) == ("num_train_epochs: 2", "optim.max_steps: 40")
    assert "number of examples / 4 steps" in told.note


def test_a_config_without_steps_says_that_they_were_left():
    assert row(translated(beta=0.1).different, "optim.max_steps").theirs == "num_train_epochs: 3 (TRL's default)"


@pytest.mark.parametrize(
    ("theirs", "steps"),
    [
        ({"warmup_steps": 10, "max_steps": 100}, 10),
        ({"warmup_steps": 0.1, "max_steps": 95}, 10),
        ({"warmup_ratio": 0.1, "max_steps": 95}, 10),
        ({"warmup_steps": 20, "warmup_ratio": 0.5, "max_steps": 100}, 20),
        ({**FOUR, "warmup_steps": 10, "max_steps": 100}, 3),
        ({"warmup_steps": 200, "max_steps": 100}, 100),
        ({"max_steps": 100}, 0),
        ({"warmup_steps": 10, "max_steps": 100, "lr_scheduler_type": "constant_with_warmup"}, 10),
        ({"warmup_steps": 10, "max_steps": 100, "lr_scheduler_type": "constant"}, 0),  # transformers passes it over
        ({"warmup_ratio": 0.1, "max_steps": 100, "lr_scheduler_type": "constant"}, 0),
    ],
)
def test_warm_up_is_counted_or_a_share_of_the_run(theirs, steps):
    assert config(**theirs).optim.warmup_steps == steps


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("linear", "linear"),
        ("constant_with_warmup", "constant"),
        ("cosine_with_min_lr", "cosine"),
        ("polynomial", "linear"),
    ],
)
def test_a_schedule_becomes_itself_or_the_nearest(theirs, ours):
    result = translated(lr_scheduler_type=theirs)
    assert result.settings["optim"]["lr_scheduler_type"] == ours
    is_near = theirs not in ("linear", "constant_with_warmup")
    assert any("nearest" in row.note for row in result.different if "lr_scheduler" in row.ours) == is_near


def test_how_often_to_evaluate_and_save_stays_where_nothing_is_said():
    found = config(learning_rate=1e-5)
    assert (found.evaluation.every, found.checkpoint.every, found.checkpoint.keep) == (7, 8, 2)


def test_no_evaluation_is_one_at_each_end():
    result = translated(eval_strategy="no", max_steps=60)
    assert result.settings["evaluation"]["every"] == 60
    assert "before and after" in row(result.different, "evaluation.every").note


def test_evaluations_without_steps_of_their_own_come_with_the_log():
    assert config(eval_strategy="steps", logging_steps=5).evaluation.every == 5


def test_a_share_of_the_run_is_worked_out():
    found = config(evaluation_strategy="steps", eval_steps=0.25, save_steps=0.5, max_steps=80)
    assert (found.evaluation.every, found.checkpoint.every) == (20, 40)


def test_epochs_leave_it_as_it_was():
    result = translated(eval_strategy="epoch", save_strategy="epoch")
    assert result.settings["evaluation"]["every"] == 7 and result.settings["checkpoint"]["every"] == 8
    assert set(not_here(result)) >= {"eval_strategy: epoch", "save_strategy: epoch"}


def test_evaluation_samples_whole_groups_as_trl_does():
    assert config(eval_strategy="steps", num_generations=4).evaluation.num_generations == 4
    assert config(eval_strategy="steps", num_generations_eval=2).evaluation.num_generations == 2
    assert config(beta=0.1).evaluation.num_generations == 1


def test_checkpoints_without_a_limit_are_all_kept():
    assert config(save_total_limit=None, save_steps=10, max_steps=95).checkpoint.keep == 10
    assert config(save_total_limit=3).checkpoint.keep == 3
    assert config(save_strategy="no", max_steps=95).checkpoint.every == 95


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"metric_for_best_model": "eval_reward"}, "reward"),
        ({"metric_for_best_model": "reward", "load_best_model_at_end": True}, "reward"),
        ({"metric_for_best_model": "rewards/accuracy_reward/mean"}, "reward"),
        ({"load_best_model_at_end": True}, None),
        ({"metric_for_best_model": "eval_loss", "greater_is_better": False}, None),
        ({"metric_for_best_model": "reward", "greater_is_better": False}, None),
        ({"save_strategy": "best"}, None),
        ({}, None),
    ],
)
def test_the_best_checkpoint_is_that_of_the_best_reward_and_never_of_the_loss(theirs, ours):
    assert config(**theirs).checkpoint.metric_for_best_model == ours


def test_the_reference_is_refreshed_after_as_many_updates():
    theirs = {"sync_ref_model": True, "beta": 0.1, "ref_model_sync_steps": 100, **FOUR}
    assert config(**theirs).loss.ref_model_sync_steps == 25
    assert config(**FOUR).loss.ref_model_sync_steps == 512  # a refresh that is off is left alone


@pytest.mark.parametrize("field", ["max_steps", "warmup_steps", "warmup_ratio", "max_grad_norm"])
def test_a_number_that_is_none_is_told_under_its_name(field):
    (problem,) = problems(**{field: "often"})
    assert problem.field == field and "'often' is not accepted: should be a number" in problem.message


def test_a_draft_that_is_wrong_itself_is_no_obstacle():
    assert BEFORE["optim"]["max_steps"] == 40
    wrong = {**BEFORE, "optim": {"max_steps": "many"}, "model": {}}
    assert import_trl({"beta": 0.1}, wrong).settings["optim"]["max_steps"] == 100
