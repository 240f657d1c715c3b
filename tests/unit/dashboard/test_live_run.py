import numpy as np
import pytest

from dashboard.live_run import SMOOTH_ABOVE, WINDOW, LiveRun, live_run
from engine.runs.best import Best, write_best
from engine.runs.paths import RunPaths
from engine.runs.store import StoreWriter
from tests.fake_records import FakeRun
from tests.fakes import fake_config, write_fake_run


@pytest.fixture
def growing(tmp_path):
    """A run that the test extends: (LiveRun, a function that commits steps)."""
    fake = FakeRun(fake_config(name="growing", steps=200, prompts=2, group_size=4))
    paths = RunPaths(tmp_path)
    store = StoreWriter(paths.db)
    store.begin_attempt(0, {})

    def commit(*steps: int) -> None:
        for step in steps:
            store.commit_step(fake.step(step))

    yield LiveRun(paths.db), commit
    store.close()


def same(left, right) -> None:
    assert left.metrics.equals(right.metrics)
    assert left.functions.equals(right.functions)
    np.testing.assert_array_equal(left.quantiles, right.quantiles)
    np.testing.assert_array_equal(left.shares, right.shares)
    assert left.bins.same_as(right.bins)


def test_a_run_without_a_store_is_empty(tmp_path):
    course = LiveRun(tmp_path / "run.db").course()
    assert course.last_step == 0
    assert len(course.metrics) == len(course.shares) == len(course.quantiles) == 0


def test_following_step_by_step_gives_what_reading_at_once_gives(growing):
    run, commit = growing
    for step in range(1, SMOOTH_ABOVE + WINDOW + 5):  # across the change from raw to pooled quantiles
        commit(step)
        followed = run.course()
        if step % 10 == 1:
            same(followed, LiveRun(run.reader.path).course())
    same(followed, LiveRun(run.reader.path).course())
    assert followed.last_step == SMOOTH_ABOVE + WINDOW + 4


def test_what_is_new_is_all_that_is_read(growing, monkeypatch):
    run, commit = growing
    commit(1, 2, 3)
    run.course()
    asked = []
    original = run.reader.steps
    monkeypatch.setattr(run.reader, "steps", lambda after, columns: asked.append(after) or original(after, columns))
    assert run.course() is run.course()
    commit(4)
    assert run.course().metrics["step"].tolist() == [1, 2, 3, 4]
    assert asked == [3]


def test_an_evaluation_alone_adds_no_step_and_is_seen(growing):
    run, commit = growing
    commit(1, 2, 3)
    known = run.course()
    store = StoreWriter(run.reader.path)
    store.begin_attempt(3, {})
    store.add_evaluation(FakeRun(fake_config(name="growing", steps=200, prompts=2, group_size=4)).evaluation(3))
    store.close()
    assert run.course().evaluations["step"].tolist() == [3]
    assert run.course().metrics is known.metrics  # not read again


def test_steps_of_more_completions_widen_those_before_them(growing):
    run, commit = growing
    commit(1)
    assert run.course().quantiles.shape == (1, 5)
    store = StoreWriter(run.reader.path)
    store.begin_attempt(1, {})
    store.commit_step(FakeRun(fake_config(name="wider", steps=200, prompts=3, group_size=4)).step(2))
    store.commit_step(FakeRun(fake_config(name="growing", steps=200, prompts=2, group_size=4)).step(3))
    store.close()
    same(run.course(), LiveRun(run.reader.path).course())
    commit_later = StoreWriter(run.reader.path)
    commit_later.begin_attempt(3, {})
    commit_later.commit_step(FakeRun(fake_config(name="growing", steps=200, prompts=2, group_size=4)).step(4))
    commit_later.close()
    same(run.course(), LiveRun(run.reader.path).course())


def test_all_sessions_share_the_one_reader_of_a_run(tmp_path):
    one, other = RunPaths(tmp_path / "one"), RunPaths(tmp_path / "other")
    assert live_run(one) is live_run(RunPaths(tmp_path / "one"))
    assert live_run(one).reader.path == one.db
    assert live_run(other) is not live_run(one)


def test_an_earlier_course_does_not_change(growing):
    run, commit = growing
    commit(1)
    before = run.course()
    commit(2)
    run.course()
    assert before.metrics["step"].tolist() == [1]


def test_a_replayed_step_that_differs_replaces_the_old_one_and_those_after_it(growing, tmp_path):
    run, commit = growing
    commit(1, 2, 3)
    old = run.course().metrics["reward"].tolist()
    store = StoreWriter(run.reader.path)
    store.begin_attempt(1, {})
    store.commit_step(FakeRun(fake_config(name="other", steps=200, prompts=2, group_size=4), seed=9).step(2))
    store.close()
    new = run.course().metrics["reward"].tolist()
    assert len(new) == 2
    assert new[0] == old[0]
    assert new[1] != old[1]


def test_a_new_reward_value_makes_a_new_bin_for_all_steps(growing):
    run, commit = growing
    commit(1)
    few = run.course()
    commit(*range(2, 40))
    many = run.course()
    assert len(many.bins.centres) > len(few.bins.centres)
    assert many.shares.shape == (39, len(many.bins.centres))
    assert np.nansum(many.shares, axis=1) == pytest.approx(np.ones(39))


def test_a_new_best_checkpoint_is_noticed_without_a_new_step(tmp_path):
    paths = write_fake_run(tmp_path, "r", steps=3)
    run = LiveRun(paths.db)
    assert run.course().best is None
    paths.checkpoints.mkdir()
    write_best(paths.checkpoints, Best(0, "reward", 0.5))
    assert run.course().best == Best(0, "reward", 0.5)


def test_means_of_functions_are_those_of_the_store(tmp_path):
    paths = write_fake_run(tmp_path, "r", steps=3)
    course = LiveRun(paths.db).course()
    stored = LiveRun(paths.db).reader.steps(columns=("rewards",))["rewards"]
    assert course.functions["exact_match"].tolist() == [row["exact_match"]["mean"] for row in stored]
