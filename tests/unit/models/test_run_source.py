"""A run's checkpoint as a model: its exact policy, the reference of a new run, which keeps its own copy of it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.config import ModelConfig, RunConfig
from engine.config_io import dump_config
from engine.errors import CheckpointError, ModelError
from engine.models.catalog import list_models, model_facts, resolve_source
from engine.models.classifier import load_judge
from engine.models.from_run import own_copy
from engine.models.load import load_policy, load_tokenizer, local_folder, starting_weights
from engine.runs import launch
from engine.runs.durable import verify_directory
from engine.runs.fork import fork_run
from engine.runs.imported import Imported, write_imported
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.train.checkpoint import load_checkpoint, verified
from engine.train.evaluate_checkpoint import evaluate_checkpoint
from engine.train.loop import run_engine
from engine.train.session import build_session
from tests.model_folders import CONTEXT, PARAMETERS, edit_weights, write_model
from tests.toy import toy_config

PROMPT = [3, 4, 12]
SMALL = {"optim": {"max_steps": 2, "learning_rate": 0.05}, "checkpoint": {"every": 1}, "evaluation": {"every": 2}}


def settings(source: object, **model: object) -> RunConfig:
    config = toy_config(**SMALL, rollout={"max_completion_length": 6})
    return config.model_copy(update={"model": ModelConfig.model_validate({"source": str(source), **model})})


def trained(root: Path, config: RunConfig) -> RunPaths:
    root.mkdir(parents=True)
    (root / "config.json").write_text(dump_config(config))
    assert run_engine(RunPaths(root)) == "finished"
    return RunPaths(root)


@pytest.fixture(scope="module", params=["lora", "full"])
def parent(request: Any, tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """Two steps that moved the weights far, on a model folder, with the checkpoints of both."""
    home = tmp_path_factory.mktemp("home")
    source = write_model(home / "tiny")
    return trained(home / "runs" / "parent", settings(source, adapter=request.param, lora_rank=4))


@pytest.fixture(autouse=True)
def runs(parent: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runs folder of the test's own, with a copy of the parent."""
    shutil.copytree(parent.root, tmp_path / "runs" / "parent")
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=torch.tensor([PROMPT])).logits[0]
    return found


def policy_logits(paths: RunPaths, step: int) -> torch.Tensor:
    """What the run's own policy says after a step."""
    session = build_session(RunConfig.model_validate_json(paths.config.read_text()), progress=lambda _: None)
    load_checkpoint(verified(paths.checkpoints / f"step-{step:06d}"), session)
    return logits(session.policy.model)


def refusal(source: str) -> str:
    with pytest.raises(ModelError) as error:
        resolve_source(source)
    return str(error.value)


@pytest.mark.parametrize(("source", "step"), [("run:parent", 2), ("run:parent/step-000001", 1)])
@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_a_new_policy_and_its_reference_are_what_the_run_had_learned(
    runs: Path, source: str, step: int, adapter: str
) -> None:
    wanted = policy_logits(RunPaths(runs / "parent"), step)
    policy = load_policy(settings(source, adapter=adapter).model, "cpu", seed=0)
    # An adapter added to its weights rounds in another place than one beside them.
    torch.testing.assert_close(logits(policy.model), wanted, rtol=1e-5, atol=1e-5)
    with policy.reference() as reference:
        torch.testing.assert_close(logits(reference), wanted, rtol=1e-5, atol=1e-5)
    assert policy.context_length == CONTEXT
    other = policy_logits(RunPaths(runs / "parent"), 3 - step)
    assert not torch.allclose(wanted, other, atol=1e-3)  # two steps tell apart


