"""Whole checks: sound rewards pass, and each kind of bad one is caught where it should be."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config_io import dump_config
from engine.presets import LEARN_TO_ADD
from engine.reward_check.run import check
from engine.reward_check.types import CheckRequest, RewardCheck

FILES = {
    "substring": """
def reward(completions, answer, **kwargs):
    return [1.0 if a in c else 0.0 for c, a in zip(completions, answer)]
""",
    "always": """
def reward(completions, **kwargs):
    return [1.0] * len(completions)
""",
    "chance": """
import random
def reward(completions, **kwargs):
    return [random.random() for _ in completions]
""",
    "relative": """
def reward(completions, answer, **kwargs):
    right = [float(c.strip() == a) for c, a in zip(completions, answer)]
    return [r - sum(right) / len(right) for r in right]
""",
    "place": """
def reward(completions, answer, **kwargs):
    return [float(c.strip() == a) + 0.01 * i for i, (c, a) in enumerate(zip(completions, answer))]
""",
    "changes": """
def reward(completions, answer, **kwargs):
    values = [float(c.strip() == a) for c, a in zip(completions, answer)]
    completions.clear()
    return values
""",
    "hangs": """
def reward(completion, answer):
    while len(completion) > 9000:
        pass
    return float(completion.strip() == answer)
""",
    "three": """
def reward(completions, **kwargs):
    return [1.0] * 3
""",
    "verl": """
def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    return {"score": float(solution_str.strip() == ground_truth), "length": len(solution_str)}
""",
    "broken": "def reward(completions:\n    return 1\n",
    "columns": """
def reward(completions, difficulty, **kwargs):
    return [1.0 for _ in completions]
