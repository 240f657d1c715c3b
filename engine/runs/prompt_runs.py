"""One prompt in the other runs of a runs folder: how often they asked it, and how it went."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from engine.errors import LabError
from engine.runs.imported import NOT_RECORDED
from engine.runs.paths import RunPaths, list_runs, read_config
from engine.runs.reader import RunReader

MOST_RUNS = 30  # the newest ones; each costs about 2 ms


@dataclass(frozen=True)
class PromptInRun:
    """What a run did with a prompt. course: of RunReader.prompt_course, at least one row."""

    paths: RunPaths
    name: str
    course: pd.DataFrame


def prompt_in_other_runs(root: Path, here: RunPaths, prompt_id: str, source: str) -> list[PromptInRun]:
    """The newest runs of the same data that asked the same prompt, newest first. prompt_id: the same text and answer.

    Looks at the MOST_RUNS newest runs; one that cannot be read is passed over, as if it were not there.
    """
    found: list[PromptInRun] = []
    if source == NOT_RECORDED:  # nothing says that two of them are the same
        return found
    for paths in list_runs(root)[:MOST_RUNS]:
        if paths.run_id == here.run_id:
            continue
        try:
            config = read_config(paths)
            course = RunReader(paths.db).prompt_course(prompt_id) if config.data.source == source else None
        except LabError:
            continue
        if course is not None and len(course):
            found.append(PromptInRun(paths, config.name, course))
    return found
