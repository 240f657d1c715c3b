"""Evaluating a checkpoint from outside: the same numbers as the run's own, and nothing written."""

import json
from pathlib import Path

import pytest

from engine import cli
from engine.analysis.evaluation import Estimate
from engine.errors import CheckpointError, DatasetError
from engine.runs.best import Best, write_best
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.records import EvaluationRecord
from engine.train.evaluate_checkpoint import evaluate_checkpoint
from engine.train.loop import run_engine
from tests.toy import toy_config
from tests.unit.train.conftest import make_run


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    """Checkpoints and evaluations of steps 3 and 6, two completions per prompt."""
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    paths = make_run(tmp_path / "run", toy_config(evaluation={"num_generations": 2}, optim={"learning_rate": 0.03}))
    run_engine(paths)
    return paths


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:  # type: ignore[type-arg]
    assert cli.main(["eval", "run", *arguments]) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def stored(paths: RunPaths, step: int) -> dict[str, float]:
    evaluations = RunReader(paths.db).evaluations().set_index("step")
    return {name: estimate.value for name, estimate in evaluations["metrics"][step].items()}


@pytest.mark.parametrize(("arguments", "step"), [([], 6), (["--step", "3"], 3), (["--step", "0"], 0), (["--best"], 3)])
def test_a_checkpoint_gives_the_numbers_that_the_run_stored_at_its_step(
    arguments: list[str], step: int, trained: RunPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    write_best(trained.checkpoints, Best(3, "reward", 0.1))
    before = {path: path.stat().st_mtime_ns for path in trained.root.rglob("*")}
    found = printed(capsys, *arguments)
    assert {path: path.stat().st_mtime_ns for path in trained.root.rglob("*")} == before
    assert (found["run"], found["step"], found["num_prompts"], found["num_generations"]) == ("run", step, 8, 2)
    assert {name: parts["value"] for name, parts in found["metrics"].items()} == stored(trained, step)
    assert stored(trained, 0)["reward"] != stored(trained, 3)["reward"] != stored(trained, 6)["reward"]


def test_more_completions_and_fewer_prompts_can_be_asked_for(
    trained: RunPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    found = printed(capsys, "--num-generations", "4", "--num-prompts", "5")
    assert (found["num_prompts"], found["num_generations"]) == (5, 4)
    assert {"pass_at_4", "majority_at_4"} <= set(found["metrics"])


def test_completions_that_could_not_be_scored_are_told(
    trained: RunPaths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = EvaluationRecord(6, 16, 4, 0.1, {"pass_at_1": Estimate(0.5, 0.3, 0.7), "undecided": Estimate(3.0)})
    monkeypatch.setattr("engine.train.evaluate_checkpoint.evaluate", lambda *_, **__: record)
    assert cli.main(["eval", "run"]) == 0
    told = capsys.readouterr()
    note = "3 of 64 completions could not be scored; they are left out."
    assert note in told.err.splitlines()
    assert json.loads(told.out)["note"] == note


def test_a_checkpoint_that_is_not_there_is_named_with_those_that_are(
    trained: RunPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["eval", "run", "--step", "5"]) == CheckpointError.exit_code
    assert "has no checkpoint of step 5. Kept are: 3, 6." in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="no checkpoint was kept as the best"):
        evaluate_checkpoint(trained, best=True, progress=lambda *_: None)


def test_a_run_without_checkpoints_says_what_can_be_evaluated(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "run", toy_config())
    with pytest.raises(CheckpointError, match="`--step 0` evaluates the model as it was before training"):
        evaluate_checkpoint(paths, progress=lambda *_: None)


def test_changed_data_are_refused(tmp_path: Path) -> None:
    rows = [f'{{"prompt": "{i}+1=", "answer": "{i + 1}"}}\n' for i in range(40)]
    data = tmp_path / "sums.jsonl"
    data.write_text("".join(rows))
    paths = make_run(tmp_path / "run", toy_config(data={"source": str(data)}, optim={"max_steps": 1}))
    run_engine(paths)
    data.write_text("".join(rows[1:]))
    with pytest.raises(DatasetError, match="held-out examples may have been trained on"):
        evaluate_checkpoint(paths, progress=lambda *_: None)


@pytest.mark.parametrize(
    "arguments", [["--step", "-1"], ["--num-generations", "0"], ["--step", "x"], ["--best", "--step", "1"]]
)
def test_impossible_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["eval", "run", *arguments])
    assert "usage: grpo-lab eval" in capsys.readouterr().err
