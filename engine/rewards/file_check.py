"""Before a run is made: do its reward files load, is the function there, and has the data what it takes?

Each file is loaded in a worker, never here.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from engine.config_rewards import RewardSpec
from engine.errors import Problem, RewardError
from engine.rewards.python_file import NAME, PythonFileParams, limits_of, target_of
from engine.rewards.registry import function_of
from engine.rewards.worker.client import RewardWorker
from engine.rewards.worker.files import read_reward_file
from engine.rewards.worker.signatures import missing_words

START_S = 20.0  # to load one file, in a check
HINT = "Rename the parameter or the column, or give the parameter a default."


def check_reward_files(specs: Sequence[RewardSpec], columns: Collection[str] | None) -> tuple[list[Problem], list[str]]:
    """Problems, and what is only worth a warning. `columns`: those of the data, None when it could not be read.

    A file that is not the one the settings name is a warning here: a clone or fork has its parent's copy.
    """
    problems: list[Problem] = []
    warnings: list[str] = []
    for place, spec in enumerate(specs):
        if function_of(spec) != NAME:
            continue
        params = PythonFileParams.model_validate(spec.params)
        field = f"rewards[{place}].params.path"
        try:
            found = hashlib.sha256(read_reward_file(Path(params.path))).hexdigest()
        except RewardError as error:
            found = ""
            if not params.sha256:
                problems.append(Problem(field, error.message, error.hint))
                continue
        if params.sha256 and found != params.sha256:
            warnings.append(_other_content(spec.name, params, found))
        elif problem := _problem(field, params, columns):
            problems.append(problem)
    return problems, warnings


def _problem(field: str, params: PythonFileParams, columns: Collection[str] | None) -> Problem | None:
    shown = Path(params.path).name
    with RewardWorker(target_of(params), replace(limits_of(params), start_s=START_S)) as worker:
        reason = worker.start()
        if reason is not None:
            return Problem(field, f"{shown} {reason}.", "Correct the file, or choose another function of it.")
        missing = [name for name in worker.about.get("columns", ()) if columns is not None and name not in columns]
        if missing and columns is not None:
            words = f"{worker.about.get('name') or 'it'} {missing_words(missing, columns)}"
            return Problem(field, f"{shown}: {words}.", HINT)
    return None


def _other_content(name: str, params: PythonFileParams, found: str) -> str:
    there = f"has the sha256 {found[:16]}…" if found else "cannot be read"
    return (
        f"{name}: {params.path} {there}, and the settings name {params.sha256[:16]}…. A clone or fork takes its "
        "parent's copy; otherwise the start is refused until that setting is emptied."
    )
