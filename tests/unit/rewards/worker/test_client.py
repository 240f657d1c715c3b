"""Calls through a worker: each convention gets what it asks for, and values, reasons, metrics and extras come back."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.rewards.worker.client import CallResult, FileTarget, LibraryTarget, Limits, RewardWorker

SOURCE = """
import asyncio, os, random
from functools import partial

def trl(prompts, completions, completion_ids, level, trainer_state, log_extra, log_metric, **kwargs):
    log_extra("seen", [sorted(kwargs)] * len(completions))
    log_metric("step", trainer_state.global_step)
    log_metric("nan", float("nan"))
    print("hello")
    rows = zip(prompts, completions, completion_ids, level)
    return [len(p) + 10 * len(c) + 100 * len(i) + 1000 * n for p, c, i, n in rows]

async def trl_async(completions, **kwargs):
    await asyncio.sleep(0)
    return [None if c == "none" else 1 for c in completions]

def verl(data_source, solution_str, ground_truth, extra_info=None):
    assert extra_info["level"] and data_source == ""
    return {"score": float(solution_str == ground_truth), "length": len(solution_str), "text": "x"}

def single(prompt, completion, ground_truth, level, missing="no"):
    return float(completion == ground_truth) + 10 * level + 100 * (missing == "no")

async def single_async(completion):
    await asyncio.sleep(0.01)
    return len(completion)

def chat(completions, **kwargs):
    return [len(c[0]["content"]) + 10 * (c[0]["role"] == "assistant") for c in completions]

def chance(completion):
    return random.random()

def environment(completion):
    at_home = os.listdir(".") == [] and os.getcwd() == os.environ["HOME"]
    return float(at_home and not any("TOKEN" in name for name in os.environ))

partly = partial(single, missing="yes")

def says_why(completions, log_extra, **kwargs):
    log_extra("missing", ["no reference", None])
    return [None, 1.0]
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rewards") / "mine.py"
    path.write_text(SOURCE)
    return path


CALL = {
    "prompts": ["p", "pp"], "completions": ["4", "none"], "completion_ids": [[1], [1, 2]], "answer": ["4", "5"],
    "level": [1, 2], "trainer_state": {"global_step": 7, "max_steps": 9},
}  # fmt: skip


def called(path: Path, function: str, **changes: Any) -> CallResult:
    with RewardWorker(FileTarget(path, function), Limits(timeout_s=20)) as worker:
        return worker.call({**CALL, **changes})


def test_trls_call_has_keywords_columns_state_and_logs(path: Path) -> None:
    result = called(path, "trl")
    assert result.values == [1111, 2242] and result.failed == [False, False]
    assert result.metrics == {"step": 7} and result.refused == {"nan": "returned nan, not a finite number"}
    assert result.extras == {"seen": ["['answer']", "['answer']"]}
    assert result.output == "hello\n" and result.seconds > 0


def test_async_functions_are_awaited_and_none_is_no_failure(path: Path) -> None:
    result = called(path, "trl_async")
    assert (result.values, result.reasons, result.failed) == ([1, None], [None, None], [False, False])


def test_verls_score_is_the_value_and_its_other_numbers_are_metrics(path: Path) -> None:
    result = called(path, "verl")
    assert result.values == [1, 0] and result.metrics == {"length": 2.5}


def test_a_single_sample_function_gets_columns_by_name_and_the_reference_by_any_name(path: Path) -> None:
    assert called(path, "single").values == [111, 120]
    assert called(path, "partly").values == [11, 20]


def test_async_single_samples_wait_together(path: Path) -> None:
    result = called(path, "single_async")
    assert result.values == [1, 4]


def test_chat_completions_are_messages_for_trl_and_text_for_the_others(path: Path) -> None:
    chat = [[{"role": "assistant", "content": text}] for text in ("4", "none")]
    assert called(path, "chat", completions=chat).values == [11, 14]
    assert called(path, "single_async", completions=chat).values == [1, 4]


def test_the_same_call_draws_the_same_numbers_and_the_callers_stay_as_they_are(path: Path) -> None:
    before = random.getstate()
    with RewardWorker(FileTarget(path, "chance")) as worker:
        first, other, again = (worker.call({**CALL, "level": [n, n]}).values for n in (1, 2, 1))
    assert random.getstate() == before
    assert first == again != other


def test_reward_code_sees_no_token_and_an_empty_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert called(path, "environment").values == [1.0, 1.0]


def test_a_reason_given_for_none_is_kept(path: Path) -> None:
    assert called(path, "says_why").reasons == ["no reference", None]


def test_texts_with_half_a_character_and_huge_integers_arrive(path: Path) -> None:
    assert called(path, "single_async", completions=["\ud800", "x"], level=[10**30, 1]).values == [1, 1]


def test_a_library_reward_runs_for_one_completion_after_another() -> None:
    with RewardWorker(LibraryTarget("exact_match", {"ignore_case": True})) as worker:
        result = worker.call({**CALL, "completions": ["4", "x"], "answer": ["4", ""]})
    assert result.values == [1.0, None] and result.reasons[1] == "this row has no reference answer"
    assert result.failed == [False, False]


