"""Opening a page and reading what it shows from an AppTest: its HTML as text, and the data of our own components."""

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.config import RewardSpec
from engine.runs import status
from engine.runs.paths import RunPaths
from engine.runs.status import State
from engine.runs.store import StoreWriter
from tests.fake_records import FakeRun
from tests.fakes import fake_config, write_fake_run

APP = Path(__file__).parents[2] / "dashboard" / "app.py"


def open_page(page: str, **query: str) -> AppTest:
    """The page "run" or "groups" with this URL."""
    app = AppTest.from_file(APP, default_timeout=30).run()
    app.switch_page(f"app_pages/{page}.py")
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def write_run_with_loss(root: Path, run_id: str, *, steps: int, **loss: object) -> RunPaths:
    """A finished fake run that differs from the others in these settings of its loss."""
    config = fake_config(name=run_id, steps=steps)
    config = config.model_copy(update={"loss": config.loss.model_copy(update=loss)})
    return write_fake_run(root, run_id, steps=steps, config=config)


def write_logging_run(root: Path, run_id: str, *, steps: int, name: str) -> RunPaths:
    """A run with a reward of the user's own that gives a number of this name to log_metric: its step."""
    config = fake_config(name=run_id, steps=steps)
    own = RewardSpec(name="exact_match", function="python_file", params={"path": "mine.py"})
    config = config.model_copy(update={"rewards": (own, *config.rewards[1:])})
    paths = write_fake_run(root, run_id, steps=0, config=config)
    store = StoreWriter(paths.db)
    for step in range(1, steps + 1):
        store.commit_step(replace(FakeRun(config).step(step), logged={"exact_match": {name: float(step)}}))
    store.close()
    return paths


def one_look_earlier(monkeypatch: pytest.MonkeyPatch, paths: RunPaths, state: State) -> list[State]:
    """The first look of a page at this run finds it in another state. Returns the states that were found."""
    look, seen = status.run_status, list[State]()

    def run_status(asked: RunPaths) -> status.RunStatus:
        found = look(asked)
        seen.append(found.state if seen else state)
        return replace(found, state=seen[-1])

    monkeypatch.setattr(status, "run_status", run_status)
    return seen


def browser_reports(monkeypatch: pytest.MonkeyPatch, module: ModuleType, component: str, name: str, value: Any) -> None:
    """The component of this module reports a value once, in the next run of the script, as a click in a browser does.

    AppTest cannot click on it, so its callback runs where the page draws it, with this value in the session.
    """
    draw, reports = getattr(module, component), [value]

    def reporting(*, key: str, **given: Any) -> Any:
        found, heard = draw(key=key, **given), given.get(f"on_{name}_change")
        if heard is None or not reports:
            return found
        session = {key: {name: reports.pop()}}
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(st, "session_state", session)
                heard()
        finally:  # it may leave for another page
            st.session_state.update({name: value for name, value in session.items() if name != key})
        return found

    monkeypatch.setattr(module, component, reporting)


def html_text(app: AppTest) -> str:
    """The text of every st.html, without tags and styles."""
    bodies = [element.proto.body for element in app.get("html") if not element.proto.body.startswith("<style>")]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", " ".join(bodies)))).replace("\u00a0", " ")


def raw_html(app: AppTest) -> str:
    return " ".join(element.proto.body for element in app.get("html"))


def boxes(app: AppTest) -> list[str]:
    """The texts of dashboard/views/box.py, in order."""
    bodies = [element.proto.body for element in app.get("html")]
    return [unescape(re.sub("<[^>]+>", "", body)) for body in bodies if body.startswith('<div class="lab-box')]


def component(app: AppTest, key: str) -> dict[str, Any]:
    """The data of one of our components, by its key."""
    (found,) = (e for e in app.get("bidi_component") if e.proto.id.endswith(f"-{key}"))
    return json.loads(found.proto.json)


def charts(app: AppTest) -> dict[str, dict[str, Any]]:
    """The charts of the Run page by their key."""
    return {item["key"]: item for item in component(app, "run_charts")["items"]}


def charts_of(app: AppTest, key: str) -> dict[str, dict[str, Any]]:
    """The charts of another board by their key."""
    return {item["key"]: item for item in component(app, key)["items"]}


def kpis(app: AppTest) -> dict[str, dict[str, Any]]:
    return {item["key"]: item for item in component(app, "run_kpis")["items"]}


def words(app: AppTest) -> str:
    """Everything that Streamlit's own text elements say."""
    elements = (*app.title, *app.subheader, *app.markdown, *app.caption, *app.text, *app.info, *app.warning, *app.error)
    return " ".join(str(element.value) for element in (*elements, *app.code)) + " " + " ".join(boxes(app))


def buttons(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def in_url(app: AppTest, key: str) -> str | None:
    """A value of the URL after the script ran; AppTest gives a list after a change of page."""
    value = app.query_params.get(key)
    return value[0] if isinstance(value, list) else value