""",
}


def checked(*rewards: dict[str, Any], **data: Any) -> RewardCheck:
    raw = LEARN_TO_ADD.model_dump(mode="json")
    raw["rewards"] = list(rewards)
    raw["data"] |= {"held_out": 24} | data
    return check(CheckRequest(json.dumps(raw), rewards[0]["name"]), lambda done, total, doing: None)


def of_file(tmp_path: Path, name: str, **params: Any) -> RewardCheck:
    (path := tmp_path / f"{name}.py").write_text(FILES[name])
    return checked({"name": "mine", "function": "python_file", "params": {"path": str(path)} | params})


def verdicts(found: RewardCheck) -> dict[str, str]:
    return {finding.name: finding.verdict for finding in found.findings}


def text(found: RewardCheck, name: str) -> str:
    return next(finding.text for finding in found.findings if finding.name == name)


def holes(found: RewardCheck) -> set[str]:
    return {score.name for score in found.board if score.outcome == "hole"}


def test_a_sound_exact_match_passes_everything() -> None:
    found = checked({"name": "exact_match"})
    assert found.verdict == "ok" and set(verdicts(found).values()) == {"ok"}
    assert (found.low, found.high, holes(found)) == (0.0, 1.0, set())
    assert text(found, "gold").startswith("24 of 24 reference answers, bare")


def test_data_with_mostly_one_answer_are_a_warning(tmp_path: Path) -> None:
    (path := tmp_path / "rows.jsonl").write_text(
        "".join(f'{{"prompt": "say {i}", "answer": "{"yes" if i < 15 else "no"}"}}\n' for i in range(20))
    )
    found = checked({"name": "exact_match"}, source=str(path), held_out=2)
    assert verdicts(found)["commonest"] == "warning"
    assert text(found, "commonest") == "Always writing 'yes', the commonest answer, is right on 75.0% of the rows."


def test_a_check_survives_its_way_through_json() -> None:
    found = checked({"name": "exact_match"})
    assert RewardCheck.from_json(found.to_json()) == found


def test_answers_in_a_form_that_the_reward_does_not_read_fail_with_what_it_read() -> None:
    found = checked({"name": "exact_match"}, prompt_template="{prompt} Answer in \\boxed{}.")
    assert verdicts(found)["gold"] == "failed"
    assert "0 of 24 reference answers, in \\boxed{} (as the prompt asks), reach 1." in text(found, "gold")
    assert "it read '\\\\boxed{" in text(found, "gold")


def test_a_format_reward_is_paid_for_form_and_its_gate_makes_that_right() -> None:
    tags = {"name": "think_answer_format"}
    assert verdicts(checked(tags))["exploits"] == "warning"
    gated = checked(tags | {"gate": "exact_match"}, {"name": "exact_match"})
    assert verdicts(gated)["exploits"] == "ok"


def test_a_penalty_has_no_holes() -> None:
    found = checked({"name": "overlong_penalty"})
    assert found.kind == "penalty" and verdicts(found)["exploits"] == "ok" and holes(found) == set()


def test_rewards_of_steps_and_of_lengths_are_called_as_in_a_run() -> None:
    steps, length = checked({"name": "digit_steps"}), checked({"name": "length_target", "params": {"target": 3}})
    assert verdicts(steps)["gold"] == "ok" and steps.verdict != "failed"
    assert verdicts(length)["returns"] == "ok" and length.kind == "format"


def test_data_without_answers_fail_a_reward_that_compares(tmp_path: Path) -> None:
    (path := tmp_path / "rows.jsonl").write_text("".join(f'{{"prompt": "say {i}"}}\n' for i in range(20)))
    found = checked({"name": "exact_match"}, source=str(path), held_out=2)
    assert verdicts(found)["columns"] == "failed" and verdicts(found)["returns"] == "warning"
    assert text(found, "columns").startswith("20 of 20 rows have no reference answer")


def test_an_unknown_reward_and_unreadable_data_are_a_problem_in_words() -> None:
    assert "there is no reward 'nothing'" in checked({"name": "nothing"}).problem
    assert "nowhere.jsonl" in checked({"name": "exact_match"}, source="nowhere.jsonl").problem


@pytest.mark.slow  # starts a worker
def test_a_substring_match_has_the_holes_that_everybody_finds(tmp_path: Path) -> None:
    found = of_file(tmp_path, "substring")
    assert holes(found) >= {"hedging", "negation", "reasoning", "times_ten"} and found.verdict == "failed"
    assert holes(found).isdisjoint({"empty", "blank", "another", "plus_one", "padding"})


@pytest.mark.slow
def test_a_reward_that_is_always_1_teaches_nothing(tmp_path: Path) -> None:
    found = of_file(tmp_path, "always")
    assert verdicts(found)["exploits"] == "failed" and "there is nothing to learn" in text(found, "exploits")
    assert verdicts(found)["gold"] == "not applicable"


@pytest.mark.slow
def test_a_reward_of_chance_is_not_the_same_again(tmp_path: Path) -> None:
    found = of_file(tmp_path, "chance")
    assert verdicts(found)["determinism"] == "failed" and verdicts(found)["loads"] == "warning"
    assert verdicts(found)["order"] == verdicts(found)["alone"] == "not applicable"


@pytest.mark.slow
def test_a_reward_that_compares_its_batch_is_a_warning_and_is_tried_in_groups(tmp_path: Path) -> None:
    found = of_file(tmp_path, "relative")
    assert verdicts(found)["alone"] == "warning" and verdicts(found)["order"] == "ok"
    assert verdicts(found)["exploits"] == "ok" and holes(found) == set()


@pytest.mark.slow
def test_a_reward_that_depends_on_the_place_in_the_batch_fails(tmp_path: Path) -> None:
    assert verdicts(of_file(tmp_path, "place"))["order"] == "failed"


@pytest.mark.slow
def test_a_reward_that_changes_its_input_is_caught(tmp_path: Path) -> None:
    found = of_file(tmp_path, "changes")
    assert verdicts(found)["mutation"] == "failed" and "changes what it is given: completions." in text(
        found, "mutation"
    )
    assert {name for name, verdict in verdicts(found).items() if verdict == "failed"} == {"mutation"}


@pytest.mark.slow
def test_a_reward_that_hangs_on_long_texts_costs_its_deadline_and_the_check_goes_on(tmp_path: Path) -> None:
    found = of_file(tmp_path, "hangs", timeout_s=0.5)
    assert verdicts(found)["odd"] == "failed" and "10,000 digits: it took longer than 0.5 s" in text(found, "odd")
    assert verdicts(found)["gold"] == verdicts(found)["exploits"] == "ok"


@pytest.mark.slow
def test_a_list_of_the_wrong_length_fails_and_nothing_else_is_tried(tmp_path: Path) -> None:
    found = of_file(tmp_path, "three")
    assert "returned 3 values for 8 completions" in text(found, "returns")
    assert verdicts(found)["gold"] == verdicts(found)["exploits"] == "not applicable" and found.num_calls == 1


@pytest.mark.slow
def test_verls_signature_passes_with_the_reference_answer_as_ground_truth(tmp_path: Path) -> None:
    found = of_file(tmp_path, "verl")
    assert found.verdict == "ok" and "verl's: it takes 'solution_str'" in text(found, "loads")
    assert text(found, "columns").startswith("Its ground_truth is the reference answer")


@pytest.mark.slow
def test_a_file_that_does_not_parse_fails_with_its_line(tmp_path: Path) -> None:
    found = of_file(tmp_path, "broken")
    assert verdicts(found)["loads"] == "failed" and "(line 1)" in text(found, "loads")
    assert verdicts(found)["exploits"] == "not applicable"


@pytest.mark.slow
def test_a_column_that_the_data_do_not_have_is_named(tmp_path: Path) -> None:
    found = of_file(tmp_path, "columns")
    assert verdicts(found)["columns"] == "failed" and "It takes difficulty, which" in text(found, "columns")


def test_a_check_downloads_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("engine.data.hub._download", lambda _: pytest.fail("it was downloaded"))
    data = LEARN_TO_ADD.data.model_copy(update={"source": "org/sums", "params": {}})
    config = dump_config(LEARN_TO_ADD.model_copy(update={"data": data}))
    found = check(CheckRequest(config, LEARN_TO_ADD.rewards[0].name), lambda *_: None)
    assert "org/sums is not on this machine" in found.problem
