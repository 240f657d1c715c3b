"""Everything that must stop a run before it starts, as the dashboard and the command line see it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.check import check_run
from engine.check_client import Check, Preview, check_in_child
from engine.config_io import parse_config
from engine.errors import Problem
from tests.toy import toy_policy

PATIENCE_S = 120.0
Raw = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with a context of 64 tokens, without a chat template."""
    folder = tmp_path_factory.mktemp("model")
    parts: Any = toy_policy()
    parts.model.save_pretrained(folder)
    parts.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def raw(model: Path, tmp_path: Path) -> Raw:
    """A configuration that can run, with some settings replaced; `rows` writes them as its data file."""

    def make(rows: list[dict[str, Any]] | None = None, **sections: dict[str, Any]) -> dict[str, Any]:
        path = tmp_path / "data.jsonl"
        rows = [{"question": f"{i}+1=", "answer": i + 1} for i in range(20)] if rows is None else rows
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        config: dict[str, Any] = {
            "model": {"source": str(model)}, "data": {"source": str(path), "held_out": 4},
            "rollout": {"max_completion_length": 8},
        }  # fmt: skip
        merged = {name: {**config.get(name, {}), **sections.get(name, {})} for name in config | sections}
        return {"rewards": [{"name": "exact_match"}], **merged}

    return make


def check(raw: dict[str, Any]) -> Check:
    return check_run(parse_config(raw))


def only_problem(raw: dict[str, Any]) -> Problem:
    (problem,) = check(raw).problems
    return problem


def test_a_configuration_that_can_run_has_no_problem_and_shows_prompts(raw: Raw) -> None:
    result = check(raw(data={"prompt_template": " {prompt}"}))
    assert result.problems == () and result.warnings == ()
    assert (result.train_size, result.context_length, len(result.previews)) == (16, 64, 3)
    preview = result.previews[0]
    number = int(preview.prompt.partition("+")[0])
    assert preview == Preview(f" {number}+1=", len(preview.prompt), str(number + 1))


def test_a_missing_file_and_a_model_folder_without_weights_are_told_together(
    raw: Raw, model: Path, tmp_path: Path
) -> None:
    (folder := tmp_path / "empty").mkdir()
    shutil.copy(model / "config.json", folder)
    result = check(raw(data={"source": "/no/such.jsonl"}, model={"source": str(folder)}))
    assert [problem.field for problem in result.problems] == ["data.source", "model.source"]
    assert "'/no/such.jsonl' does not exist" in result.problems[0].message
    assert "no weights" in result.problems[1].message


def test_pickle_only_weights_are_refused_unopened(raw: Raw, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, folder := tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    problem = only_problem(raw(model={"source": str(folder)}))
    assert problem.field == "model.source" and "pytorch_model.bin" in problem.message


def test_a_folder_without_a_tokenizer_is_refused(raw: Raw, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, folder := tmp_path / "mute")
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer" in only_problem(raw(model={"source": str(folder)})).message


@pytest.mark.parametrize(
    ("sections", "field", "message"),
    [
        ({"data": {"answer_column": "anwser"}}, "data.answer_column", "data.jsonl has no column 'anwser'"),
        ({"data": {"held_out": 20}}, "data.held_out", "data.jsonl has 20 different prompts"),
        ({"data": {"prompt_template": "{promt}"}}, "data.prompt_template", "there is no column 'promt'"),
        (
            {"rollout": {"max_completion_length": 61}},
            "data.source",
            "the prompt has 4 tokens; with 61 for the completion",
        ),
        ({"model": {"chat_template": True}}, "model.chat_template", "this model's tokenizer has none"),
        ({"model": {"system_prompt": "Add."}}, "model.system_prompt", "no chat template to put it in"),
        ({"model": {"source": "/no/such/folder"}}, "model.source", "There is no model"),
        (
            {"data": {"params": {"digits": 1}, "source": "arithmetic", "held_out": 64}},
            "data.held_out",
            "only 7 problems",
        ),
    ],
)
def test_each_obstacle_is_told_at_the_setting_to_change(
    raw: Raw, sections: dict[str, Any], field: str, message: str
) -> None:
    problem = only_problem(raw(**sections))
    assert problem.field == field and message in problem.message and problem.hint


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "data.jsonl is empty."),
        ([{"question": "1+1="}, {"question": "1+2="}], "data.jsonl has no column that looks like an answer"),
        ([{"question": "1+1=", "answer": "2"}, {"question": "1+2="}], "data.jsonl, line 2: 'answer' is missing."),
    ],
)
def test_data_that_cannot_be_used_is_told_with_file_and_row(raw: Raw, rows: list[dict[str, Any]], message: str) -> None:
    assert message in only_problem(raw(rows, data={"held_out": 1})).message


