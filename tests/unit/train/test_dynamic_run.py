"""Whole runs of the toy model with dynamic sampling: what is stored of all that was sampled, and exact resumption."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.groups import is_dead
from engine.data.examples import open_dataset
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.train import loop
from engine.train.loop import run_engine
from tests.toy import toy_config, toy_policy
from tests.unit.train.conftest import make_run

CONFIG = toy_config(rollout={"dynamic_sampling": True, "max_sampling_rounds": 3, "prompts_per_step": 4})
STEPS = range(1, 7)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """Six steps of 4 prompts × 4 completions, at most 3 rounds; the toy's groups are dead about every other time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.train.session.load_policy", lambda *_, **__: toy_policy())
        paths = make_run(tmp_path_factory.mktemp("runs") / "dynamic", CONFIG)
        assert run_engine(paths) == "finished"
    return paths


def trained(paths: RunPaths) -> tuple[list[str], str]:
    weights = (paths.checkpoints / "step-000006" / "policy.safetensors").read_bytes()
    return list(RunReader(paths.db).steps()["digest"]), hashlib.sha256(weights).hexdigest()


def test_groups_that_are_trained_on_have_signal_and_the_discarded_ones_have_none(run: RunPaths) -> None:
    reader = RunReader(run.db)
    seen = set()
    for step in STEPS:
        groups, completions = reader.groups(step), reader.completions(step)
        for group in groups.itertuples():
            own = completions[completions["group_index"] == group.group_index]
            dead = is_dead(own["total"].tolist())
            assert dead == (group.discarded == "no_signal") == (group.kind != "mixed")
            assert (own["advantage"] == 0).all() == dead
            seen.add(dead)
    assert seen == {True, False}


def test_a_discarded_group_keeps_its_completions_and_tokens_but_nothing_that_only_an_update_measures(
    run: RunPaths,
) -> None:
    reader = RunReader(run.db)
    groups = reader.groups(2)
    assert groups["discarded"].isna().tolist() == sorted(groups["discarded"].isna(), reverse=True)
    index = int(groups["group_index"].iloc[-1])
    completions = reader.completions(2, index)
    assert len(completions) == 4
    assert completions[["mean_kl", "mean_entropy", "mean_logprob"]].isna().all(axis=None)
    tokens = reader.tokens(2, index, 0)
    assert tokens is not None and len(tokens.ids) == completions["length"][0]
    assert tokens.logprobs is None and tokens.entropies is None
    kept = reader.tokens(2, 0, 0)
    assert kept is not None and kept.logprobs is not None and len(kept.logprobs) == len(kept.ids)


def test_metrics_of_rewards_kinds_and_tokens_count_all_that_was_sampled(run: RunPaths) -> None:
    reader = RunReader(run.db)
    steps = reader.steps().set_index("step")
    tokens = 0
    for step in STEPS:
        groups, completions, row = reader.groups(step), reader.completions(step), steps.loc[step]
        assert row["sampling/discarded"] == groups["discarded"].notna().sum()
        assert row["frac_reward_zero_std"] == pytest.approx((groups["kind"] != "mixed").mean())
        assert row["frac_hopeless"] == pytest.approx((groups["kind"] == "hopeless").mean())
        assert row["reward"] == pytest.approx(completions["total"].mean())
        assert row["completion_tokens"] == completions["length"].sum()
        tokens += int(completions["length"].sum() + 4 * groups["prompt_tokens"].sum())
        assert row["num_tokens"] == tokens
        kept = completions[completions["group_index"] < (groups["discarded"].isna()).sum()]
        assert row["totals"] == pytest.approx(kept["total"].to_numpy(), abs=1e-7)
        assert row["entropy"] == pytest.approx(np.average(kept["mean_entropy"], weights=kept["length"]), abs=1e-5)
    assert steps["sampling/discarded"].max() > 0
    assert steps["sampling/rounds"].min() >= 1 and steps["sampling/rounds"].max() == 3


def test_every_prompt_of_the_data_is_sampled_once_and_in_order(run: RunPaths) -> None:
    reader, dataset = RunReader(run.db), open_dataset(CONFIG.data, CONFIG.seed)
    position = 0
    for step in STEPS:
        found = reader.groups(step)["prompt_id"].tolist()
        expected = [dataset.train(position + i).id for i in range(len(found))]
        assert sorted(found) == sorted(expected)
        position += len(found)


def test_the_first_of_several_steps_that_ran_out_of_rounds_is_in_the_log_with_its_counts(run: RunPaths) -> None:
    reader = RunReader(run.db)
    events = reader.events()
    events = events[events["kind"] == "sampling-cap"].set_index("step")["message"]
    kept = {step: int(reader.groups(step)["discarded"].isna().sum()) for step in STEPS}
    first_ones = {step for step in STEPS if kept[step] < 4 and kept.get(step - 1, 4) == 4}
    assert set(events.index) == first_ones != set()
    for step, message in events.items():
        assert message.startswith(f"{kept[int(str(step))]} of 4 groups have signal after 3 of at most 3 rounds")


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_run_that_ends_in_the_second_round_of_a_step_resumes_to_the_same_numbers(
    how: str, tmp_path: Path, run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = make_run(tmp_path / "run", CONFIG)
    original, ended = loop.Engine.beat, []

    def beat(engine: loop.Engine, name: str, detail: str = "", *, may_stop: bool = True) -> None:
        if detail.startswith("round 2, token 2") and engine.step == 4 and not ended:
            ended.append(detail)
            raise SystemExit if how == "kill" else loop.StopRequest
        original(engine, name, detail, may_stop=may_stop)

    monkeypatch.setattr(loop.Engine, "beat", beat)
    if how == "kill":
        with pytest.raises(SystemExit):
            run_engine(paths)
        assert not (paths.checkpoints / "step-000004").exists()  # step 4 will be replayed from checkpoint 3
    else:
        assert run_engine(paths) == "stopped"
    assert ended
    assert run_engine(paths) == "finished"
    assert trained(paths) == trained(run)
    assert RunReader(paths.db).change_token()[1] == 0  # nothing was superseded
