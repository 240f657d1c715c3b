"""What curves of compared runs are made of: steps, tokens and minutes, forks behind their parents, and monitors."""

import numpy as np
import pytest

from dashboard.compare_charts import RunLook
from dashboard.views.compare_runs import ComparedRun
from dashboard.views.compare_series import kl_paths, metric_choices, series_of
from engine.glossary import METRICS
from engine.runs.lineage import Origin
from engine.runs.paths import RunPaths, read_config
from engine.runs.reader import RunReader
from engine.runs.status import run_status
from tests.fake_records import STEP_SECONDS
from tests.fakes import fake_config, write_fake_run

STEPS = 4
MINUTES = STEP_SECONDS / 60  # of a step


def compared(paths: RunPaths, origin: Origin | None = None) -> ComparedRun:
    look = RunLook(paths.run_id, "var(--lab-run-0)")
    return ComparedRun(paths, read_config(paths), run_status(paths), look, origin)


@pytest.fixture
def parent(tmp_path):
    return compared(write_fake_run(tmp_path, "parent", steps=STEPS))


@pytest.fixture
def fork(tmp_path):
    """A fork after step 2. Its own steps are stored as 1 to 3 here, which changes nothing of where it begins."""
    return compared(write_fake_run(tmp_path, "child", steps=3), Origin("fork", "parent", 2))


def stored(run: ComparedRun, column: str) -> list[float]:
    return RunReader(run.paths.db).steps()[column].tolist()


def test_a_metric_of_each_run_stands_over_its_steps(parent, tmp_path):
    other = compared(write_fake_run(tmp_path, "other", steps=3))
    one, two = series_of([parent, other], ["reward"], "step")["reward"]
    assert one.x.tolist() == [1, 2, 3, 4] and one.y.tolist() == stored(parent, "reward")
    assert two.x.tolist() == [1, 2, 3] and two.look.label == "other" and two.fork is None


def test_over_tokens_a_step_lies_at_all_that_was_sampled_until_then(parent):
    (one,) = series_of([parent], ["reward"], "tokens")["reward"]
    assert one.x.tolist() == np.cumsum(stored(parent, "completion_tokens")).tolist()


def test_over_time_a_step_lies_at_the_minutes_of_work_until_then(parent):
    (one,) = series_of([parent], ["reward"], "time")["reward"]
    assert one.x == pytest.approx([MINUTES * step for step in (1, 2, 3, 4)], rel=1e-3)  # seconds since 1970 in a float


def test_evaluations_lie_at_their_steps_with_their_intervals_the_first_before_training(parent):
    (one,) = series_of([parent], ["eval/pass_at_1"], "step")["eval/pass_at_1"]
    estimates = [metrics["pass_at_1"] for metrics in RunReader(parent.paths.db).evaluations()["metrics"]]
    assert one.x.tolist() == [0, STEPS] and one.y.tolist() == [estimate.value for estimate in estimates]
    assert one.low.tolist() == [e.low for e in estimates] and one.high.tolist() == [e.high for e in estimates]


def test_the_mean_of_a_reward_function_is_its_own_and_missing_in_a_run_without_it(parent, tmp_path):
    alone = compared(write_fake_run(tmp_path, "alone", steps=3, rewards=("exact_match",)))
    key = "rewards/digit_match/mean"
    one, two = series_of([parent, alone], [key], "step")[key]
    reader = RunReader(parent.paths.db)
    values = [row["digit_match"] for row in reader.completions(2)["rewards"] if row["digit_match"] is not None]
    assert one.y[1] == pytest.approx(np.mean(values))
    assert np.isnan(two.y).all() and two.y.size == 3


def test_a_fork_is_marked_at_the_step_where_it_left_its_parent(parent, fork):
    for runs in ([parent, fork], [fork]):
        one = series_of(runs, ["reward"], "step")["reward"][-1]
        assert (one.fork, one.fork_words) == (2.0, "fork at step 2")


