"""Forking from the pages: the dialog of Run and Runs, and New run as a fork. No engine is started."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views import fork_dialog, form_check
from engine.check_client import Check
from engine.config import RunConfig
from engine.errors import LabError
from engine.runs.best import Best, write_best
from engine.runs.launch import Launched
from engine.runs.lease import Lease
from engine.runs.lineage import Origin
from engine.runs.paths import RunPaths
from tests.fakes import write_fake_run
from tests.pages.reading import in_url, open_page, words
from tests.unit.runs.test_fork import with_checkpoints

Forks = list[tuple[str, int, RunConfig]]


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> Forks:
    """What was forked; each fork is a fake run."""
    done: Forks = []

    def fork_run(root: Path, parent_id: str, step: int, config: RunConfig) -> Launched:
        done.append((parent_id, step, config))
        run_id = f"fork-{len(done)}"
        write_fake_run(root, run_id, steps=2, prompts=1, group_size=2)
        return Launched(run_id, created=True)

    monkeypatch.setattr(fork_dialog, "fork_run", fork_run)
    monkeypatch.setattr(form_check, "fork_run", fork_run)
    monkeypatch.setattr(form_check, "check_in_child", lambda *_args, **_options: Check())
    return done


def opened(run_id: str, **query: str) -> AppTest:
    """The Run page with the dialog open."""
    return click(open_page("run", run=run_id, **query), "run.fork")


def good(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def click(app: AppTest, key: str) -> AppTest:
    return good(app.button(key=key).click().run())


def field(app: AppTest, path: str):
    found = [w for kind in ("text_input", "number_input", "selectbox", "toggle") for w in getattr(app, kind)]
    (widget,) = [w for w in found if w.key and w.key.endswith(f".{path}")]
    return widget


def checkpoint(app: AppTest):
    return field(app, "checkpoint")


def test_fork_from_a_step_with_another_beta_takes_three_actions(root: Path, forks: Forks) -> None:
    with_checkpoints(root, 10, 15)
    app = opened("parent", step="12")
    good(field(app, "loss.beta").set_value("0.5").run())
    app = click(app, "fork.start")
    (parent, step, config), *others = forks
    assert (parent, step, config.loss.beta, config.name, others) == ("parent", 10, 0.5, "parent 2", [])
    assert in_url(app, "run") == "fork-1"
    assert fork_dialog.ASKED not in app.session_state


@pytest.mark.parametrize(("query", "expected"), [({}, 20), ({"step": "15"}, 10), ({"step": "3"}, 10)])
def test_the_checkpoint_nearest_to_the_shown_step_is_offered_first(
    root: Path, query: dict[str, str], expected: int
) -> None:
    with_checkpoints(root, 10, 20)
    assert checkpoint(opened("parent", **query)).value == expected


def test_the_best_checkpoint_is_named_as_such(root: Path) -> None:
    paths = with_checkpoints(root, 10, 15)
    write_best(paths.checkpoints, Best(10, "pass_at_1", 0.784))
    options = checkpoint(opened("parent")).options
    assert options == ["step 15", "step 10, the best held-out pass@1: 78.4 %"]


def test_another_checkpoint_can_be_chosen_and_the_steps_make_room(root: Path, forks: Forks) -> None:
    with_checkpoints(root, 10, 20)  # the parent's steps end at 20
    app = opened("parent", step="10")
    assert field(app, "optim.max_steps").value == 20
    app = good(checkpoint(app).select(20).run())
    assert field(app, "optim.max_steps").value == 40
    click(app, "fork.start")
    assert (forks[0][1], forks[0][2].optim.max_steps) == (20, 40)


def test_what_will_differ_is_said(root: Path) -> None:
    with_checkpoints(root, 10)
    app = opened("parent")
    assert "The same settings: it does what the parent did." in words(app)
    app = good(field(app, "rollout.temperature").set_value("0.7").run())
    assert "Changed: Temperature 1 → 0.7" in words(app)
    assert "Goes on after step 10 with 10 more steps." in words(app)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("loss.beta", "much", "'much' is not accepted"),
        ("optim.max_steps", 10, "10 is not more than 10, the step that the fork starts from."),
    ],
)
def test_a_value_that_cannot_be_is_told_and_starts_nothing(
    root: Path, forks: Forks, path: str, value: str | int, told: str
) -> None:
    with_checkpoints(root, 10)
    app = opened("parent")
    good(field(app, path).set_value(value).run())
    app = click(app, "fork.start")
    assert any(told.replace("'", "&#x27;") in element.proto.body for element in app.get("html"))
    assert "Correct what is marked first." in words(app) and forks == []


def test_a_fork_that_fails_says_why_in_the_dialog(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Launched:
        raise LabError("The checkpoint is cut.", hint="Choose an older one.")

    monkeypatch.setattr(fork_dialog, "fork_run", refuse)
    with_checkpoints(root, 10)
    app = click(opened("parent"), "fork.start")
    assert r"The checkpoint is cut\. Choose an older one\." in words(app)


def test_without_a_checkpoint_words_and_a_clone_are_offered(root: Path) -> None:
    write_fake_run(root, "bare", steps=2)
    app = opened("bare")
    assert "This run has no checkpoint to go on from." in words(app)
    app = click(app, "fork.clone")
    assert in_url(app, "clone") == "bare"


def test_a_live_run_can_be_forked(root: Path, forks: Forks) -> None:
    paths = with_checkpoints(root, 10, run_id="live")
    with Lease(paths.lock):
        click(opened("live"), "fork.start")
    assert [(parent, step) for parent, step, _ in forks] == [("live", 10)]


def test_a_dialog_that_was_left_open_does_not_follow_to_another_page(root: Path) -> None:
    with_checkpoints(root, 10)
    app = opened("parent")
    app = good(app.switch_page("app_pages/runs.py").run())
    assert fork_dialog.ASKED not in app.session_state


def test_the_runs_page_forks_the_newest_checkpoint_of_the_selected_run(root: Path, forks: Forks) -> None:
    with_checkpoints(root, 10, 15)
    app = open_page("runs")
    app.session_state["runs.table"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app = click(good(app.run()), "runs.fork")
    assert checkpoint(app).value == 15
    click(app, "fork.start")
    assert forks[0][:2] == ("parent", 15)


def test_more_settings_takes_over_what_was_changed(root: Path, forks: Forks) -> None:
    with_checkpoints(root, 10)
    app = opened("parent")
    good(field(app, "loss.beta").set_value("0.5").run())
    app = click(app, "fork.more")
    assert (in_url(app, "fork"), in_url(app, "step")) == ("parent", "10")
    assert app.title[0].value == "Fork a run"
    assert any("0.04 → <b>0.5</b>" in element.proto.body for element in app.get("html"))


def new_run(**query: str) -> AppTest:
    return good(open_page("new_run", **query))


def test_on_new_run_what_the_checkpoint_fixes_cannot_be_changed(root: Path) -> None:
    with_checkpoints(root, 10)
    app = new_run(fork="parent", step="10")
    fixed = {path: field(app, path).disabled for path in ("model.source", "model.adapter", "model.lora_rank")}
    assert fixed == dict.fromkeys(fixed, True)
    assert not field(app, "loss.beta").disabled and not field(app, "name").disabled


def test_on_new_run_start_forks_and_the_command_says_how(root: Path, forks: Forks) -> None:
    with_checkpoints(root, 10)
    app = new_run(fork="parent", step="10")
    assert "grpo-lab fork parent --step 10 --config config.json" in words(app)
    assert app.button(key="new_run.start").label == "Start fork"
    good(field(app, "loss.beta").set_value("0.5").run())
    app = click(app, "new_run.start")
    assert [(parent, step, config.loss.beta) for parent, step, config in forks] == [("parent", 10, 0.5)]
    assert in_url(app, "run") == "fork-1"


def test_on_new_run_the_steps_have_to_lie_beyond_the_checkpoint(root: Path, forks: Forks) -> None:
    with_checkpoints(root, 10)
    app = new_run(fork="parent", step="10")
    good(field(app, "optim.max_steps").set_value(10).run())
    app = click(app, "new_run.start")
    assert forks == [] and "To correct first: Budget (1)." in words(app)


def test_a_fork_can_become_a_clone_which_remembers_its_parent(
    root: Path, forks: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_checkpoints(root, 10)
    started: list[Origin | None] = []

    def start_run(where: Path, _config: RunConfig, origin: Origin | None = None) -> Launched:
        started.append(origin)
        return Launched(write_fake_run(where, "clone-1", steps=1).run_id, created=True)

    monkeypatch.setattr(form_check, "start_run", start_run)
    app = click(new_run(fork="parent", step="10"), "new_run.as_clone")
    assert app.title[0].value == "New run" and in_url(app, "clone") == "parent" and in_url(app, "fork") is None
    assert not field(app, "model.adapter").disabled
    good(field(app, "loss.beta").set_value("0.5").run())
    click(app, "new_run.start")
    assert started == [Origin("clone", "parent", 0, "parent", ("loss.beta",))]


def test_opening_new_run_again_is_no_fork_any_more(root: Path) -> None:
    with_checkpoints(root, 10)
    app = new_run(fork="parent", step="10")
    for key in ("fork", "step"):
        del app.query_params[key]
    app = good(app.run())
    assert app.title[0].value == "New run" and not field(app, "model.adapter").disabled


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"fork": "../../etc"}, "there is no such run"),
        ({"fork": "bare", "step": "5"}, "it has no checkpoint to go on from"),
    ],
)
def test_a_fork_that_cannot_be_leaves_the_form_usable(root: Path, query: dict[str, str], told: str) -> None:
    write_fake_run(root, "bare", steps=2)
    app = new_run(**query)
    assert any(told in element.proto.body for element in app.get("html"))
    assert app.title[0].value == "New run"


def test_the_settings_of_a_run_that_are_not_valid_are_one_sentence(root: Path) -> None:
    paths: RunPaths = with_checkpoints(root, 10)
    app = open_page("runs")
    app.session_state["runs.table"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    good(app.run())
    paths.config.write_text(paths.config.read_text().replace('"max_steps": 20', '"max_steps": -1'))
    app = good(click(app, "runs.fork").run())
    assert "optim" in words(app) and "not accepted" in words(app)