def test_two_workers_compute_at_the_same_time(tmp_path: Path) -> None:
    """Each waits for the file that the other one writes; one after the other they would wait for ever."""
    path = tmp_path / "mine.py"
    path.write_text(
        "import os, time\n"
        "def meet(mine, other):\n    open(mine, 'w').close()\n"
        "    while not os.path.exists(other): time.sleep(0.01)\n    return 1.0\n"
        f"def a(completions): return [meet({str(tmp_path / 'a')!r}, {str(tmp_path / 'b')!r})]\n"
        f"def b(completions): return [meet({str(tmp_path / 'b')!r}, {str(tmp_path / 'a')!r})]\n"
    )
    call = {"prompts": ["p"], "completions": ["c"], "completion_ids": [[1]]}
    with RewardWorker(FileTarget(path, "a")) as first, RewardWorker(FileTarget(path, "b")) as second:
        first.submit(call)
        second.submit(call)
        assert first.result().values == second.result().values == [1.0]


def test_closing_in_the_middle_of_a_call_ends_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def reward(completion):\n    while True: pass\n")
    worker = RewardWorker(FileTarget(tmp_path / "mine.py"))
    assert worker.start() is None
    worker.submit({"prompts": ["p"], "completions": ["c"], "completion_ids": [[1]]})
    worker.close()
    result = worker.result()
    assert result.failed == [True] and worker.start() == "its worker was closed"
    worker.close()


FORGED = """
import json, os

def _say(message):
    for fd in range(3, 32):
        try:
            os.write(fd, json.dumps(message).encode() + b"\\n")
        except OSError:
            pass

END = {"id": 1, "done": True}

def reward(completions):
    _say({**END, **json.loads(completions[0])})
    return [1.0]
"""


@pytest.mark.parametrize(
    "forged",
    [
        '{"extras": []}',
        '{"extras": {"missing": 5}}',
        '{"metrics": [1]}',
        '{"metrics": {"a": "x"}}',
        json.dumps({"metrics": dict.fromkeys(map(str, range(21)), 1.0)}),
        json.dumps({"metrics": {"x" * 81: 1.0}}),
        '{"refused": {"a": 1}}',
    ],
)
def test_an_end_of_an_answer_that_the_worker_would_not_write_is_a_reason(tmp_path: Path, forged: str) -> None:
    (tmp_path / "mine.py").write_text(FORGED)
    with RewardWorker(FileTarget(tmp_path / "mine.py")) as worker:
        result = worker.call({"prompts": ["p"], "completions": [forged], "completion_ids": [[1]]})
    assert result.values == [None] and result.reasons == ["wrote into the pipe of its worker"]
    assert result.metrics == {} and result.extras == {}


@pytest.mark.parametrize("ready", ["5", '{"columns": [5]}', '{"columns": 5}'])
def test_a_file_that_answers_for_its_worker_is_not_loaded(tmp_path: Path, ready: str) -> None:
    (tmp_path / "mine.py").write_text(f"{FORGED}\n_say({{'ready': json.loads({ready!r})}})\n")
    with RewardWorker(FileTarget(tmp_path / "mine.py")) as worker:
        assert worker.start() == "could not be loaded: it wrote into the pipe of its worker"


def test_a_worker_that_cannot_be_started_is_a_reason(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = len(os.listdir("/proc/self/fd"))
    with RewardWorker(FileTarget(path, "single")) as worker:
        monkeypatch.setattr("engine.rewards.worker.process.subprocess.Popen", refuse)
        worker.begin()
        result = worker.call(CALL)
        monkeypatch.undo()
        assert worker.call(CALL).failed == [False, False]  # the next call has another try
    assert result.failed == [True, True] and "Resource temporarily unavailable" in str(result.reasons[0])
    assert len(os.listdir("/proc/self/fd")) == before


def test_whoever_waits_can_be_called_away(path: Path, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def waiting() -> Iterator[None]:
        raise Enough

    (tmp_path / "mine.py").write_text("def reward(completion):\n    while True: pass\n")
    with RewardWorker(FileTarget(tmp_path / "mine.py")) as worker:
        worker.submit({"prompts": ["p"], "completions": ["c"], "completion_ids": [[1]]})
        with pytest.raises(Enough):
            worker.result(waiting)  # type: ignore[arg-type]


def test_a_library_reward_that_fails_says_why() -> None:
    target = LibraryTarget("exact_match", {"extract": "regex", "answer_pattern": "^(?:a|aa)+$|c$"})
    with RewardWorker(target) as worker:
        found = worker.call({"completions": ["c", "a" * 5000 + "b"], "answer": ["c", "c"]})
    assert (found.values, found.failed) == ([1.0, None], [False, True])
    assert found.reasons[1] == "the answer pattern took longer than 0.1 s on this text"
