"""The New-run form's memory: the draft, what it was cloned from, and what was checked. One for each browser session.

The draft is the truth. Widgets start from it and are read back at the top of each script run (`collect`), so it
survives a visit to another page, which widgets do not. Replacing the draft raises `revision`, which is part of every
widget's key: all widgets then start anew.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import streamlit as st

from dashboard.views.form_model import Control, Draft, controls, from_widget, get_value, set_value
from dashboard.views.form_sections import ALL_CONTROLS, is_shown
from engine.check_client import Check
from engine.config import RewardSpec, RunConfig
from engine.config_data import GYM, DataSource
from engine.config_io import dump_config, flatten, parse_config, spelled_out
from engine.data.gym import GymParams
from engine.data.tasks.registry import TASKS, is_task
from engine.errors import ConfigError, Problem
from engine.file_stamps import Stamps, changed, stamps_of
from engine.presets import PRESETS
from engine.rewards.info import RewardInfo
from engine.rewards.registry import REWARDS
from engine.runs.fork import FIXED, changed_settings, fork_problems
from engine.runs.lineage import Origin
from engine.trl.config import TrlImport

FORM: Final = "new_run.form"


@dataclass
class FormState:
    """`checked` is the JSON of the configuration that `check` is about, `checked_files` what the files that it reads
    looked like, and `checked_in` where relative paths begin.

    `origin` says what filled the form; `parent` and `parent_id` are the run whose settings did, and `fork_step` is the
    checkpoint of it that is gone on from; `prefix` begins the keys of the widgets; `starting` is the draft that Start
    was pressed for, while that is under way; `to_open` are sections to open when the page is drawn next; `notes` say
    what is wrong with uploaded or pasted data, and `data_kinds` which kind of source was chosen, each by the place of
    the source in the draft; `failure` is about the start; `translation` says what became of the TRL config that filled
    the form; `preflight` is the id of the pre-flight that is shown; `lowered` is how many examples were to be held out
    and to be asked before data with too few rows were chosen, and how many are held out since.
    """

    draft: Draft
    origin: str
    revision: int = 0
    parent: RunConfig | None = None
    parent_id: str = ""
    fork_step: int | None = None
    prefix: str = "new_run"
    checked: str = ""
    checked_files: Stamps = field(default_factory=dict)
    checked_in: Path | None = None
    check: Check | None = None
    starting: Draft | None = None
    failure: str = ""
    to_open: list[str] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)
    data_kinds: dict[str, str] = field(default_factory=dict)
    translation: TrlImport | None = None
    preflight: str = ""
    lowered: tuple[int, int, int] | None = None

    def key(self, path: str) -> str:
        """The session key of the widget that edits this path."""
        return f"{self.prefix}.{self.revision}.{path}"

    def load(self, config: RunConfig, origin: str) -> None:
        """Fill the form with a configuration."""
        self._fill(spelled_out(config).model_dump(mode="json"), origin)

    def load_child(self, config: RunConfig, origin: str, parent: RunConfig, parent_id: str, step: int | None) -> None:
        """Fill the form for a run that comes from another one: a clone, or a fork of its checkpoint of `step`."""
        self.load(config, origin)
        self.parent, self.parent_id, self.fork_step = spelled_out(parent), parent_id, step

    def load_translation(self, result: TrlImport) -> None:
        """Fill the form with what became of a TRL config, which may need more before it is whole."""
        self._fill(result.settings, "trl")
        self.translation = result

    def _fill(self, draft: Draft, origin: str) -> None:
        self.draft, self.origin, self.translation = draft, origin, None
        self.parent, self.parent_id, self.fork_step = None, "", None
        self.checked, self.check, self.starting, self.failure = "", None, None, ""
        self.preflight, self.notes, self.data_kinds, self.lowered = "", {}, {}, None
        self.redraw()

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set these dotted settings. Raises ConfigError, and changes none, when they do not exist or do not fit."""
        draft: Draft = json.loads(json.dumps(self.draft))
        known = flatten(RunConfig.model_validate(draft))
        if unknown := [path for path in changes if path not in known]:
            raise ConfigError([Problem(path, "there is no such setting in this run.") for path in unknown])
        for path, value in changes.items():
            set_value(draft, path, value)
        parse_config(draft)
        self.draft = draft
        self.redraw()

    def redraw(self) -> None:
        """Start every widget anew from the draft: after a change that did not come from its own widget."""
        self.revision += 1

    def value(self, path: str, default: Any = None) -> Any:
        return get_value(self.draft, path, default)

    def parsed(self) -> tuple[RunConfig | None, list[Problem]]:
        """The draft as a RunConfig, or all that is wrong with it."""
        try:
            return parse_config(self.draft), []
        except ConfigError as error:
            return None, error.problems

    def is_fixed(self, path: str) -> bool:
        """Whether the checkpoint that is gone on from leaves no choice here."""
        return self.fork_step is not None and path in FIXED

    def fork_problems(self, config: RunConfig) -> list[Problem]:
        """What keeps this configuration from going on from the checkpoint; nothing when it need not."""
        if self.parent is None or self.fork_step is None:
            return []
        return fork_problems(self.parent, config, self.fork_step)

    def clone_origin(self, config: RunConfig) -> Origin | None:
        """What the run that starts remembers of the one whose settings it had; None when it had none's."""
        if self.parent is None:
            return None
        return Origin("clone", self.parent_id, 0, self.parent.name, changed_settings(self.parent, config))

    def check_problems(self, config: RunConfig) -> list[Problem]:
        """What the check found wrong, if it was about exactly this configuration."""
        return list(self.check.problems) if self.check is not None and self.is_checked(config) else []

    def take_check(self, config: RunConfig, check: Check, cwd: Path | None) -> None:
        """Remember what was found. After the check, so that a file which is written all the time lets a run start."""
        self.check, self.checked, self.checked_in = check, dump_config(config), cwd
        self.checked_files = stamps_of(config, cwd)

    def is_checked(self, config: RunConfig) -> bool:
        """Whether the check was about exactly this configuration, and about the files that it reads as they are."""
        return self.checked == dump_config(config) and not self.changed_files(config)

    def changed_files(self, config: RunConfig) -> list[str]:
        """Names of the files that are not as they were at the check."""
        return changed(self.checked_files, stamps_of(config, self.checked_in))


