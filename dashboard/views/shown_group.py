"""The group that the Groups page shows, as its panels get it."""

from dataclasses import dataclass

import pandas as pd

from engine.config import RunConfig
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader


@dataclass(frozen=True)
class ShownGroup:
    """group: a row of RunReader.groups; completions: its rows of RunReader.completions; a panel gets at least one."""

    paths: RunPaths
    reader: RunReader
    config: RunConfig
    group: pd.Series
    completions: pd.DataFrame

    @property
    def step(self) -> int:
        return int(self.group["step"])

    @property
    def index(self) -> int:
        """group_index, from 0; pages and URLs count from 1."""
        return int(self.group["group_index"])
