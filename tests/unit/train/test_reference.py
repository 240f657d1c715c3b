"""Whole runs whose reference is refreshed: KL starts again at 0 there, and a resumed run has the reference it had."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from engine.config import RunConfig
from engine.models.policy import Policy
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.train import loop
from engine.train.loop import run_engine
from tests.toy import toy_config, toy_lora_policy, toy_policy
from tests.unit.train.conftest import make_run

KINDS: dict[str, Callable[[], Policy]] = {"full": toy_policy, "lora": toy_lora_policy}
# So many completions that every step has groups with signal: a step without leaves the policy where it is.
ROLLOUT: dict[str, object] = {"num_generations": 8, "prompts_per_step": 4}
OPTIM: dict[str, object] = {"learning_rate": 1e-2}


def refreshing(alpha: float = 1.0, **loss: object) -> RunConfig:
    """Six steps, refreshed after steps 2, 4 and 6, checkpoints after 3 and 6."""
    sync = {"sync_ref_model": True, "ref_model_sync_steps": 2, "ref_model_mixup_alpha": alpha}
    return toy_config(loss={**sync, **loss}, optim=OPTIM, rollout=ROLLOUT)


def finished(root: Path, config: RunConfig, make: Callable[[], Policy], monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    monkeypatch.setattr("engine.train.session.load_policy", lambda *_, **__: make())
    paths = make_run(root, config)
    assert run_engine(paths) == "finished"
    return paths


def trained(paths: RunPaths) -> tuple[list[str], list[float], str]:
    steps = RunReader(paths.db).steps()
    weights = (paths.checkpoints / "step-000006" / "policy.safetensors").read_bytes()
    return list(steps["digest"]), list(steps["kl"]), hashlib.sha256(weights).hexdigest()


@pytest.fixture(scope="module", params=list(KINDS))
def refreshed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """A run whose reference becomes the policy every two steps."""
    with pytest.MonkeyPatch.context() as patch:
        return finished(tmp_path_factory.mktemp("runs") / "run", refreshing(), KINDS[request.param], patch)


def test_kl_is_zero_in_the_step_after_a_full_refresh_and_not_in_the_next(refreshed: RunPaths) -> None:
    kl = RunReader(refreshed.db).steps().set_index("step")["kl"]
    for step in (1, 3, 5):
        assert kl[step] == pytest.approx(0.0, abs=1e-9)  # k3 of log-probabilities that are 1e-6 apart is 1e-12
    for step in (2, 4, 6):
        assert kl[step] > 1e-6
    events = RunReader(refreshed.db).events()
    found = events[events["kind"] == "reference-refreshed"].sort_values("step")
    assert found["step"].tolist() == [2, 4, 6]
    assert found["message"].iloc[0] == "The reference is now the policy of this step; KL is measured from here on."


def test_the_reference_of_a_checkpoint_is_the_one_of_the_last_refresh(refreshed: RunPaths) -> None:
    three, six = (refreshed.checkpoints / f"step-{step:06d}" for step in (3, 6))
    reference, policy = load_file(six / "reference.safetensors"), load_file(six / "policy.safetensors")
    assert reference.keys() == policy.keys()
    assert all((reference[name] == policy[name]).all() for name in policy)  # refreshed in the very step
    reference, policy = load_file(three / "reference.safetensors"), load_file(three / "policy.safetensors")
    assert any((reference[name] != policy[name]).any() for name in policy)  # refreshed in step 2


def test_after_part_of_a_refresh_kl_is_smaller_but_not_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = finished(tmp_path / "moved", refreshing(0.6), toy_policy, monkeypatch)
    still = finished(tmp_path / "still", toy_config(optim=OPTIM, rollout=ROLLOUT), toy_policy, monkeypatch)
    (after, before) = (RunReader(paths.db).steps().set_index("step")["kl"] for paths in (moved, still))
    assert after[2] == before[2]
    assert 1e-6 < after[3] < 0.5 * before[3]
    events = RunReader(moved.db).events()
    message = events[events["kind"] == "reference-refreshed"]["message"].iloc[0]
    assert message == "The reference has moved 60% of the way to the policy of this step."
    assert not (still.checkpoints / "step-000006" / "reference.safetensors").exists()  # the base model, as configured


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "alpha"), [("full", 0.6), ("lora", 1.0)])
def test_a_run_killed_again_and_again_resumes_bit_for_bit_with_everything_that_carries_over(
    kind: str, alpha: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refreshed reference, adaptive entropy and mini-batches; checkpoints before, between and after refreshes."""
    config = refreshing(
        alpha, num_minibatches=2, num_iterations=2, use_adaptive_entropy=True, entropy_coef=0.01, entropy_target=5.0
    )
    config = config.model_copy(update={"checkpoint": config.checkpoint.model_copy(update={"every": 1})})
    straight = finished(tmp_path / "straight", config, KINDS[kind], monkeypatch)
    paths = make_run(tmp_path / "killed", config)
    original, cuts = loop.train_step, [2, 4, 6]

    def power_cuts(session, step, **options):  # type: ignore[no-untyped-def]
        if cuts and step == cuts[0]:
            cuts.pop(0)
            raise SystemExit
        return original(session, step, **options)

    monkeypatch.setattr(loop, "train_step", power_cuts)
    for _ in range(3):
        with pytest.raises(SystemExit):
            run_engine(paths)
    assert run_engine(paths) == "finished"
    assert [attempt.from_step for attempt in RunReader(paths.db).attempts()] == [0, 1, 3, 5]
    assert trained(paths) == trained(straight)
