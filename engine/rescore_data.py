"""The stored completions of a step as the engine showed them to reward functions, and what these gave then."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd

from engine.analysis.advantages import Floats
from engine.analysis.what_if import StoredStep, stored_steps
from engine.config import RunConfig
from engine.reward_check.tokens import CHARACTERS
from engine.rewards.protocol import StepScores
from engine.runs.reader import RunReader


@dataclass(frozen=True)
class StepInput:
    """B completions of a step in order. `given` has what each function gave, before limits and gates; `counted` what
    counted; `before` is the step as what-if takes it, with `counted` as its rewards.
    """

    before: StoredStep
    group_index: Sequence[int]
    completion_index: Sequence[int]
    prompts: Sequence[Any]
    prompt_texts: Sequence[str]
    references: Sequence[str | None]
    texts: Sequence[str]
    ids: Sequence[Sequence[int]]
    offsets: Sequence[Sequence[int]]
    columns: Mapping[str, Sequence[Any]]
    conversational: bool
    given: Mapping[str, Floats]
    steps: Sequence[Mapping[str, StepScores]]
    reasons: Sequence[Mapping[str, str]]
    parsed: Sequence[str | None]
    passed: Floats


def read_step(reader: RunReader, config: RunConfig, step: int) -> StepInput | None:
    """None for a step without completions, as an import may have. Raises StoreError when the store cannot be read."""
    with reader.snapshot() as moment:
        completions, groups, tokens = moment.completions(step), moment.groups(step), moment.step_tokens(step)
    if not len(completions):
        return None
    completions["step"] = step
    by_group = {int(row["group_index"]): row for row in groups.to_dict("records")}
    rows = [by_group[int(index)] for index in completions["group_index"]]
    texts = completions["text"].tolist()
    keys = list(zip(completions["group_index"].tolist(), completions["completion_index"].tolist(), strict=True))
    pieces = [tokens.get(key) for key in keys]
    chat = rows[0]["rendered"] is not None and rows[0]["rendered"] != rows[0]["prompt"]
    names = [spec.name for spec in config.rewards]
    return StepInput(
        before=_stored(completions, rows, names),
        group_index=[group for group, _ in keys], completion_index=[completion for _, completion in keys],
        prompts=[_messages(config, row["prompt"]) if chat else row["rendered"] or row["prompt"] for row in rows],
        prompt_texts=[row["prompt"] for row in rows], references=[row["reference"] for row in rows], texts=texts,
        ids=[_guess(text) if one is None else one.ids.tolist() for one, text in zip(pieces, texts, strict=True)],
        offsets=[_ends(one, text) for one, text in zip(pieces, texts, strict=True)],
        columns=_columns([row["columns"] for row in rows]), conversational=chat,
        given={name: _given(completions, name) for name in names},
        steps=completions["steps"].tolist(), reasons=completions["errors"].tolist(),
        parsed=[None if parsed is None or parsed != parsed else parsed for parsed in completions["parsed"]],
        passed=completions["passed"].to_numpy(dtype=np.float64),
    )  # fmt: skip


def _stored(completions: pd.DataFrame, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> StoredStep:
    """Through the frame that what-if reads, so that there is one way to make a StoredStep."""
    counted = {f"rewards/{name}": [_number(values.get(name)) for values in completions["rewards"]] for name in names}
    frame = completions[["step", "group_index", "length", "finish_reason", "steps"]].assign(
        discarded=["yes" if isinstance(row["discarded"], str) else None for row in rows], **counted
    )
    return next(iter(stored_steps(frame, names)))


def _given(completions: pd.DataFrame, name: str) -> Floats:
    pairs = zip(completions["raw"], completions["rewards"], strict=True)
    return np.array([_number(raw.get(name, values.get(name))) for raw, values in pairs], dtype=np.float64)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = sorted({name for row in rows for name in row})
    return {name: [row.get(name) for row in rows] for name in names}


def _messages(config: RunConfig, prompt: str) -> list[dict[str, str]]:
    system = [{"role": "system", "content": config.model.system_prompt}] if config.model.system_prompt else []
    return [*system, {"role": "user", "content": prompt}]


def _guess(text: str) -> list[int]:
    """An import does not know its tokens."""
    return [0] * math.ceil(len(text) / CHARACTERS)


def _ends(tokens: Any, text: str) -> list[int]:
    """Characters up to the end of each token: exact where the pieces make up the text."""
    if tokens is None:
        return [min((place + 1) * CHARACTERS, len(text)) for place in range(len(_guess(text)))]
    sizes = [0 if special else len(piece) for piece, special in zip(tokens.pieces, tokens.special, strict=True)]
    return [min(end, len(text)) for end in accumulate(sizes)]
