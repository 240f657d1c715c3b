"""The scorer of reasoning-gym, with a package in its place: what is handed to it, and when."""

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from engine.rewards import generated_tasks
from engine.rewards.registry import REWARDS

ENTRY = {"question": "5 + 9 =", "answer": "14", "metadata": {"source_dataset": "chain_sum"}}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """(answer, entry) of each call of the scorer, which gives 1 for the entry's answer and 0.01 for any other."""
    calls: list[tuple[str, Any]] = []

    def scorer(task: str) -> Callable[[str, Any], float]:
        if task == "no_such_task":
            raise ValueError(task)

        def score(answer: str, entry: Any) -> float:
            calls.append((answer, entry))
            return 1.0 if answer == entry["answer"] else 0.01

        return score

    package = ModuleType("reasoning_gym")
    package.get_score_answer_fn = scorer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reasoning_gym", package)
    generated_tasks._scorer.cache_clear()
    return calls


def call(completions: list[str], entries: list[Any], **params: Any) -> list[float | None]:
    info = REWARDS["reasoning_gym"]
    return info.make(info.params(**params))(completions=completions, entry=entries)


def test_the_stated_answer_and_the_whole_entry_go_to_the_scorer(seen: list[tuple[str, Any]]) -> None:
    assert call(["<answer>14</answer>", "15"], [ENTRY, json.dumps(ENTRY)]) == [1, 0.01]
    assert seen == [("14", ENTRY), ("15", ENTRY)]


@pytest.mark.parametrize("entry", [None, "{", "5", {"answer": "14"}, {"metadata": {"source_dataset": "no_such_task"}}])
def test_what_is_no_entry_is_missing(seen: list[tuple[str, Any]], entry: Any) -> None:
    assert call(["14"], [entry]) == [None] and seen == []


@pytest.mark.parametrize("task", generated_tasks.UNSAFE)
def test_the_nine_tasks_that_run_answers_as_code_are_missing_unless_switched_on(
    seen: list[tuple[str, Any]], task: str
) -> None:
    entry = {"answer": "14", "metadata": {"source_dataset": task}}
    assert call(["14"], [entry]) == [None] and seen == []
    assert call(["14"], [entry], allow_unsafe=True) == [1]
    assert task in REWARDS["reasoning_gym"].explanation