def test_a_run_copies_the_weights_it_starts_from_and_needs_the_other_one_no_more(runs: Path) -> None:
    config = settings("run:parent/step-000001", adapter="full")
    wanted = policy_logits(RunPaths(runs / "parent"), 1)
    child = trained(runs / "child", config)
    events = RunReader(child.db).events()
    (told,) = events["message"][events["kind"] == "started-from"]
    assert told.startswith("Starts from run parent (run) after its step 1;")
    verify_directory(child.start)

    shutil.rmtree(runs / "parent")
    kept = starting_weights(child, config.model, is_new=False)
    torch.testing.assert_close(logits(load_policy(config.model, "cpu", seed=0, start=kept).model), wanted)
    (child.config).write_text(dump_config(config.model_copy(update={"optim": toy_config().optim})))  # 6 steps
    assert run_engine(child) == "finished"
    assert RunReader(child.db).steps()["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert evaluate_checkpoint(child, step=0, progress=lambda *_: None)["step"] == 0


def test_a_run_of_a_run_of_a_run_stands_on_the_copy_before_it(runs: Path) -> None:
    child = trained(runs / "child", settings("run:parent"))
    shutil.rmtree(runs / "parent")
    grandchild = trained(runs / "grandchild", settings("run:child/step-000002", adapter="full"))
    shutil.rmtree(runs / "child")
    policy = load_policy(settings("x", adapter="full").model, "cpu", seed=0, start=grandchild.start)
    torch.testing.assert_close(logits(policy.model), logits(policy.frozen_copy))
    assert child.run_id == "child" and (grandchild.start / "tokenizer.json").is_file()


def test_a_fork_takes_the_copy_with_it(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "spawn", lambda *_, **__: None)
    config = settings("run:parent", adapter="full")
    trained(runs / "child", config)
    longer = config.model_copy(update={"optim": config.optim.model_copy(update={"max_steps": 3})})
    fork = RunPaths(runs / fork_run(runs, "child", 2, longer).run_id)
    for run_id in ("parent", "child"):
        shutil.rmtree(runs / run_id)
    assert run_engine(fork) == "finished"


def test_a_lost_or_damaged_copy_is_refused_instead_of_made_again_from_what_is_there(runs: Path) -> None:
    config = settings("run:parent", adapter="full")
    child = trained(runs / "child", config)
    edit_weights(child.start, model__norm__weight=torch.zeros(16))
    with pytest.raises(CheckpointError, match=r"start/model.safetensors does not have the content"):
        starting_weights(child, config.model, is_new=False)
    shutil.rmtree(child.start)
    with pytest.raises(ModelError, match="start is missing, and with it the weights that this run started from"):
        run_engine(child)
    assert "start is missing, and with it the weights that child started from" in refusal("run:child")


def test_a_copy_that_was_interrupted_leaves_nothing_behind(runs: Path) -> None:
    paths = RunPaths(runs / "child")
    (paths.root / ".tmp-start-1").mkdir(parents=True)
    (paths.root / ".tmp-start-1" / "model.safetensors").write_bytes(b"half")
    assert starting_weights(paths, settings("run:parent").model, is_new=True) == paths.start
    assert [path.name for path in paths.root.iterdir()] == ["start"]


def test_an_ordinary_model_is_not_copied(runs: Path) -> None:
    def make(_: object) -> Any:
        raise AssertionError

    assert own_copy(RunPaths(runs / "parent"), "embedded", is_new=True, make=make) is None


def test_a_damaged_checkpoint_is_not_started_from(runs: Path) -> None:
    path = runs / "parent" / "checkpoints" / "step-000002" / "policy.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\1\2\3\4")
    with pytest.raises(CheckpointError, match="does not have the content that its manifest names"):
        load_policy(settings("run:parent").model, "cpu", seed=0)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("run:nobody", "There is no run 'nobody'"),
        ("run:", "There is no run ''"),
        ("run:../parent", "There is no run '..'"),
        ("run:parent/step-000009", "has no checkpoint 'step-000009'. Kept are those of step 1, 2."),
        ("run:parent/../../x", "has no checkpoint '../../x'"),
        ("run:parent/step-00000²", "has no checkpoint"),
    ],
)
def test_what_names_no_checkpoint_is_refused(source: str, reason: str) -> None:
    assert reason in refusal(source)


def test_a_run_without_weights_is_refused(runs: Path) -> None:
    shutil.rmtree(runs / "parent" / "checkpoints" / "step-000002")
    shutil.rmtree(runs / "parent" / "checkpoints" / "step-000001")
    assert "has no checkpoint yet" in refusal("run:parent")
    write_imported(RunPaths(runs / "parent"), Imported("x", "y", False, True, (), ()))
    assert "was recorded by TRL, without its weights" in refusal("run:parent")


def test_a_checkpoint_tells_the_facts_of_the_model_it_is_on(runs: Path) -> None:
    facts, weights = model_facts("run:parent"), runs / "parent" / "checkpoints" / "step-000002" / "policy.safetensors"
    assert (facts.parameters, facts.context_length, facts.dtype) == (PARAMETERS, CONTEXT, "float32")
    assert facts.size_bytes == weights.stat().st_size
    assert resolve_source("run:parent").label == "run, after step 2"
    assert resolve_source("run:parent/step-000001").path == weights.parents[1] / "step-000001"


def test_the_newest_checkpoint_of_each_run_is_listed_and_why_a_run_has_none(runs: Path) -> None:
    (runs / "empty").mkdir()
    (runs / "empty" / "config.json").write_text(dump_config(settings("embedded")))
    (runs / "broken").mkdir()
    (runs / "broken" / "config.json").write_text("{")
    listed = {choice.source: choice for choice in list_models() if choice.source.startswith("run:")}
    assert listed["run:parent/step-000002"].available
    assert listed["run:parent/step-000002"].label == "run, after step 2 (newest)"
    assert listed["run:empty"].reason == "The run has no checkpoint yet."
    assert "not JSON" in listed["run:broken"].reason
    assert len(listed) == 3


def test_a_checkpoint_has_no_folder_that_could_be_taken_for_it_and_can_judge(runs: Path) -> None:
    with pytest.raises(ModelError, match="is a run's checkpoint, not a model folder"):
        local_folder("run:parent")
    model, _ = load_judge("run:parent", "cpu")
    wanted = policy_logits(RunPaths(runs / "parent"), 2)
    torch.testing.assert_close(logits(model), wanted, rtol=1e-5, atol=1e-5)
    assert load_tokenizer("run:parent").encode("12") == [3, 4]
