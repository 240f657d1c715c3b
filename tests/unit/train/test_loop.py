"""A whole run on the toy model: what is stored, how it ends, and that stopping and resuming changes nothing."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from engine.errors import DatasetError, LabError, RunBusyError
from engine.runs import durable
from engine.runs.control import request_stop
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.train import loop, update
from engine.train.loop import run_engine
from tests.toy import toy_config
from tests.unit.train.conftest import make_run


def digests(paths: RunPaths) -> list[str]:
    return list(RunReader(paths.db).steps()["digest"])


def final_weights(paths: RunPaths) -> dict[str, np.ndarray]:
    return load_file(paths.checkpoints / "step-000006" / "policy.safetensors")


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """A run of six steps that nobody interrupted."""
    with pytest.MonkeyPatch.context() as patch:
        from tests.toy import toy_policy

        patch.setattr("engine.train.session.load_policy", lambda *_, **__: toy_policy())
        paths = make_run(tmp_path_factory.mktemp("runs") / "straight", toy_config())
        assert run_engine(paths) == "finished"
    return paths


def test_every_step_stores_every_group_with_every_completion_and_token(straight: RunPaths) -> None:
    reader = RunReader(straight.db)
    assert reader.steps()["step"].tolist() == [1, 2, 3, 4, 5, 6]
    for step in range(1, 7):
        groups, completions = reader.groups(step), reader.completions(step)
        assert (len(groups), len(completions)) == (2, 8)
        assert (groups["reference"].astype(int) == [eval_sum(prompt) for prompt in groups["prompt"]]).all()
        for row in completions.itertuples():
            tokens = reader.tokens(step, row.group_index, row.completion_index)
            assert tokens is not None
            assert len(tokens.ids) == len(tokens.logprobs) == len(tokens.entropies) == row.length
            assert set(row.rewards) == {"exact_match", "digit_match"}


def eval_sum(prompt: str) -> int:
    left, right = prompt.rstrip("=").split("+")
    return int(left) + int(right)


def test_stored_totals_and_advantages_follow_from_the_stored_rewards(straight: RunPaths) -> None:
    for step in range(1, 7):
        for _, group in RunReader(straight.db).completions(step).groupby("group_index"):
            totals = np.array([r["exact_match"] + 0.3 * r["digit_match"] for r in group["rewards"]])
            assert group["total"].to_numpy() == pytest.approx(totals, abs=1e-12)
            expected = (totals - totals.mean()) / (totals.std(ddof=1) + 1e-4) if np.ptp(totals) > 0 else totals * 0
            assert group["advantage"].to_numpy() == pytest.approx(expected, abs=1e-6)


def test_held_out_evaluation_runs_before_during_and_after(straight: RunPaths) -> None:
    evaluations = RunReader(straight.db).evaluations()
    assert evaluations["step"].tolist() == [0, 3, 6]
    assert set(evaluations["num_prompts"]) == {8}


def test_the_first_step_starts_at_the_reference_and_later_ones_leave_it(straight: RunPaths) -> None:
    kl = RunReader(straight.db).steps()["kl"]
    assert kl[0] == pytest.approx(0.0, abs=1e-7)
    assert kl[5] > 1e-5


def test_the_newest_checkpoints_are_kept_and_older_ones_deleted(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "run", toy_config(checkpoint={"every": 1, "keep": 2}))
    run_engine(paths)
    assert sorted(path.name for path in paths.checkpoints.iterdir()) == ["step-000005", "step-000006"]


@pytest.mark.parametrize("phase", ["loading", "rollout", "update", "evaluation"])
def test_a_run_stopped_in_any_phase_resumes_to_the_same_numbers(
    phase: str, tmp_path: Path, straight: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = make_run(tmp_path / "run", toy_config())
    monkeypatch.setattr(loop, "BEAT_EVERY_S", 0.0)  # look for requests at every beat
    original, asked = loop.Engine.beat, []

    def beat(engine: loop.Engine, name: str, detail: str = "", *, may_stop: bool = True) -> None:
        if name == phase and not asked and (engine.step == 4 or phase in ("loading", "evaluation")):
            asked.append(name)
            request_stop(paths)
        original(engine, name, detail, may_stop=may_stop)

    monkeypatch.setattr(loop.Engine, "beat", beat)
    assert run_engine(paths) == "stopped"
    assert run_engine(paths) == "finished"
    assert digests(paths) == digests(straight)
    for name, value in final_weights(straight).items():
        assert np.array_equal(final_weights(paths)[name], value), name


def test_steps_after_the_last_checkpoint_are_replayed_bit_for_bit(
    tmp_path: Path, straight: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = make_run(tmp_path / "run", toy_config())
    original = loop.train_step

    def crash_in_step_five(session, step, **kwargs):  # type: ignore[no-untyped-def]
        if step == 6:
            raise SystemExit("power cut")
        return original(session, step, **kwargs)

    monkeypatch.setattr(loop, "train_step", crash_in_step_five)
    with pytest.raises(SystemExit):
        run_engine(paths)
    assert RunReader(paths.db).last_step() == 5
    monkeypatch.setattr(loop, "train_step", original)
    assert run_engine(paths) == "finished"
    assert digests(paths) == digests(straight)
    assert superseded(paths) == 0


def superseded(paths: RunPaths) -> int:
    with sqlite3.connect(f"file:{paths.db}?mode=ro", uri=True) as db:
        return int(db.execute("SELECT count(*) FROM superseded").fetchone()[0])


def test_a_damaged_checkpoint_is_passed_over_with_a_warning_and_the_one_before_it_is_used(
    tmp_path: Path, straight: RunPaths
) -> None:
    paths = make_run(tmp_path / "run", toy_config(checkpoint={"every": 2, "keep": 2}))
    run_engine(paths)
    damaged = paths.checkpoints / "step-000006" / "policy.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert run_engine(paths) == "finished"
    events = RunReader(paths.db).events()
    assert "policy.safetensors" in events[events["kind"] == "checkpoint-damaged"]["message"].iloc[0]
    assert "Resumed from the checkpoint of step 4." in events[events["kind"] == "resumed"]["message"].iloc[0]
    assert digests(paths) == digests(straight)


def test_a_checkpoint_is_verified_once_before_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = make_run(tmp_path / "run", toy_config())
    run_engine(paths)
    verify, load, done = durable.verify_directory, loop.load_checkpoint, []
    monkeypatch.setattr(durable, "verify_directory", lambda path: (done.append(f"verify {path.name}"), verify(path))[1])
    monkeypatch.setattr(loop, "load_checkpoint", lambda *given: (done.append("load"), load(*given))[1])
    assert run_engine(paths) == "finished"
    assert done == ["verify step-000006", "load"]


def test_a_second_engine_on_the_same_run_is_refused(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "run", toy_config())
    with Lease(paths.lock), pytest.raises(RunBusyError):
        run_engine(paths)


def test_three_updates_in_a_row_that_are_not_finite_end_the_run_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = make_run(tmp_path / "run", toy_config())
    original = update.policy_loss

    def poisoned(*args, **kwargs):  # type: ignore[no-untyped-def]
        loss, metrics = original(*args, **kwargs)
        return loss * float("nan"), metrics

    monkeypatch.setattr(update, "policy_loss", poisoned)
    with pytest.raises(LabError, match="Step 3: the loss or its gradient was not finite 3 times in a row"):
        run_engine(paths)
    attempt = RunReader(paths.db).attempts()[-1]
    assert attempt.outcome == "failed" and "lower learning rate" in str(attempt.message)
    assert RunReader(paths.db).steps()["nonfinite"].notna().all()


def test_a_crash_is_recorded_with_its_reason_and_the_stored_steps_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = make_run(tmp_path / "run", toy_config())
    original = loop.train_step

    def broken(session, step, **kwargs):  # type: ignore[no-untyped-def]
        if step == 3:
            raise ZeroDivisionError("made for the test")
        return original(session, step, **kwargs)

    monkeypatch.setattr(loop, "train_step", broken)
    with pytest.raises(ZeroDivisionError):
        run_engine(paths)
    attempt = RunReader(paths.db).attempts()[-1]
    assert (attempt.outcome, attempt.message) == ("failed", "ZeroDivisionError: made for the test")
    assert RunReader(paths.db).last_step() == 2


def test_a_checkpoint_names_what_bit_exactness_depends_on(straight: RunPaths) -> None:
    state = json.loads((straight.checkpoints / "step-000006" / "state.json").read_text())
    assert state["environment"]["threads"] == 1
    assert {"torch", "transformers", "device"} <= set(state["environment"])


def test_saving_after_a_damaged_checkpoint_keeps_the_ones_that_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = make_run(tmp_path / "run", toy_config(checkpoint={"every": 1, "keep": 2}))
    run_engine(paths)  # leaves steps 5 and 6
    for name in ("step-000005", "step-000006"):
        (paths.checkpoints / name / "policy.safetensors").write_bytes(b"cut")
    original = loop.save_checkpoint

    def power_cut_after_step_two(parent, session, step, *rest):  # type: ignore[no-untyped-def]
        original(parent, session, step, *rest)
        if step == 2:
            raise SystemExit

    monkeypatch.setattr(loop, "save_checkpoint", power_cut_after_step_two)
    with pytest.raises(SystemExit):
        run_engine(paths)  # from the beginning: no checkpoint verifies
    monkeypatch.setattr(loop, "save_checkpoint", original)
    assert run_engine(paths) == "finished"
    assert RunReader(paths.db).attempts()[-1].from_step == 2


def test_data_that_changed_since_the_checkpoint_are_refused(tmp_path: Path) -> None:
    rows = [f'{{"prompt": "{i}+1=", "answer": "{i + 1}"}}\n' for i in range(40)]
    data = tmp_path / "sums.jsonl"
    data.write_text("".join(rows))
    config = toy_config(data={"source": str(data), "held_out": 8}, optim={"max_steps": 3})
    paths = make_run(tmp_path / "run", config)
    run_engine(paths)
    data.write_text("".join(rows[1:]))
    with pytest.raises(DatasetError, match="not those of the checkpoint of step 3"):
        run_engine(paths)
    assert RunReader(paths.db).last_step() == 3


@pytest.mark.slow
def test_a_replay_that_differs_puts_the_old_steps_and_what_followed_from_them_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = make_run(tmp_path / "run", toy_config(checkpoint={"every": 100, "keep": 1}))
    original = loop.train_step

    def crash_in_step_six(session, step, **kwargs):  # type: ignore[no-untyped-def]
        if step == 6:
            raise SystemExit
        return original(session, step, **kwargs)

    monkeypatch.setattr(loop, "train_step", crash_in_step_six)
    with pytest.raises(SystemExit):
        run_engine(paths)
    stored = digests(paths)
    with sqlite3.connect(paths.db) as db:  # as if step 4 had come out differently then
        db.execute("UPDATE steps SET digest = 'other' WHERE step = 4")
    monkeypatch.setattr(loop, "train_step", original)
    assert run_engine(paths) == "finished"
    assert superseded(paths) == 2  # steps 4 and 5
    assert digests(paths)[:5] == stored
    events = RunReader(paths.db).events()
    assert events[events["kind"] == "replay-differs"]["step"].tolist() == [4]
