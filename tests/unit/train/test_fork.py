"""Forks trained on the toy model: the same settings replay the parent bit for bit, changed ones take effect."""

import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from engine.config import RunConfig
from engine.config_io import parse_config
from engine.errors import CheckpointError
from engine.runs import launch
from engine.runs.durable import verify_directory
from engine.runs.fork import fork_run
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.train import loop
from engine.train.loop import run_engine
from engine.train.session import Session
from tests.toy import toy_config, toy_lora_policy, toy_policy
from tests.unit.train.conftest import make_run

EVERY = {"checkpoint": {"every": 1, "keep": 6}, "evaluation": {"every": 4, "num_prompts": 8}}


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """Six steps, with the checkpoint of each; evaluated at 0, 4 and 6."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.train.session.load_policy", lambda *_, **__: toy_policy())
        paths = make_run(tmp_path_factory.mktemp("runs") / "parent", toy_config(**EVERY))
        assert run_engine(paths) == "finished"
    RunReader(paths.db).steps()  # SQLite puts two files beside a database that is read for the first time
    return paths


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "spawn", lambda *_, **__: None)


def fork(parent: RunPaths, step: int, config: RunConfig | None = None) -> RunPaths:
    root = parent.root.parent
    return RunPaths(root / fork_run(root, parent.run_id, step, config or toy_config(**EVERY)).run_id)


def trained(paths: RunPaths) -> RunPaths:
    assert run_engine(paths) == "finished"
    return paths


def digests(paths: RunPaths) -> dict[int, str]:
    steps = RunReader(paths.db).steps()
    return dict(zip(steps["step"].tolist(), steps["digest"].tolist(), strict=True))


def message(paths: RunPaths, kind: str) -> str:
    events = RunReader(paths.db).events()
    return " ".join(events["message"][events["kind"] == kind])


def weights(paths: RunPaths, step: int) -> list[bytes]:
    tensors = load_file(paths.checkpoints / f"step-{step:06d}" / "policy.safetensors")
    return [tensors[name].tobytes() for name in sorted(tensors)]


def test_a_fork_with_the_same_settings_replays_the_parent_bit_for_bit(parent: RunPaths) -> None:
    child = trained(fork(parent, 3))
    assert digests(child) == {step: digest for step, digest in digests(parent).items() if step > 3}
    assert weights(child, 6) == weights(parent, 6)
    tokens = [RunReader(paths.db).steps(after=3)["num_tokens"].tolist() for paths in (child, parent)]
    assert tokens[0] == tokens[1]


def test_the_log_says_where_the_fork_comes_from_and_it_is_evaluated_before_its_first_step(parent: RunPaths) -> None:
    child = trained(fork(parent, 3))
    assert message(child, "forked") == "Forked from parent (run) after its step 3."
    assert message(child, "resumed") == "" and message(child, "fork-data") == ""
    assert RunReader(child.db).evaluations()["step"].tolist() == [3, 4, 6]


def test_training_a_fork_leaves_every_file_of_the_parent_as_it_was(parent: RunPaths) -> None:
    before = {path: path.read_bytes() for path in parent.root.rglob("*") if path.is_file()}
    child = trained(fork(parent, 5))
    assert {path: path.read_bytes() for path in parent.root.rglob("*") if path.is_file()} == before
    verify_directory(child.checkpoints / "step-000005")


def test_a_fork_needs_its_parent_no_longer_once_it_is_made(parent: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(parent.root, tmp_path / "other")
    child = fork(RunPaths(tmp_path / "other"), 3)
    shutil.rmtree(tmp_path / "other")
    assert digests(trained(child))[6] == digests(parent)[6]


def changed(**sections: dict[str, object]) -> RunConfig:
    return toy_config(**{**EVERY, **sections})


def test_a_changed_learning_rate_beta2_and_decay_act_from_the_first_step_on(
    parent: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, float, float]] = []
    original = loop.train_step

    def look(session: Session, step: int, **options):  # type: ignore[no-untyped-def]
        record = original(session, step, **options)
        group = session.optimizer.param_groups[0]
        seen.append((group["lr"], group["betas"][1], group["weight_decay"]))
        return record

    monkeypatch.setattr(loop, "train_step", look)
    optim = {"learning_rate": 3e-3, "max_steps": 6, "adam_beta2": 0.9, "weight_decay": 0.1}
    child = trained(fork(parent, 5, changed(optim=optim)))
    assert seen == [(3e-3, 0.9, 0.1)]
    assert weights(child, 6) != weights(parent, 6)


def test_a_changed_beta_changes_the_update_and_not_the_sampling_of_the_first_step(parent: RunPaths) -> None:
    child = trained(fork(parent, 4, changed(loss={"beta": 0.5})))
    assert digests(child)[5] == digests(parent)[5]  # sampled from the same weights
    assert digests(child)[6] != digests(parent)[6]


def test_the_schedule_counts_on_from_the_parents_step_to_the_forks_own_end(parent: RunPaths) -> None:
    optim = {"learning_rate": 1e-3, "lr_scheduler_type": "linear", "max_steps": 8}
    child = trained(fork(parent, 6, changed(optim=optim)))
    rates = RunReader(child.db).steps()["learning_rate"].tolist()
    assert rates == pytest.approx([1e-3 * (1 - 6 / 8), 1e-3 * (1 - 7 / 8)], rel=1e-12)


@pytest.mark.parametrize("section", [{"data": {"params": {"digits": 3}}}, {"data": {"held_out": 4}}])
def test_other_data_begin_at_their_first_example_and_the_log_says_so(
    parent: RunPaths, section: dict[str, dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first: list[int] = []
    original = loop.train_step
    monkeypatch.setattr(
        loop, "train_step", lambda s, n, **o: (first.append(s.next_example), original(s, n, **o))[1]
    )  # fmt: skip
    child = trained(fork(parent, 4, changed(**section)))
    assert first == [0, 2]
    assert "training begins at their first example" in message(child, "fork-data")
    assert run_engine(child) == "finished"  # its own checkpoints have its own data


def test_another_seed_of_the_same_file_begins_a_new_order(tmp_path: Path) -> None:
    data = tmp_path / "sums.jsonl"
    data.write_text("".join(f'{{"prompt": "{i}+1=", "answer": "{i + 1}"}}\n' for i in range(40)))
    config = changed(data={"source": str(data), "held_out": 8}, optim={"max_steps": 3})
    paths = trained(make_run(tmp_path / "runs" / "parent", config))
    other = parse_config({**config.model_dump(mode="json"), "seed": 7, "optim": {"max_steps": 4}})
    child = trained(fork(paths, 3, other))
    assert "their order are not the parent's" in message(child, "fork-data")
    again = parse_config({**other.model_dump(mode="json"), "name": "the fork's fork"})
    assert digests(trained(fork(child, 3, again))) == digests(child)


def test_a_changed_entropy_coefficient_begins_there_and_an_unchanged_one_goes_on(tmp_path: Path) -> None:
    loss: dict[str, object] = {
        "use_adaptive_entropy": True, "entropy_coef": 0.01, "entropy_target": 5.0, "entropy_coef_delta": 0.005,
    }  # fmt: skip
    paths = trained(make_run(tmp_path / "parent", changed(loss=loss, optim={"max_steps": 3})))
    coefficients = []
    for coefficient in (0.01, 0.2):
        child = trained(fork(paths, 3, changed(loss={**loss, "entropy_coef": coefficient}, optim={"max_steps": 4})))
        coefficients += RunReader(child.db).steps()["entropy_coef"].tolist()
    assert coefficients == pytest.approx([0.03, 0.205])  # raised by 0.005 in each of four steps, or in one


@pytest.mark.parametrize("make", [toy_policy, toy_lora_policy])
def test_a_refreshed_reference_comes_along_and_stays_when_it_is_refreshed_no_more(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("engine.train.session.load_policy", lambda *_, **__: make())
    sync = {"sync_ref_model": True, "ref_model_sync_steps": 2, "ref_model_mixup_alpha": 1.0, "beta": 0.1}
    fast = {"learning_rate": 1e-2, "max_steps": 2}
    paths = trained(make_run(tmp_path / "parent", changed(loss=sync, optim=fast)))
    child = trained(fork(paths, 2, changed(loss={"beta": 0.1}, optim={**fast, "max_steps": 4})))
    assert RunReader(child.db).steps()["kl"][0] == pytest.approx(0.0, abs=1e-9)  # measured from the refreshed one
    reference = [(p.checkpoints / f"step-00000{n}" / "reference.safetensors") for p, n in ((paths, 2), (child, 4))]
    assert reference[0].read_bytes() == reference[1].read_bytes()


def test_a_fork_that_was_killed_before_its_first_checkpoint_starts_from_the_parents_again(
    parent: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = fork(parent, 4, changed(data={"params": {"digits": 3}}, checkpoint={"every": 100}))
    original = loop.train_step

    def power_cut(session, step, **options):  # type: ignore[no-untyped-def]
        if step == 6:
            raise SystemExit
        return original(session, step, **options)

    monkeypatch.setattr(loop, "train_step", power_cut)
    with pytest.raises(SystemExit):
        run_engine(child)
    stored = digests(child)
    monkeypatch.setattr(loop, "train_step", original)
    assert run_engine(child) == "finished"
    assert digests(child)[5] == stored[5] and list(digests(child)) == [5, 6]
    assert "Steps 5 to 5 are stored and will be replayed." in message(child, "resumed")
    assert message(child, "replay-differs") == ""


def test_a_fork_without_a_whole_checkpoint_never_begins_at_step_0(parent: RunPaths) -> None:
    child = fork(parent, 4)
    shutil.rmtree(child.checkpoints)
    with pytest.raises(CheckpointError, match="goes on from step 4 of parent, and no checkpoint of it is whole"):
        run_engine(child)
    assert RunReader(child.db).last_step() == 0