def test_what_is_probably_not_meant_is_a_warning(raw: Raw) -> None:
    rows = [{"question": f"{i}+1=", "answer": "123456789" if i else "?"} for i in range(9)]
    config = raw(rows, data={"prompt_template": "{prompt}{answer}"})
    config["rewards"] = [{"name": "digits_only"}, {"name": "length_target"}]
    assert check(config).warnings == (
        "No reward judges the answer, so there will be no held-out pass@1.",
        "The prompt template shows the model the answer.",
        "8 of 9 reference answers have no room in a completion of 8 tokens.",
    )
    config["rewards"] = [{"name": "numeric_match"}]
    assert "1 of 9 reference answers are not numbers; numeric_match is missing there." in check(config).warnings


def test_a_hub_model_that_is_not_here_is_left_to_the_run(
    raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    result = check(raw(model={"source": "someone/some-model"}))
    assert result.problems == () and result.previews == () and result.context_length is None
    assert result.warnings[0].startswith("The model is not on this machine; starting the run downloads it.")


def test_a_check_survives_the_way_through_json() -> None:
    result = Check((Problem("data.source", "ä\ud800", "hint"),), ("w",), (Preview("p", 3, None),), 64, None)
    assert Check.from_json(result.to_json()) == result


@pytest.mark.slow
def test_the_child_answers_with_one_json_object_and_the_same_check(raw: Raw) -> None:
    config = parse_config(raw())
    assert check_in_child(config, timeout_s=PATIENCE_S) == check_run(config)


def test_a_configuration_that_does_not_parse_is_answered_too() -> None:
    result = check_in_child('{"rollout": {"num_generations": 1}, "bogus": 1}', timeout_s=PATIENCE_S)
    assert {problem.field for problem in result.problems} == {
        "model", "data", "rewards", "rollout.num_generations", "bogus",
    }  # fmt: skip


def test_a_check_that_takes_too_long_is_ended_and_is_a_problem() -> None:
    started = time.monotonic()
    result = check_in_child("{}", timeout_s=0.001)
    assert result.problems == (
        Problem("config", "the check took longer than 0.001 s.", "Choose a smaller file or model."),
    )
    assert time.monotonic() - started < 30


def test_a_child_that_dies_is_a_problem_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Dying(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__([sys.executable, "-c", "import sys; sys.exit('no memory left')"], **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Dying)
    result = check_in_child("{}", timeout_s=PATIENCE_S)
    assert result.problems == (Problem("config", "the check ended with exit code 1.", "no memory left"),)
    assert started[0].returncode == 1


def test_ending_a_check_ends_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversion may run below the check: the whole process group has to go."""
    real = subprocess.Popen
    reading, writing = os.pipe()
    sleeper = f"subprocess.Popen(['sleep', '60'], pass_fds=[{writing}])"
    code = f"import os, subprocess, time; {sleeper}; os.write({writing}, b'1'); time.sleep(60)"

    def hanging(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        child = real([sys.executable, "-c", code], pass_fds=[writing], **options)
        os.close(writing)
        assert os.read(reading, 1) == b"1"  # both are up
        return child

    monkeypatch.setattr(subprocess, "Popen", hanging)
    started = time.monotonic()
    check_in_child("{}", timeout_s=0.01)
    assert os.read(reading, 1) == b""  # the end of the pipe comes when neither of them is left
    assert time.monotonic() - started < 50
    os.close(reading)


def test_the_check_tells_what_is_odd_about_the_rows_and_how_long_prompts_are(raw: Raw, tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    rows = [{"question": f"{i}+1=", "answer": str(i + 1)} for i in (*range(8, 12), 8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = check(raw(data={"source": str(path), "held_out": 1}))
    (finding,) = result.findings
    assert (finding.key, finding.rows) == ("duplicates", ("odd.jsonl, line 5",)) and str(finding) in result.remarks()
    assert [(found.low, found.count) for found in result.prompt_tokens] == [(4, 3), (5, 2)]
    shorter = check(raw(data={"source": str(path), "held_out": 1, "max_prompt_tokens": 4}))
    assert [finding.key for finding in shorter.findings] == ["duplicates", "dropped"]
    assert sum(found.count for found in shorter.prompt_tokens) == 3
    assert Check.from_json(result.to_json()) == result


def test_the_longest_prompt_holds_for_a_built_in_task_too(raw: Raw) -> None:
    data = {"source": "arithmetic", "params": {"digits": 2}, "held_out": 4}
    longest = [max(found.high for found in check(raw(data=data | more)).prompt_tokens)
               for more in ({}, {"max_prompt_tokens": 5})]  # fmt: skip
    assert longest[0] > 5 and longest[1] == 5


def test_a_hub_data_set_that_is_not_here_is_left_to_the_run(
    raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    result = check(raw(data={"source": "someone/some-data"}))
    assert result.problems == () and result.previews == () and result.train_size is None
    assert result.warnings[-1].startswith("someone/some-data is not on this machine; starting the run downloads it.")


def test_a_column_that_a_reward_names_and_no_row_has_is_told(raw: Raw) -> None:
    rewards = [{"name": "exact_match"}, {"name": "constraints", "params": {"column": "spec"}}]
    (finding,) = check({**raw(), "rewards": rewards}).findings
    assert (finding.key, finding.severity, finding.count) == ("missing_column", "error", 20)
    assert finding.message == "constraints needs the column 'spec', which 20 of 20 examples lack."
