"""The user's own reward: a function in a Python file, run in a worker process. What can be set, and what is run."""

from pathlib import Path
from typing import Literal

from engine.config_section import Section, knob
from engine.rewards.info import RewardInfo
from engine.rewards.worker.files import version_name
from engine.rewards.worker.types import FileTarget, Limits

NAME = "python_file"


class PythonFileParams(Section):
    path: str = knob(
        ...,
        "The Python file. A run keeps its own copy, so that the file may be changed or deleted afterwards.",
        label="File",
        min_length=1,
        max_length=4096,
    )
    callable: str = knob(
        "",
        "The function, or object that can be called, in the file. Empty: the only one that can be a reward.",
        label="Function",
        max_length=200,
    )
    kind: Literal["task", "format", "penalty"] = knob(
        "task",
        "What it judges. The first task reward decides whether a completion is right: at the value 1.",
        label="Kind",
        words={"task": "the answer", "format": "the form", "penalty": "it only takes away"},
    )
    convention: Literal["auto", "trl", "verl", "single"] = knob(
        "auto",
        "How the function is called. Automatic: as its parameters say.",
        label="Called as",
        words={
            "auto": "its parameters say",
            "trl": "TRL: a whole batch",
            "verl": "verl: compute_score",
            "single": "one completion at a time",
        },
        advanced=True,
    )
    timeout_s: float = knob(
        30.0,
        "One completion, or one batch where the function takes a whole one, may take so long. Then its value is "
        "missing.",
        label="Time limit",
        unit="s",
        gt=0,
        le=3600,
    )
    memory_mb: int = knob(
        4096,
        "Address space of the reward's process. Libraries such as torch reserve more than they use.",
        label="Memory limit",
        unit="MB",
        advanced=True,
        ge=128,
        le=1_000_000,
    )
    sha256: str = knob(
        "",
        "The content that is meant, filled in when a run is made. A file with another content is refused.",
        label="SHA-256",
        advanced=True,
        pattern=r"^([0-9a-f]{64})?$",
    )


def target_of(params: PythonFileParams, copies: Path | None = None) -> FileTarget:
    """The function to run: that of the run's own copy in `copies`, if it is there, else that of the file."""
    path = Path(params.path)
    copy = copies / version_name(params.sha256) if copies is not None and params.sha256 else None
    return FileTarget(
        copy if copy is not None and copy.is_file() else path,
        params.callable,
        params.sha256,
        path.name,
        None if params.convention == "auto" else params.convention,
    )


def limits_of(params: PythonFileParams) -> Limits:
    return Limits(timeout_s=params.timeout_s, memory_mb=params.memory_mb)


INFOS = (
    RewardInfo(
        NAME,
        "Your own function",
        "A function in a Python file of yours, as written for TRL or verl, or for one completion at a time.",
        "task",
        PythonFileParams,
        None,
        needs_answer=False,
        where="worker",
        explanation=(
            "The function runs in a process of its own with limits on time and memory. Whatever goes wrong there is a "
            "missing value with its reason, never a number; a None that it returns means that it has nothing to say. "
            "It is called as TRL does (keywords prompts, completions, completion_ids, the columns of the data as "
            "lists, trainer_state, log_extra, log_metric; a list of numbers), as verl does "
            "(compute_score(data_source, solution_str, ground_truth, extra_info)), or with one completion at a time "
            "(completion, answer, and any columns by their names)."
        ),
    ),
)
