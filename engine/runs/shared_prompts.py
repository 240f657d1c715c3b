"""The prompts that several runs have asked, so that their answers can stand beside each other.

Runs with the same data, seed and prompts per step ask the same prompts at the same steps; others meet now and then.
Every query goes by step or by the index of prompts, so that it costs the same in a long run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.runs.reader import RunReader

MOST = 60  # prompts that are offered
LOOK_BACK = 20  # steps whose prompts are looked up in the other runs when none was asked at the same step
LOOK_UPS = 200


@dataclass(frozen=True)
class Asked:
    """When a run asked a prompt, and how it went. `pass_rate` is NaN when nothing decides."""

    step: int
    group_index: int
    mean: float
    pass_rate: float


@dataclass(frozen=True)
class SharedPrompt:
    """A prompt with when each run asked it, in the order of the runs."""

    prompt_id: str
    prompt: str
    reference: str | None
    asked: tuple[Asked, ...]

    @property
    def spread(self) -> float:
        """How far the runs are apart: in their pass rates, or in mean rewards where nothing decides; −1 if unknown."""
        rates, means = [one.pass_rate for one in self.asked], [one.mean for one in self.asked]
        values = means if any(map(math.isnan, rates)) else rates
        return -1.0 if any(map(math.isnan, values)) else max(values) - min(values)


def newest_common_step(readers: Sequence[RunReader]) -> int:
    """The newest step that all runs have come to; 0 when one has none."""
    return min((reader.last_step() for reader in readers), default=0)


def shared_prompts(readers: Sequence[RunReader], step: int) -> list[SharedPrompt]:
    """The prompts that all runs asked at this step, those first where they differ most. When there is none: the newest
    ones that all have asked by then, each at the nearest step before.
    """
    frames = [reader.groups(step).drop_duplicates("prompt_id") for reader in readers]
    found = _in_all(frames[0], frames) or _met_before(readers, step)
    return sorted(found, key=lambda one: -one.spread)[:MOST]


def shared_prompt(readers: Sequence[RunReader], prompt_id: str, step: int) -> SharedPrompt | None:
    """One prompt at the nearest step up to `step` in each run; None when one of them had not asked it by then."""
    frames = [reader.prompts_asked([prompt_id], step) for reader in readers]
    if any(frame.empty for frame in frames):
        return None
    groups = readers[0].groups(int(frames[0]["step"].iloc[0]))
    return next(iter(_in_all(groups[groups["prompt_id"] == prompt_id].iloc[:1], frames)), None)


def _met_before(readers: Sequence[RunReader], step: int) -> list[SharedPrompt]:
    """Prompts of the last steps of the run that has come least far, as far as the others had asked them, too."""
    behind = min(readers, key=RunReader.last_step)
    newest = min(step, behind.last_step())
    steps = range(newest, max(newest - LOOK_BACK, 0), -1)
    if not steps:
        return []
    asked = pd.concat([behind.groups(earlier) for earlier in steps]).drop_duplicates("prompt_id").head(LOOK_UPS)
    return _in_all(asked, [reader.prompts_asked(asked["prompt_id"].tolist(), step) for reader in readers])


def _in_all(prompts: pd.DataFrame, frames: Sequence[pd.DataFrame]) -> list[SharedPrompt]:
    """Those of `prompts` (rows of `groups`) that every frame (prompt_id, step, group_index, mean, pass_rate) has."""
    by_id = [{row["prompt_id"]: row for row in frame.to_dict(orient="records")} for frame in frames]
    return [
        SharedPrompt(
            row["prompt_id"], row["prompt"], row["reference"] if isinstance(row["reference"], str) else None,
            tuple(_asked(rows[row["prompt_id"]]) for rows in by_id),
        )
        for row in prompts.to_dict(orient="records")
        if all(row["prompt_id"] in rows for rows in by_id)
    ]  # fmt: skip


def _asked(row: Mapping[Any, Any]) -> Asked:
    return Asked(int(row["step"]), int(row["group_index"]), float(row["mean"]), float(row["pass_rate"]))