def test_a_fork_goes_on_from_the_tokens_and_minutes_that_its_parent_had_spent(parent, fork):
    spent = sum(stored(parent, "completion_tokens")[:2])
    for order in ([parent, fork], [fork, parent]):
        one = next(s for s in series_of(order, ["reward"], "tokens")["reward"] if s.look.label == "child")
        assert one.fork == spent
        assert one.x.tolist() == (spent + np.cumsum(stored(fork, "completion_tokens"))).tolist()
    one = series_of([parent, fork], ["reward"], "time")["reward"][1]
    assert one.fork == pytest.approx(2 * MINUTES, rel=1e-3)


def test_without_its_parent_a_fork_begins_at_no_tokens_and_has_no_mark(fork):
    (one,) = series_of([fork], ["reward"], "tokens")["reward"]
    assert one.fork is None and one.x.tolist() == np.cumsum(stored(fork, "completion_tokens")).tolist()


def test_a_fork_of_a_fork_goes_on_from_both(parent, fork, tmp_path):
    grandchild = compared(write_fake_run(tmp_path, "grandchild", steps=2), Origin("fork", "child", 3))
    one = series_of([grandchild, fork, parent], ["reward"], "tokens")["reward"][0]
    assert one.fork == sum(stored(parent, "completion_tokens")[:2]) + sum(stored(fork, "completion_tokens")[:3])


def test_runs_that_name_each_other_as_parents_are_drawn_all_the_same(tmp_path):
    a, b = (compared(write_fake_run(tmp_path, run, steps=2), Origin("fork", other, 1)) for run, other in ("ab", "ba"))
    found = series_of([a, b], ["reward"], "tokens")["reward"]
    assert all(np.isfinite(one.x).all() and one.x.size == 2 for one in found)


def test_a_clone_begins_at_the_beginning(parent, tmp_path):
    clone = compared(write_fake_run(tmp_path, "clone", steps=2), Origin("clone", "parent"))
    one = series_of([parent, clone], ["reward"], "tokens")["reward"][1]
    assert one.fork is None and one.x[0] == stored(clone, "completion_tokens")[0]


def test_a_run_without_a_step_has_empty_curves_and_its_first_evaluation(tmp_path):
    empty = compared(write_fake_run(tmp_path, "empty", steps=0, outcome="stopped"))
    for x in ("step", "tokens", "time"):
        found = series_of([empty], ["reward", "eval/pass_at_1", "rewards/digit_match/mean"], x)
        assert found["reward"][0].x.size == 0 and found["rewards/digit_match/mean"][0].y.size == 0
        assert found["eval/pass_at_1"][0].x.tolist() == [0]


def test_what_can_be_drawn_is_every_metric_and_each_reward_function_of_any_run_once(parent, tmp_path):
    other = compared(write_fake_run(tmp_path, "other", steps=1, rewards=("exact_match", "digits_only")))
    choices = metric_choices([parent, other])
    assert choices[: len(METRICS)] == list(METRICS)
    assert choices[len(METRICS) :] == [
        "eval/pass_at_1", "eval/reward",
        "rewards/exact_match/mean", "rewards/digit_match/mean", "rewards/digits_only/mean",
    ]  # fmt: skip


def test_only_functions_without_weight_are_monitors(tmp_path):
    config = fake_config(name="m", steps=3)
    rewards = (config.rewards[0], config.rewards[1].model_copy(update={"weight": 0.0}))
    run = compared(write_fake_run(tmp_path, "m", steps=3, config=config.model_copy(update={"rewards": rewards})))
    (path,) = kl_paths([run])
    assert list(path.monitors) == ["digit_match"] and path.monitors["digit_match"].size == 3
    assert path.kl.tolist() == stored(run, "kl") and path.reward.tolist() == stored(run, "reward")


def test_without_a_reference_the_kl_of_every_step_is_missing(tmp_path):
    config = fake_config(name="free", steps=2)
    config = config.model_copy(update={"loss": config.loss.model_copy(update={"beta": 0.0})})
    (path,) = kl_paths([compared(write_fake_run(tmp_path, "free", steps=2, config=config))])
    assert np.isnan(path.kl).all() and path.reward.size == 2
