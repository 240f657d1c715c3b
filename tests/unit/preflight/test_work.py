"""A pre-flight of the toy model in this process: what is stored, and that it says what was sampled."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import RunConfig
from engine.config_io import dump_config
from engine.data.examples import open_dataset
from engine.errors import LabError
from engine.preflight import child, work
from engine.preflight.folder import pass_rates_path, result_path
from engine.preflight.result import Preflight, read_result
from engine.preflight.work import chosen_examples
from engine.runs.control import request_stop
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.status import run_status
from engine.train.loop import run_engine
from tests.toy import toy_config, toy_policy


@pytest.fixture(autouse=True)
def toy_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.train.session.load_policy", lambda *_, **__: toy_policy())


def prepared(root: Path, config: RunConfig) -> RunPaths:
    root.mkdir(parents=True)
    (root / "config.json").write_text(dump_config(config))
    return RunPaths(root)


def flown(root: Path, config: RunConfig, prompts: int = 5) -> tuple[RunPaths, Preflight]:
    paths = prepared(root, config)
    child.run(paths, prompts)
    return paths, read_result(result_path(paths))


def test_it_is_stored_as_a_finished_run_of_one_step_with_all_prompts(tmp_path: Path) -> None:
    paths, found = flown(tmp_path / "p", toy_config())  # sampled 2 and 3 at once
    reader = RunReader(paths.db)
    groups, completions = reader.groups(1), reader.completions(1)
    assert run_status(paths).state == "finished"
    assert (reader.last_step(), len(groups), len(completions)) == (1, 5, 20)
    assert groups["discarded"].isna().all() and completions["mean_entropy"].notna().all()
    assert [p.id for p in found.prompts] == groups["prompt_id"].tolist()
    assert [list(p.totals) for p in found.prompts] == [
        completions["total"][completions["group_index"] == index].tolist() for index in range(5)
    ]
    assert found.completions == 20 and found.costs.measured_prompts == 2
    assert found.forecast is not None and set(found.forecast.shares) == {4, 8, 16, 32}


def test_pass_rates_are_written_by_example(tmp_path: Path) -> None:
    paths, found = flown(tmp_path / "p", toy_config())
    rates = json.loads(pass_rates_path(paths).read_text())
    assert rates == {"ids": {p.id: [p.right, 4] for p in found.prompts}}


def test_the_same_settings_give_the_same_samples_which_are_not_those_of_the_run(tmp_path: Path) -> None:
    config = toy_config(optim={"max_steps": 1})
    once, again = (flown(tmp_path / name, config, prompts=2)[0] for name in "ab")
    run = prepared(tmp_path / "run", config)
    run_engine(run)
    texts = [RunReader(paths.db).completions(1)["text"].tolist() for paths in (once, again, run)]
    prompts = [RunReader(paths.db).groups(1)["prompt_id"].tolist() for paths in (once, run)]
    assert texts[0] == texts[1] != texts[2]
    assert prompts[0] == prompts[1]


def test_prompts_are_spread_over_the_first_20_steps() -> None:
    config = toy_config(optim={"max_steps": 100})
    dataset = open_dataset(config.data, config.seed)
    found = chosen_examples(dataset, config, 4)  # 20 steps × 2 prompts
    assert found == [dataset.train(position) for position in (0, 10, 20, 30)]


def test_data_with_fewer_rows_are_asked_once_each(tmp_path: Path) -> None:
    data = tmp_path / "sums.jsonl"
    data.write_text("".join(f'{{"prompt": "{i}+1=", "answer": "{i + 1}"}}\n' for i in range(7)))
    config = toy_config(data={"source": str(data), "held_out": 2})
    found = chosen_examples(open_dataset(config.data, config.seed), config, 16)
    assert len(found) == len({example.id for example in found}) == 5


def test_missing_values_are_counted_with_their_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collect = work.collect

    def losing(*given: Any, **named: Any) -> Any:
        batch = collect(*given, **named)
        batch.scores.values[0, 0] = float("nan")
        batch.scores.errors[0]["exact_match"] = "no answer here"
        return batch

    monkeypatch.setattr(work, "collect", losing)
    _, found = flown(tmp_path / "p", toy_config(), prompts=4)  # two batches
    exact, digits = found.rewards
    assert (exact.name, exact.missing, exact.reasons) == ("exact_match", 2, (("no answer here", 2),))
    assert (digits.missing, digits.reasons) == (0, ())


def test_seconds_are_those_of_a_step_of_the_run(tmp_path: Path) -> None:
    """5 prompts, of which a step has 2: the first two are sampled apart, and the update counts two fifths."""
    paths, found = flown(tmp_path / "p", toy_config())
    steps = RunReader(paths.db).steps()
    assert found.costs.seconds["update"] == pytest.approx(steps["time/update"][0] * 2 / 5)
    assert 0 < found.costs.seconds["rollout"] < steps["time/rollout"][0]
    assert found.costs.step_seconds == pytest.approx(
        sum(found.costs.seconds[phase] for phase in ("rollout", "reward", "update"))
    )
    assert found.costs.peak_bytes > 10 * 2**20


def test_an_error_is_recorded_as_a_sentence(tmp_path: Path) -> None:
    paths = prepared(tmp_path / "p", toy_config(data={"source": str(tmp_path / "none.jsonl")}))
    with pytest.raises(LabError):
        child.run(paths, 4)
    status = run_status(paths)
    assert status.state == "failed" and "none.jsonl" in status.detail
    assert not result_path(paths).exists()


def test_a_request_to_stop_ends_it_without_a_result(tmp_path: Path) -> None:
    paths = prepared(tmp_path / "p", toy_config())
    request_stop(paths)
    child.run(paths, 4)
    assert run_status(paths).state == "stopped"
    assert not result_path(paths).exists()
