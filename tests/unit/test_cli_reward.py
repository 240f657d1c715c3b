"""`check-reward` and `rescore` in a terminal: what they print, what they refuse, and their exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from engine.cli_reward import changed_list, reward_spec
from engine.config import RewardSpec, RunConfig
from engine.errors import LabError
from engine.presets import LEARN_TO_ADD
from engine.reward_check.types import RewardCheck
from tests.fakes import write_fake_run

CONFIG = LEARN_TO_ADD.model_copy(
    update={
        "rewards": (
            RewardSpec(name="exact_match", weight=0.7),
            RewardSpec(name="short", function="length_target", gate="exact_match"),
        )
    }
)


def spec_of(wanted: str, *params: str, config: RunConfig = CONFIG) -> RewardSpec:
    return reward_spec(wanted, config, "", params)


def test_a_name_means_the_reward_of_the_run_before_that_of_the_library() -> None:
    assert spec_of("short", "target=4").params == {"target": 4} and spec_of("short").function == "length_target"
    assert spec_of("numeric_match", "extract=tag") == RewardSpec(name="numeric_match", params={"extract": "tag"})


def test_a_file_becomes_a_reward_of_ones_own_with_its_whole_path(tmp_path: Path) -> None:
    (path := tmp_path / "mine.py").write_text("")
    spec = reward_spec(str(path), CONFIG, "score", ["timeout_s=2.5"])
    assert (spec.name, spec.function) == ("mine", "python_file")
    assert spec.params == {"path": str(path), "callable": "score", "timeout_s": 2.5}


def test_a_setting_without_a_value_is_refused() -> None:
    with pytest.raises(LabError, match="is not NAME=VALUE"):
        spec_of("exact_match", "extract")


def names(listed: tuple[Any, ...]) -> list[tuple[str, str, float]]:
    return [(spec["name"], spec["function"], spec["weight"]) for spec in listed]


def test_another_reward_takes_the_place_name_and_weight_of_the_one_that_decides() -> None:
    changed = changed_list(CONFIG, RewardSpec(name="numeric_match"), None)
    assert names(changed) == [("exact_match", "numeric_match", 0.7), ("short", "length_target", 1.0)]
    assert changed[1]["gate"] == "exact_match"
    named = changed_list(CONFIG, RewardSpec(name="digits_only"), "short")
    assert names(named)[1] == ("short", "digits_only", 1.0) and named[1]["gate"] == "exact_match"


def test_a_reward_of_the_run_is_changed_where_it_is_and_a_new_one_may_be_added() -> None:
    assert names(changed_list(CONFIG, CONFIG.rewards[1], None))[1] == ("short", "length_target", 1.0)
    added = changed_list(CONFIG, RewardSpec(name="digits_only"), None, add=True)
    assert names(added)[2] == ("digits_only", "", 1.0) and len(added) == 3
    with pytest.raises(LabError, match="The run has no reward 'nothing'"):
        changed_list(CONFIG, RewardSpec(name="digits_only"), "nothing")


@pytest.mark.slow  # each starts a child
def test_a_sound_reward_ends_with_0_and_one_with_holes_with_5(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data := tmp_path / "sums.jsonl").write_text(
        "".join(json.dumps({"question": f"{i}+30=", "answer": str(i + 30)}) + "\n" for i in range(20))
    )
    assert main(["check-reward", "exact_match", "--data", str(data)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith("exact_match: task reward, from 0 to 1; data: sums.jsonl")
    assert "ok       Reference answers" in out and "Five candidates at once" in out
    (mine := tmp_path / "mine.py").write_text(
        "def reward(completion, answer):\n    return float(answer in completion)\n"
    )
    assert main(["check-reward", str(mine), "--data", str(data)]) == 5
    out = capsys.readouterr().out
    assert "FAILED   Exploits" in out and "HOLE" in out and "for '30' gets 1" in out


@pytest.mark.slow
def test_an_unknown_reward_is_an_error_and_json_is_the_whole_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-reward", "nothing"]) == 2
    assert "there is no reward 'nothing'" in capsys.readouterr().err
    assert main(["check-reward", "exact_match", "--json"]) == 0
    assert RewardCheck.from_json(capsys.readouterr().out).reward == "exact_match"


@pytest.mark.slow
def test_rescore_prints_the_table_of_right_and_wrong_and_writes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    paths = write_fake_run(tmp_path, "run", steps=4)
    command = ["rescore", "run", "--reward", "length_target", "--replace", "exact_match", "--newest"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "run: the newest 4 of 4 steps, 192 completions; scored: exact_match"
    assert lines[2].split() == ["right", "after", "wrong", "after"] and lines[3].startswith("right before")
    (file,) = (paths.root / "rescored").iterdir()
    assert lines[-1] == f"written to {file}"
    assert main(command) == 0 and capsys.readouterr().out.splitlines() == lines
