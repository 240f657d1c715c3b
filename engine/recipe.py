"""What a recipe is: the settings that a paper states, beside a RunConfig with its method that runs on a small machine.

recipes.py holds the recipes themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.config_io import flatten


@dataclass(frozen=True)
class Published:
    """A value as published. `origin`: where it comes from, or how it reads in our settings, if that needs saying."""

    value: Any
    origin: str = ""


@dataclass(frozen=True)
class Comparison:
    """One published setting beside what it is here; `reason` says why they differ, and is empty where they do not."""

    field: str
    published: Any
    here: Any
    reason: str
    origin: str


@dataclass(frozen=True)
class Recipe:
    """One paper's settings, and an experiment with its method.

    `published` goes by dotted field, and leaves out what neither the paper nor a source that is named states. `where`
    names the sections. `no_setting` is what else the paper does and no setting stands for. `fill_in` and `make_data`
    are those of a Preset.
    """

    key: str
    title: str
    story: str
    paper: str
    arxiv: str
    where: str
    published: Mapping[str, Published]
    config: RunConfig
    no_setting: tuple[str, ...] = ()
    fill_in: tuple[str, ...] = ()
    make_data: Callable[[Path], None] | None = None

    @property
    def differences(self) -> list[Comparison]:
        """Every published setting that is another one in `config`, with the reason."""
        return [row for row in compared(self.published, self.config) if row.reason]


def compared(published: Mapping[str, Published], config: RunConfig) -> list[Comparison]:
    """Every published setting beside that of a configuration, which may have been edited since."""
    here = flatten(config)
    return [
        Comparison(field, entry.value, here.get(field), _reason(field, entry.value, here.get(field)), entry.origin)
        for field, entry in published.items()
    ]


# Why a size is another one here, where "scaled" alone does not say it.
_WHY = {
    "optim.learning_rate": "a small model moves too little in a short run at the published rate",
    "optim.warmup_steps": "the run is shorter",
    "loss.ref_model_sync_steps": "the run is shorter",
}


def _reason(field: str, published: Any, here: Any) -> str:
    if here == published:
        return ""
    if not _is_number(published) or not _is_number(here):
        return "another method than the paper's"
    verb = "scaled down" if here < published else "scaled up"
    return f"{verb}: {_WHY[field]}" if field in _WHY else verb


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
