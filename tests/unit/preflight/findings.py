"""Pre-flights as they may come out: 4 prompts × 4 completions, all is well, but for what a test changes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.analysis.forecast import Forecast, Interval
from engine.preflight.folder import FOLDER, name_prefix, result_path, write_stamps
from engine.preflight.result import Costs, Preflight, PromptResult, RewardResult, write_result
from engine.runs.paths import RunPaths
from tests.fakes import fake_config, write_fake_run


def prompt(right: int | None = 2, kind: Any = "mixed", distinct: int = 4, text: str = "1+1=") -> PromptResult:
    tried = 4 if right is not None else 0
    totals = tuple(float(place < (right or 0)) for place in range(4))
    return PromptResult(f"id-{text}", text, totals, right, tried, distinct, kind)


def forecast(**shares: float) -> Forecast:
    """forecast(g4=0.5, g8=0.3): each with an interval of 5 points to either side."""
    found = {"g4": 0.1, "g8": 0.05, "g16": 0.02, "g32": 0.01, **shares}
    around = {name: Interval(share, max(0.0, share - 0.05), min(1.0, share + 0.05)) for name, share in found.items()}
    return Forecast({int(name[1:]): interval for name, interval in around.items()})


def result(**changes: Any) -> Preflight:
    seconds = {"loading": 2.0, "rollout": 3.0, "reward": 0.5, "update": 1.5}
    memory = {"loading": 400 * 2**20, "rollout": 500 * 2**20, "update": 600 * 2**20}
    fine = Preflight(
        prompts=(prompt(), prompt(1, text="2+2="), prompt(3, text="3+3="), prompt(2, text="4+4=")),
        rewards=(RewardResult("exact_match", 1.0, 0.5, 0),),
        group_size=4, prompts_per_step=4, temperature=1.0, truncated=0, limit=64, mean_length=12.5,
        pass_reward="exact_match", costs=Costs(seconds, 4, memory, "cpu"), forecast=forecast(),
    )  # fmt: skip
    return replace(fine, **changes)


def stored(root: Path, found: Preflight, *, config: Any = None, hostile_text: bool = False) -> RunPaths:
    """A finished pre-flight on disk, in the folder that find_preflight looks for."""
    config = config or fake_config(name="fake", steps=20, group_size=found.group_size, prompts=len(found.prompts))
    paths = write_fake_run(
        root / FOLDER, f"{name_prefix(config)}0a1b", steps=1, config=config, hostile_text=hostile_text
    )
    write_stamps(paths, config)
    write_result(result_path(paths), found)
    return paths