def section_key(section: str) -> str:
    """The session key that holds whether a section is open."""
    return f"new_run.open.{section}"


def form_state() -> FormState:
    """This session's form; a new one holds the first preset."""
    if FORM not in st.session_state:
        first = PRESETS[0]
        st.session_state[FORM] = FormState(
            spelled_out(first.config).model_dump(mode="json"), origin=f"preset:{first.key}"
        )
    form: FormState = st.session_state[FORM]
    return form


def collect(form: FormState) -> None:
    """Take what the widgets show into the draft."""
    for control in (*ALL_CONTROLS, *list_controls(form.draft)):
        key = form.key(control.path)
        if key in st.session_state:
            set_value(form.draft, control.path, from_widget(control, st.session_state[key]))


def open_sections(form: FormState) -> None:
    """Open the sections that asked for it. Before they are drawn."""
    for key in form.to_open:
        st.session_state[section_key(key)] = True
    form.to_open = []


def anchors(form: FormState) -> list[str]:
    """The places of the form at which a problem can stand."""
    fields = [control.path for control in ALL_CONTROLS if is_shown(control, form.draft)]
    cards = [f"rewards[{index}]" for index, _ in enumerate(form.value("rewards", []))]
    sources = ["data.params", "data.mixture"]
    for index, _ in enumerate(form.value("data.mixture", [])):
        sources += [f"data.mixture[{index}]", f"data.mixture[{index}].params"]
    return [*fields, *cards, "rewards", *sources, *(control.path for control in list_controls(form.draft))]


def list_controls(draft: Draft) -> list[Control]:
    """The controls that there are because of what the draft holds: of rewards, tasks, and sources that are mixed in."""
    return [*reward_controls(draft), *task_controls(draft), *mixture_controls(draft)]


def reward_controls(draft: Draft) -> Iterable[Control]:
    """The controls of every reward in the list: its weight, and the settings of its function."""
    for index, spec in enumerate(get_value(draft, "rewards", [])):
        yield from controls(RewardSpec, f"rewards[{index}]")
        yield from params_controls(index, spec)


def task_controls(draft: Draft, prefix: str = "data") -> list[Control]:
    """The controls for the settings of the task that a source names; none for other data."""
    source = str(get_value(draft, f"{prefix}.source"))
    section = TASKS[source].params if is_task(source) else GymParams if source.startswith(GYM) else None
    return [] if section is None else list(controls(section, f"{prefix}.params"))


def mixture_controls(draft: Draft) -> Iterable[Control]:
    """The controls of every source that is mixed in: where it is, how its rows are read, and its task's settings."""
    for index, _ in enumerate(get_value(draft, "data.mixture") or ()):
        prefix = f"data.mixture[{index}]"
        yield from controls(DataSource, prefix)
        yield from task_controls(draft, prefix)


def draft_info(spec: Any) -> RewardInfo | None:
    """What the library says of a reward in a draft, which may hold anything; None for one that is not in it."""
    return REWARDS.get(str(get_value({"spec": spec}, "spec.function") or get_value({"spec": spec}, "spec.name", "")))


def params_controls(index: int, spec: Any) -> list[Control]:
    """The controls for the settings of one reward; none for a reward that is not in the library."""
    info = draft_info(spec)
    return [] if info is None else list(controls(info.params, f"rewards[{index}].params"))
