"""The settings that a what-if tries on a run: what was changed in this browser session, and the configuration it makes.

They stay while groups and steps are looked at. A change is a dotted field with its new value, as config_diff names it.
"""

import json
from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from dashboard import state
from dashboard.views.form_model import get_value, set_value
from engine.config import RunConfig
from engine.config_io import config_diff
from engine.config_scope import in_scope
from engine.runs.paths import RunPaths, parse_config_of

CHANGES: Final = "what_if.changes"
REVISION: Final = "what_if.revision"
FIELDS: Final = (
    "loss.loss_type", "loss.scale_rewards", "loss.multi_objective_aggregation", "loss.baseline",
    "rollout.num_generations", "loss.epsilon", "loss.epsilon_high",
)  # fmt: skip


class WhatIfState:
    """The changes to one run. A widget's key holds a revision: a new one makes all widgets start anew."""

    def __init__(self, paths: RunPaths, config: RunConfig) -> None:
        self.paths, self.run_id, self.config = paths, paths.run_id, config
        self.draft: dict[str, Any] = config.model_dump(mode="json")
        everything: dict[str, dict[str, Any]] = st.session_state.setdefault(CHANGES, {})
        self.changes = everything.setdefault(paths.run_id, {})

    def key(self, path: str) -> str:
        return f"what_if.{self.run_id}.{st.session_state.get(REVISION, 0)}.{path}"

    def widget(self, path: str, kind: Callable[[Any], Any] = lambda value: value) -> str:
        """The key of the widget of this setting, which starts from the value that is tried, as a `kind` of number.

        Set only once: a live page is drawn every second, and must not take away what is being typed.
        """
        key, value = self.key(path), self.value(path)
        if key not in st.session_state:
            st.session_state[key] = None if value is None else kind(value)
        return key

    def own(self, path: str) -> Any:
        """The run's value of this setting."""
        return get_value(self.draft, path)

    def value(self, path: str) -> Any:
        """The value that is tried."""
        return self.changes.get(path, self.own(path))

    def applies(self, path: str) -> bool:
        """Whether this setting means anything with the others as they are tried."""
        return in_scope(path, self.value)

    def set(self, path: str, value: Any) -> None:
        if value == self.own(path):
            self.changes.pop(path, None)
        else:
            self.changes[path] = value

    def take(self, path: str) -> Callable[[], None]:
        """A callback that takes over what the widget of this setting shows."""
        return lambda: self.set(path, st.session_state[self.key(path)])

    def put(self, path: str, value: Any) -> None:
        """Change a setting and what its widget shows. In a callback."""
        self.set(path, value)
        st.session_state[self.key(path)] = value

    def reset(self) -> None:
        self.changes.clear()
        st.session_state[REVISION] = st.session_state.get(REVISION, 0) + 1

    def after(self) -> RunConfig:
        """The run's configuration with the changes. Raises ConfigError when they do not fit together."""
        draft = json.loads(json.dumps(self.draft))
        for path, value in self.changes.items():
            set_value(draft, path, value)
        return parse_config_of(self.paths, draft)

    def start_run(self, after: RunConfig) -> None:
        """Go to the form for a new run, with this run cloned and the changes filled in."""
        changes = {field: new for field, _, new in config_diff(self.config, after)}
        state.go(state.NEW_RUN_PAGE, clone=self.run_id, **({state.CHANGES: json.dumps(changes)} if changes else {}))
