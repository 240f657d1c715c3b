"""One prompt in other runs: the same data, the same prompt, the newest runs, and no trouble from one that is broken."""

from pathlib import Path

from engine.config_io import dump_config
from engine.runs import prompt_runs
from engine.runs.imported import NOT_RECORDED
from engine.runs.paths import RunPaths
from engine.runs.prompt_runs import prompt_in_other_runs
from engine.runs.reader import RunReader
from tests.fakes import fake_config, write_fake_run


def test_a_prompt_is_found_in_the_other_runs_of_the_same_data_newest_first(tmp_path: Path) -> None:
    here = write_fake_run(tmp_path, "here", steps=3, ended_at=3000)
    write_fake_run(tmp_path, "older", steps=3, ended_at=1000)  # the same seed, so the same prompts
    write_fake_run(tmp_path, "newer", steps=2, ended_at=2000)
    strange = write_fake_run(tmp_path, "strange", steps=3)
    config = fake_config(name="strange", steps=3)
    moved = config.model_copy(update={"data": config.data.model_copy(update={"source": "elsewhere.jsonl"})})
    strange.config.write_text(dump_config(moved))
    prompt = RunReader(here.db).groups(2)["prompt_id"].iloc[0]
    found = prompt_in_other_runs(tmp_path, here, prompt, "arithmetic")
    assert [run.paths.run_id for run in found] == ["newer", "older"]
    assert found[0].course["step"].tolist() == [2]
    assert prompt_in_other_runs(tmp_path, here, "unknown", "arithmetic") == []


def test_a_run_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    here, broken = write_fake_run(tmp_path, "here", steps=1), write_fake_run(tmp_path, "broken", steps=1)
    other = write_fake_run(tmp_path, "no-settings", steps=1)
    broken.db.write_bytes(b"no database")
    other.config.write_text("{")
    prompt = RunReader(here.db).groups(1)["prompt_id"].iloc[0]
    assert prompt_in_other_runs(tmp_path, here, prompt, "arithmetic") == []


def test_only_the_newest_runs_are_looked_at(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(prompt_runs, "MOST_RUNS", 2)
    runs: list[RunPaths] = [write_fake_run(tmp_path, f"run-{age}", steps=1, ended_at=9000 - age) for age in range(4)]
    prompt = RunReader(runs[0].db).groups(1)["prompt_id"].iloc[0]
    assert [run.paths.run_id for run in prompt_in_other_runs(tmp_path, runs[3], prompt, "arithmetic")] == [
        "run-0",
        "run-1",
    ]


def test_runs_whose_data_is_not_recorded_are_not_of_the_same_data(tmp_path: Path) -> None:
    runs = [write_fake_run(tmp_path, name, steps=1) for name in ("here", "other")]
    for paths in runs:
        config = fake_config(name=paths.run_id, steps=1)
        unknown = config.model_copy(update={"data": config.data.model_copy(update={"source": NOT_RECORDED})})
        paths.config.write_text(dump_config(unknown))
    prompt = RunReader(runs[0].db).groups(1)["prompt_id"].iloc[0]
    assert prompt_in_other_runs(tmp_path, runs[0], prompt, NOT_RECORDED) == []
