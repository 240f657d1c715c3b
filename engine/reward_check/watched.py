"""A reward file under observation: called as ever, and what it was given is compared before and after.

The check writes a file of three lines (wrapper_text) that a reward worker loads in place of the user's; the user's
own file is loaded from there. Everything of it runs in the worker.
"""

import copy
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.rewards.worker.adapt import Adapted
from engine.rewards.worker.load import callables, choose, load_module
from engine.rewards.worker.types import FileTarget
from engine.rewards.worker.values import Value

WRAPPER = "watched_reward.py"
CHANGED, PEAK_MB = "changed", "peak_mb"


def wrapper_text(target: FileTarget) -> str:
    """The file that the worker loads. A partial, so that it counts as the file's own function."""
    arguments = (str(target.path), target.sha256, target.shown, target.function, target.convention)
    return (
        "from functools import partial\n"
        "from engine.reward_check.watched import call_watched, loaded\n"
        f"reward = partial(call_watched, loaded{arguments!r})\n"
    )


def loaded(path: str, sha256: str, shown: str, function: str, convention: Any) -> Adapted:
    """The function of the user's file with its convention. In the worker."""
    found = {info.name: (info, made) for info, made in callables(load_module(Path(path), sha256, shown), convention)}
    info, made = found[choose([info for info, _ in found.values()], function, shown)]
    return Adapted(made, info, shown, timeout_s=60.0)


def call_watched(
    adapted: Adapted, /, prompts: Any, completions: Any, completion_ids: Any, log_extra: Callable[[str, Any], None],
    log_metric: Callable[[str, float], None], trainer_state: Any = None, **columns: Any,
) -> list[float | None]:  # fmt: skip
    """TRL's convention. Says in log_extra what was changed, and in log_metric the largest memory of this process."""
    call = {
        **columns, "prompts": prompts, "completions": completions, "completion_ids": completion_ids,
        "trainer_state": None if trainer_state is None else dict(vars(trainer_state)),
    }  # fmt: skip
    before = copy.deepcopy(call)
    count = len(completions)  # before anybody can change it
    values: list[float | None] = [None] * count

    def emit(row: int, value: Value) -> None:
        values[row] = value[0]

    adapted.call(call, count, emit, serial=False)
    changed = ", ".join(name for name in before if call.get(name) != before[name])
    log_extra(CHANGED, [changed] * count)
    log_metric(PEAK_MB, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return values
