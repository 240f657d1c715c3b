"""Held-out evaluation in a run: what is stored, which checkpoint is kept, and when training ends early."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.evaluation import Estimate, pass_at_k
from engine.config import RunConfig
from engine.runs.best import Best, read_best, write_best
from engine.runs.control import request_stop
from engine.runs.durable import commit_directory
from engine.runs.paths import RunPaths, read_config
from engine.runs.reader import RunReader
from engine.runs.records import EvaluationRecord
from engine.runs.status import run_status
from engine.runs.store import StoreWriter
from engine.train import keep_best, loop
from engine.train.keep_best import BestKeeper
from engine.train.loop import run_engine
from engine.train.session import build_session
from tests.toy import toy_config
from tests.unit.train.conftest import make_run


def kept(paths: RunPaths) -> list[str]:
    return sorted(path.name for path in paths.checkpoints.iterdir())


def messages(paths: RunPaths, kind: str) -> list[str]:
    events = RunReader(paths.db).events()
    return events[events["kind"] == kind]["message"].tolist()[::-1]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Makes evaluations come out as told, in the order of steps; returns the steps that were evaluated."""

    def script(key: str, values: dict[int, float]) -> list[int]:
        asked: list[int] = []

        def evaluate(_session: object, settings: object, step: int, **_: object) -> EvaluationRecord:
            asked.append(step)
            return EvaluationRecord(step, 8, 1, 0.1, {key: Estimate(values[step], 0.0, 1.0)})

        monkeypatch.setattr(loop, "evaluate", evaluate)
        return asked

    return script


def power_cut(monkeypatch: pytest.MonkeyPatch, module: object, name: str, at: int, *, before: bool) -> None:
    """End the process, as far as it can notice, before or after the `at`-th call of module.name; later calls work."""
    original, calls = getattr(module, name), []

    def cut(*arguments: object, **options: object) -> object:
        calls.append(name)
        if len(calls) == at and before:
            raise SystemExit("power cut")
        result = original(*arguments, **options)
        if len(calls) == at:
            raise SystemExit("power cut")
        return result

    monkeypatch.setattr(module, name, cut)


# --- what an evaluation measures ---


def test_several_completions_give_pass_at_k_and_majority_with_intervals_from_the_stored_counts(tmp_path: Path) -> None:
    paths = make_run(
        tmp_path / "run", toy_config(evaluation={"every": 100, "num_generations": 4}, optim={"max_steps": 1})
    )
    run_engine(paths)
    reader = RunReader(paths.db)
    evaluation = reader.evaluations().iloc[-1]
    metrics = evaluation["metrics"]
    assert list(metrics) == [
        "pass_at_1", "pass_at_2", "pass_at_4", "majority_at_4", "undecided", "reward", "rewards/exact_match/mean",
        "rewards/digit_match/mean",
    ]  # fmt: skip
    details = reader.evaluation_details(1)
    assert details is not None
    prompts, samples = details
    for k in (1, 2, 4):
        share = np.mean([pass_at_k(4, c, k) for c in prompts["right"]])
        assert metrics[f"pass_at_{k}"].value == pytest.approx(share, abs=1e-12)
    assert metrics["pass_at_1"].value == pytest.approx(metrics["rewards/exact_match/mean"].value, abs=1e-12)
    assert metrics["majority_at_4"].value == pytest.approx(np.mean(prompts["majority"]))
    total = np.array(prompts["rewards"]["exact_match"]) + 0.3 * np.array(prompts["rewards"]["digit_match"])
    assert metrics["reward"].value == pytest.approx(total.mean())
    assert all(m.low <= m.value <= m.high for name, m in metrics.items() if name != "undecided")
    assert (metrics["undecided"].value, prompts["decided"]) == (0.0, [4] * 8)
    assert (evaluation["num_prompts"], evaluation["num_generations"], len(prompts["id"])) == (8, 4, 8)
    assert [len(sample["completions"]) for sample in samples] == [4] * 8
    assert set(samples[0]["completions"][0]["rewards"]) == {"exact_match", "digit_match"}


