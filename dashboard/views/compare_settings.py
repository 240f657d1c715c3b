"""In which settings runs differ: a row for each that does, and nothing else. Rewards are compared by their name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.text import as_html, one_line
from dashboard.views.compare_runs import ComparedRun, line_html
from dashboard.views.form_model import controls
from dashboard.views.form_sections import CONTROL, SECTIONS, shown_setting, shown_value
from engine.config import RewardSpec, RunConfig
from engine.config_io import flatten, spelled_out
from engine.config_scope import in_scope
from engine.rewards.registry import info_of

ABSENT = "not used"
CELL = 160  # characters of a value; a longer one is shown from a little before the first difference
LEAD = 30
NEUTRAL = ("name", "seed")  # two runs that differ in these alone are one experiment done twice


@dataclass(frozen=True)
class DifferingSetting:
    """A setting that is not the same in all runs: dotted path, section, label, and its value in each run in words."""

    path: str
    section: str
    label: str
    values: tuple[str, ...]


def settings_view(runs: Sequence[ComparedRun]) -> None:
    """The table of differences, or that there is none."""
    rows = differing_settings([run.config for run in runs])
    st.markdown(f"**{verdict(rows)}**")
    if rows:
        st.html(table_html(rows, runs))


def verdict(rows: Sequence[DifferingSetting]) -> str:
    """The differences in one sentence."""
    matter = [row for row in rows if row.path not in NEUTRAL]
    if matter:
        count = len(matter)
        differ = "1 setting differs" if count == 1 else f"{count} settings differ"
        return f"{differ}; all others are the same."
    names = " and ".join(f"the {row.label.lower()}" for row in rows)
    return f"Identical settings, but for {names}." if names else "Identical settings."


def differing_settings(configs: Sequence[RunConfig]) -> list[DifferingSetting]:
    """The settings that are not the same in all of these, in the order of the form."""
    whole = [spelled_out(config) for config in configs]
    flat = [{key: value for key, value in flatten(config).items() if not _of_reward(key)} for config in whole]
    paths = dict.fromkeys(key for settings in flat for key in settings)
    rows = [
        DifferingSetting(path, _section(path), _label(path), _cells(path, flat))
        for path in paths
        if any(settings.get(path) != flat[0].get(path) for settings in flat)
    ]
    return [*(row for row in rows if row.path == "name"), *_reward_rows(whole), *(r for r in rows if r.path != "name")]


def table_html(rows: Sequence[DifferingSetting], runs: Sequence[ComparedRun]) -> str:
    heads = "".join(f'<th scope="col">{line_html(run.look)} {as_html(run.look.label)}</th>' for run in runs)
    body = "".join(
        f'<tr><td>{as_html(row.label)}<div class="lab-small">{as_html(row.section)}</div></td>'
        + "".join(f"<td>{as_html(value)}</td>" for value in row.values)
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="lab-scroll"><table class="lab-table lab-compare" aria-label="Settings that differ">'
        f'<thead><tr><th scope="col">Setting</th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def from_the_difference(texts: Sequence[str]) -> tuple[str, ...]:
    """Texts of one row, short enough for a cell: all of each, or from a little before their first difference."""
    if max(map(len, texts)) <= CELL:
        return tuple(one_line(text, CELL) for text in texts)
    alike = next(
        (i for i, letters in enumerate(zip(*texts, strict=False)) if len(set(letters)) > 1), min(map(len, texts))
    )
    start = max(0, alike - LEAD)
    ahead = "…" if start else ""
    return tuple(ahead + one_line(text[start:], CELL) for text in texts)


def _of_reward(path: str) -> bool:
    return path.startswith("rewards[") or path == "rewards"


def _section(path: str) -> str:
    return next((section.title for section in SECTIONS if section.holds(path)), "")


def _label(path: str) -> str:
    return CONTROL[path].label if path in CONTROL else path


def _cells(path: str, flat: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    values = [_words(path, settings) for settings in flat]
    return from_the_difference(values)


def _words(path: str, settings: Mapping[str, Any]) -> str:
    """The value as a person writes it, and whether it means anything beside the others of its run."""
    value = settings.get(path)
    choice = CONTROL[path].word(value) if path in CONTROL and isinstance(value, str) else None
    words = choice if choice else shown_setting(path, value)
    return words if in_scope(path, settings.get) else f"{words} (without effect here)"


def _reward_rows(configs: Sequence[RunConfig]) -> list[DifferingSetting]:
    """Weights, and the settings of reward functions, that differ; a function that a run does not have is `not used`."""
    names = dict.fromkeys(spec.name for config in configs for spec in config.rewards)
    by_name = [{spec.name: spec for spec in config.rewards} for config in configs]
    rows = []
    for name in names:
        specs = [found.get(name) for found in by_name]
        weights = [ABSENT if spec is None else _weight(spec.weight) for spec in specs]
        if len(set(weights)) > 1:
            rows.append(DifferingSetting(f"rewards.{name}", "Rewards", f"{name}: weight", tuple(weights)))
        labels = _param_labels(next(spec for spec in specs if spec is not None))
        for param in dict.fromkeys(key for spec in specs if spec is not None for key in spec.params):
            values = [None if spec is None else spec.params.get(param) for spec in specs]
            there = [value for value, spec in zip(values, specs, strict=True) if spec is not None]
            if any(value != there[0] for value in there):
                words = [ABSENT if s is None else shown_value(v) for v, s in zip(values, specs, strict=True)]
                label = f"{name}: {labels.get(param, param)}"
                rows.append(DifferingSetting(f"rewards.{name}.{param}", "Rewards", label, from_the_difference(words)))
    return rows


def _param_labels(spec: RewardSpec) -> dict[str, str]:
    info = info_of(spec)
    if info is None:
        return {}
    return {control.path.rpartition(".")[2]: control.label.lower() for control in controls(info.params, "p")}


def _weight(weight: float) -> str:
    return "0 (a monitor)" if weight == 0 else shown_value(weight)
