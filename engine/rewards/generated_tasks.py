"""A reward for rows that reasoning-gym made: its own scorer of the row's task judges the answer. Worker only."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from engine.config_section import knob
from engine.rewards.extract import ReadsAnswer, stated_answer
from engine.rewards.extras import needs
from engine.rewards.info import Example, RewardInfo
from engine.rewards.protocol import Missing, RewardFunction, per_row

# Tasks whose scorers give the model's text to eval or to SymPy's parse_expr, which can run code.
UNSAFE = (
    "string_insertion", "spiral_matrix", "binary_matrix", "n_queens", "countdown", "puzzle24", "simple_integration",
    "intermediate_integration", "polynomial_multiplication",
)  # fmt: skip
MAX_ANSWER = 10_000  # characters


class ReasoningGymParams(ReadsAnswer):
    entry_column: str = knob(
        "entry",
        "The column that holds the whole entry of reasoning-gym (question, answer, metadata), as an object or JSON.",
        label="Entry column",
        min_length=1,
        max_length=200,
    )
    allow_unsafe: bool = knob(
        False,
        "Also score the nine tasks whose scorers run what the model wrote as code. Their rows are missing otherwise.",
        label="Score unsafe tasks",
    )


def reasoning_gym(params: ReasoningGymParams) -> RewardFunction:
    """What score_answer of the row's task gives the stated answer, between 0 and 1."""

    def rule(text: str, row: dict[str, Any]) -> float:
        entry = _entry(row[params.entry_column], params.entry_column)
        task = str(entry["metadata"]["source_dataset"])
        if task in UNSAFE and not params.allow_unsafe:
            raise Missing(f"the scorer of {task} runs the answer as code, and unsafe tasks are off")
        answer = stated_answer(text, params.extract, params.answer_pattern)
        return min(1.0, max(0.0, float(_scorer(task)((answer or "")[:MAX_ANSWER], dict(entry)))))

    return per_row(rule, params.entry_column)


def task_answer(params: ReasoningGymParams, text: str) -> str | None:
    """The answer that is handed to the scorer."""
    return stated_answer(text, params.extract, params.answer_pattern)


def _entry(cell: Any, column: str) -> Mapping[str, Any]:
    if isinstance(cell, str):
        try:
            cell = orjson.loads(cell)
        except orjson.JSONDecodeError:
            raise Missing(f"the column '{column}' of this row is not JSON") from None
    metadata = cell.get("metadata") if isinstance(cell, Mapping) else None
    if not isinstance(metadata, Mapping) or "source_dataset" not in metadata:
        raise Missing(
            f"the column '{column}' of this row is no entry of reasoning-gym: metadata.source_dataset is missing"
        )
    return cell  # type: ignore[no-any-return]


@cache
def _scorer(task: str) -> Any:
    from reasoning_gym import get_score_answer_fn

    try:
        return get_score_answer_fn(task)
    except (ValueError, KeyError):
        raise Missing(f"reasoning-gym has no task '{task[:60]}'") from None


_CHAIN_SUM = {"question": "5 + 9 =", "answer": "14", "metadata": {"source_dataset": "chain_sum"}}

INFOS = (
    RewardInfo(
        "reasoning_gym",
        "reasoning-gym",
        "The score that reasoning-gym's own scorer of the row's task gives the answer.",
        "task",
        ReasoningGymParams,
        reasoning_gym,
        needs_answer=False,
        parse=task_answer,
        where="worker",
        unavailable=needs("reasoning_gym", "reasoning-gym", "gym"),
        explanation=(
            "Each row carries its whole entry, and the scorer of the task that made it judges the stated answer. "
            "Partial credit differs by task: some give 0.01 or 0.05 to any answer at all, so such groups are never "
            f"quite dead. The scorers of {', '.join(UNSAFE)} run what the model wrote as code; their rows are missing "
            "unless that is switched on, and even then they are kept from nothing but the engine's own process."
        ),
        examples=(
            Example("<answer>14</answer>", 1.0, None, {}, {"entry": _CHAIN_SUM}),
            Example("<answer>15</answer>", 0.0, None, {}, {"entry": _CHAIN_SUM}),
            Example("The sum is 14", 2 / 13, None, {}, {"entry": _CHAIN_SUM}),  # a sentence is not taken off
            Example("14", None, None, {}, {"entry": {"question": "5 + 9", "answer": "14"}}),
        ),
    ),
)
