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
from engine.preflight.folder import is_preflight
from engine.runs.paths import RunPaths, parse_config_of

CHANGES: Final = "what_if.changes"
REVISIONS: Final = "what_if.revisions"


class WhatIfState:
    """The changes to one run. Widgets start from `value`; their keys hold a revision, and a new one makes them start
    anew. Their session state is never written: a browser that is slower than a live page would not hear of it.
    """

    def __init__(self, paths: RunPaths, config: RunConfig) -> None:
        self.paths, self.run_id, self.config = paths, paths.run_id, config
        self.draft: dict[str, Any] = config.model_dump(mode="json")
        everything: dict[str, dict[str, Any]] = st.session_state.setdefault(CHANGES, {})
        self.changes = everything.setdefault(paths.run_id, {})
        self._revisions: dict[str, int] = st.session_state.setdefault(REVISIONS, {})

    def name(self, part: str) -> str:
        """The session key of a part of this run's panel."""
        return f"what_if.{self.run_id}.{part}"

    def key(self, path: str) -> str:
        """The session key of the widget that edits this setting."""
        return self.name(f"{path}.{self._revisions.get(path, 0)}")

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

    def take(self, path: str, read: Callable[[Any], Any] = lambda shown: shown) -> Callable[[], None]:
        """A callback that takes over what the widget of this setting shows."""
        return lambda: self.set(path, read(st.session_state[self.key(path)]))

    def put(self, path: str, value: Any) -> None:
        """Change a setting that another widget shows."""
        self.set(path, value)
        self._start_anew(path)

    def reset(self) -> None:
        for path in list(self.changes):
            self._start_anew(path)
        self.changes.clear()

    def _start_anew(self, path: str) -> None:
        self._revisions[path] = self._revisions.get(path, 0) + 1

    def after(self) -> RunConfig:
        """The run's configuration with the changes. Raises ConfigError when they do not fit together."""
        draft = json.loads(json.dumps(self.draft))
        for path, value in self.changes.items():
            set_value(draft, path, value)
        return parse_config_of(self.paths, draft)

    def in_url(self, after: RunConfig) -> dict[str, str]:
        """What the form for a new run needs in its URL to clone this run with the changes filled in."""
        changes = {field: new for field, _, new in config_diff(self.config, after)}
        if is_preflight(self.paths):  # the form is still there, and takes the changes
            return {state.CHANGES: json.dumps(changes)} if changes else {}
        return {state.CLONE: self.run_id} | ({state.CHANGES: json.dumps(changes)} if changes else {})