def test_every_evaluation_draws_the_same_random_numbers() -> None:
    config = toy_config(evaluation={"num_generations": 4})
    session = build_session(config, progress=lambda _: None)
    first, again = (loop.evaluate(session, config.evaluation, step, beat=lambda *_: None) for step in (0, 3))
    assert first.samples == again.samples and first.metrics == again.metrics


def test_completions_whose_pass_reward_is_missing_are_left_out_and_counted() -> None:
    config = toy_config(evaluation={"num_generations": 4})
    session = build_session(config, progress=lambda _: None)

    def judge(completions: list[str], **_: object) -> list[float | None]:
        """Of each prompt's four: declines the first, right, wrong, right; of the first prompt it declines all."""
        return [None if i % 4 == 0 or i < 4 else float(i % 2) for i in range(len(completions))]

    session.rewards[0] = replace(session.rewards[0], function=judge)
    found = loop.evaluate(session, config.evaluation, 0, beat=lambda *_: None)
    assert (found.prompts["right"], found.prompts["decided"]) == ([0] + [2] * 7, [0] + [3] * 7)
    assert found.metrics["pass_at_1"].value == pytest.approx(2 / 3)
    assert found.metrics["undecided"].value == 4 + 7
    assert math.isnan(found.metrics["pass_at_4"].value)  # no prompt has four that are decided


def test_without_a_reward_that_decides_there_are_only_mean_rewards(tmp_path: Path) -> None:
    raw = toy_config(optim={"max_steps": 1}, evaluation={"num_generations": 2}).model_dump()
    config = RunConfig.model_validate({**raw, "rewards": [{"name": "digits_only"}]})
    paths = make_run(tmp_path / "run", config)
    run_engine(paths)
    evaluations = RunReader(paths.db).evaluations()
    assert list(evaluations["metrics"][0]) == ["reward", "rewards/digits_only/mean"]
    assert evaluations["pass_at_1"].isna().all()


# --- the best checkpoint ---

EVERY_STEP = {"every": 1}
BY_PASS = {"every": 100, "keep": 1, "metric_for_best_model": "pass_at_1"}
VALUES = {0: 0.1, 1: 0.3, 2: 0.6, 3: 0.2, 4: 0.6, 5: 0.5, 6: 0.4}


def best_run(root: Path, **checkpoint: object) -> RunPaths:
    return make_run(root, toy_config(evaluation=EVERY_STEP, checkpoint={**BY_PASS, **checkpoint}))


def test_the_best_checkpoint_stays_beside_the_newest_and_the_log_says_so(
    tmp_path: Path, scripted: Callable[..., list[int]]
) -> None:
    scripted("pass_at_1", VALUES)
    paths = best_run(tmp_path / "run")
    run_engine(paths)
    assert kept(paths) == ["best.json", "step-000002", "step-000006"]
    assert read_best(paths.checkpoints) == Best(2, "pass_at_1", 0.6)  # step 4 is as good, but not better
    assert messages(paths, "best-checkpoint")[-1] == (
        "The best evaluation so far: held-out pass@1 60.0 %. Its checkpoint is kept."
    )


def test_without_a_measure_no_checkpoint_is_kept_for_its_score(
    tmp_path: Path, scripted: Callable[..., list[int]]
) -> None:
    scripted("pass_at_1", VALUES)
    paths = best_run(tmp_path / "run", metric_for_best_model=None)
    run_engine(paths)
    assert kept(paths) == ["step-000006"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "before"),
    [
        (loop, "save_checkpoint", True),  # the evaluation is stored, the checkpoint is not
        (loop, "save_checkpoint", False),  # the checkpoint is there, the record is not
        (keep_best, "write_best", False),  # both are there, the old best is not yet deleted
        (loop.StoreWriter, "add_evaluation", False),
    ],
)
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_kill_at_any_moment_of_keeping_the_best_changes_nothing_in_the_end(
    module: object, name: str, before: bool, at: int, tmp_path: Path, scripted: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    scripted("pass_at_1", VALUES)
    paths = best_run(tmp_path / "run")
    power_cut(monkeypatch, module, name, at, before=before)
    with pytest.raises(SystemExit):
        run_engine(paths)
    named = read_best(paths.checkpoints)
    assert named is None or (paths.checkpoints / f"step-{named.step:06d}" / "manifest.json").exists()
    assert run_engine(paths) == "finished"
    assert kept(paths) == ["best.json", "step-000002", "step-000006"]
    assert read_best(paths.checkpoints) == Best(2, "pass_at_1", 0.6)


def test_a_resumed_run_does_not_give_up_a_best_checkpoint_for_a_worse_one(
    tmp_path: Path, scripted: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted("pass_at_1", VALUES)
    paths = best_run(tmp_path / "run", every=1)
    power_cut(monkeypatch, loop, "train_step", 5, before=True)
    with pytest.raises(SystemExit):
        run_engine(paths)
    assert kept(paths) == ["best.json", "step-000002", "step-000004"]
    run_engine(paths)
    assert kept(paths) == ["best.json", "step-000002", "step-000006"]


def test_a_damaged_best_checkpoint_is_forgotten_with_a_warning_and_the_next_evaluation_takes_its_place(
    tmp_path: Path, scripted: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted("pass_at_1", VALUES)
    paths = best_run(tmp_path / "run", every=1)
    power_cut(monkeypatch, loop, "train_step", 5, before=True)
    with pytest.raises(SystemExit):
        run_engine(paths)
    (paths.checkpoints / "step-000002" / "policy.safetensors").write_bytes(b"cut")
    run_engine(paths)
    (lost,) = messages(paths, "best-lost")
    assert "The best checkpoint, of step 2, is lost" in lost and "policy.safetensors" in lost
    assert read_best(paths.checkpoints) == Best(4, "pass_at_1", 0.6)
    assert {"step-000004", "step-000006"} <= set(kept(paths))


def test_a_best_checkpoint_newer_than_the_newest_whole_one_does_not_count(
    tmp_path: Path, scripted: Callable[..., list[int]]
) -> None:
    scripted("pass_at_1", {**VALUES, 6: 0.9})
    paths = best_run(tmp_path / "run", every=1, keep=2)
    run_engine(paths)
    (paths.checkpoints / "step-000006" / "policy.safetensors").write_bytes(b"cut")
    run_engine(paths)  # from step 5
    assert read_best(paths.checkpoints) == Best(6, "pass_at_1", 0.9)
    assert len(messages(paths, "best-lost")) == 1
    assert kept(paths)[-3:] == ["best.json", "step-000005", "step-000006"]


def test_the_old_best_goes_once_the_new_one_is_recorded(tmp_path: Path, scripted: Callable[..., list[int]]) -> None:
    scripted("pass_at_1", {**VALUES, 6: 0.9})
    paths = best_run(tmp_path / "run")
    run_engine(paths)
    assert kept(paths) == ["best.json", "step-000006"]


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[BestKeeper]:
    """Keeps the best by pass@1, in a run with a whole checkpoint of step 4 that was the best by another record."""
    paths = best_run(tmp_path / "run")
    temporary = paths.root / "temporary"
    temporary.mkdir()
    paths.checkpoints.mkdir()
    commit_directory(temporary, paths.checkpoints / "step-000004")
    store = StoreWriter(paths.db)
    yield BestKeeper(paths, read_config(paths), store)
    store.close()


@pytest.mark.parametrize(
    ("record", "resumed_at", "is_better"),
    [
        (Best(4, "pass_at_1", 0.5), 5, False),  # taken up: 0.3 is worse
        (Best(4, "pass_at_1", 0.2), 5, True),
        (Best(4, "reward", 5.0), 5, True),  # another measure cannot be compared with
        (Best(4, "pass_at_1", 0.5), 3, True),  # of a step that this attempt has not reached
        (Best(2, "pass_at_1", 0.5), 5, True),  # its checkpoint is not there
    ],
)
def test_an_earlier_best_counts_when_it_is_whole_reached_and_of_the_same_measure(
    record: Best, resumed_at: int, is_better: bool, keeper: BestKeeper, tmp_path: Path
) -> None:
    checkpoints = tmp_path / "run" / "checkpoints"
    write_best(checkpoints, record)
    keeper.take_up(resumed_at)
    saved: list[str] = []
    keeper.consider(6, {"pass_at_1": Estimate(0.3)}, lambda: saved.append("saved"))
    assert saved == ["saved"] * is_better
    assert read_best(checkpoints) == (Best(6, "pass_at_1", 0.3) if is_better else record)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"step": 1, "metric": "reward", "value": NaN}', "\xff"])
def test_a_record_that_cannot_be_read_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "best.json").write_bytes(text.encode("latin-1"))
    assert read_best(tmp_path) is None


def test_an_evaluation_without_the_measure_is_said_not_to_count(
    tmp_path: Path, scripted: Callable[..., list[int]]
) -> None:
    scripted("pass_at_1", {**VALUES, 0: float("nan")})
    paths = best_run(tmp_path / "run")
    run_engine(paths)
    assert messages(paths, "best-unknown") == ["This evaluation has no pass@1, so it cannot be the best one."]
    assert read_best(paths.checkpoints) == Best(2, "pass_at_1", 0.6)


# --- early stopping ---


def early_run(root: Path, patience: int, threshold: float = 0.0, **evaluation: object) -> RunPaths:
    stopping = {"early_stopping_patience": patience, "early_stopping_threshold": threshold}
    return make_run(root, toy_config(evaluation={**EVERY_STEP, **stopping, **evaluation}, checkpoint={"every": 100}))


def test_evaluations_without_a_gain_end_the_run_and_a_resume_does_nothing_more(
    tmp_path: Path, scripted: Callable[..., list[int]]
) -> None:
    asked = scripted("pass_at_1", VALUES)
    paths = early_run(tmp_path / "run", patience=2)
    assert run_engine(paths) == "finished"
    reason = (
        "Stopped early after step 4 of at most 6: 2 evaluations in a row without a gain in held-out pass@1; "
        "the best was 60.0 % after step 2."
    )
    assert messages(paths, "stopped-early") == [reason]
    status = run_status(paths)
    assert (status.state, status.detail, status.step) == ("finished", reason, 4)
    assert (status.stopped_early, status.goal, status.can_resume) == (True, 4, False)
    assert kept(paths) == ["step-000004"]
    assert run_engine(paths) == "finished"
    assert messages(paths, "stopped-early") == [reason, reason]
    assert (RunReader(paths.db).last_step(), asked) == (4, [0, 1, 2, 3, 4])


def test_a_threshold_asks_for_more_than_any_gain(tmp_path: Path, scripted: Callable[..., list[int]]) -> None:
    scripted("pass_at_1", {0: 0.1, 1: 0.15, 2: 0.2})
    paths = early_run(tmp_path / "run", patience=2, threshold=0.1)
    run_engine(paths)
    assert RunReader(paths.db).last_step() == 2


def test_the_last_step_is_not_early(tmp_path: Path, scripted: Callable[..., list[int]]) -> None:
    scripted("pass_at_1", VALUES)
    paths = early_run(tmp_path / "run", patience=4)  # reached at step 6, with steps 3 to 6
    run_engine(paths)
    assert messages(paths, "stopped-early") == []
    assert (run_status(paths).stopped_early, run_status(paths).detail) == (False, "after step 6")


@pytest.mark.parametrize("at", [2, 3, 4, 5])
def test_an_interrupted_run_stops_early_at_the_same_step(
    at: int, tmp_path: Path, scripted: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = scripted("pass_at_1", VALUES)
    paths = early_run(tmp_path / "run", patience=2)
    power_cut(monkeypatch, loop.StoreWriter, "add_evaluation", at, before=False)
    with pytest.raises(SystemExit):
        run_engine(paths)
    run_engine(paths)
    assert RunReader(paths.db).last_step() == 4
    assert asked == [0, 1, 2, 3, 4]  # none of them twice


def test_a_stop_on_request_is_no_early_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = early_run(tmp_path / "run", patience=1000)
    monkeypatch.setattr(loop, "BEAT_EVERY_S", 0.0)
    original = loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda *a, **k: (request_stop(paths), original(*a, **k))[1])
    assert run_engine(paths) == "stopped"
    assert not run_status(paths).stopped_early
