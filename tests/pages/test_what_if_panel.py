"""The panel "What if" of the Groups page: what is tried, what it would have changed, the run that starts with it."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views.form_state import FORM
from engine.config_loss import LossConfig
from engine.runs.reader import RunReader
from tests.fakes import fake_config, write_fake_run
from tests.pages.reading import component, html_text, in_url, open_page, words, write_run_with_loss

HALF, DROP, USE = "half", "drop", "use"


def opened(run_id: str = "run", **query: str) -> AppTest:
    app = open_page("groups", run=run_id, panel="what_if", **query)
    assert not app.exception
    return app


def press(app: AppTest, end: str, at: int = 0) -> AppTest:
    """A button of the panel by the end of its key."""
    app = [button for button in app.button if button.key and button.key.endswith(f".{end}")][at].click().run()
    assert not app.exception
    return app


def field(app: AppTest, path: str) -> Any:
    """The widget of a setting; its key ends with the setting and a revision."""
    widgets = (*app.number_input, *app.selectbox, *app.text_input)
    (found,) = (widget for widget in widgets if widget.key and f".{path}." in widget.key)
    return found


def table(app: AppTest) -> str:
    return html_text(app).split("weight per token")[-1]


def kpi(app: AppTest, key: str) -> dict[str, Any]:
    return {item["key"]: item for item in component(app, "what_if_kpis")["items"]}[key]


def start_link(app: AppTest, disabled: bool = False) -> dict[str, str]:
    """The URL values of the link to the form for a new run."""
    (link,) = (e.proto for e in app.get("page_link") if e.proto.label == "Start a run with these settings")
    assert link.page.endswith("new_run") and link.disabled == disabled
    return dict(parse_qsl(link.query_string))


def clone_of(app: AppTest) -> dict[str, Any]:
    return app.session_state[FORM].draft


@pytest.fixture
def run(root: Path) -> None:
    write_fake_run(root, "run", steps=12)


@pytest.mark.usefixtures("run")
def test_at_first_everything_is_as_in_the_run() -> None:
    app = opened(step="3", group="1")
    assert "the same advantages as in the run" in html_text(app)
    assert "→" not in table(app)
    assert kpi(app, "dead")["change"] == "= 0 points" and kpi(app, "push")["note"] == "as before"
    assert "**The whole run**, over all 12 steps" in words(app)
    assert field(app, "rewards[1].weight").value == 0.3 and field(app, "rollout.num_generations").value == 8
    charts = {item["key"]: item for item in component(app, "what_if_charts")["items"]}
    assert set(charts) == {"what-if-dead", "what-if-push"} and all(item["figure"] for item in charts.values())


@pytest.mark.usefixtures("run")
def test_half_a_weight_is_one_click_and_changes_totals() -> None:
    app = press(opened(step="3", group="1"), HALF, at=1)
    assert field(app, "rewards[1].weight").value == 0.15
    assert "1.300 → 1.150" in table(app)
    assert field(press(app, HALF, at=1), "rewards[1].weight").value == 0.075


@pytest.mark.usefixtures("run")
def test_a_dropped_reward_changes_which_groups_have_signal_and_can_be_taken_back() -> None:
    app = press(opened(step="3", group="1"), DROP, at=1)
    assert field(app, "rewards[1].weight").value == 0.0
    assert re.search(r"\d+ % before", kpi(app, "dead")["note"])
    app = press(app, USE)
    assert field(app, "rewards[1].weight").value == 0.3
    assert "the same advantages as in the run" in html_text(app)


@pytest.mark.usefixtures("run")
def test_without_any_weight_the_reason_stands_in_place_of_numbers() -> None:
    app = press(press(opened(step="3"), DROP), DROP)
    assert "every weight is 0, so nothing is trained" in " ".join(e.value for e in app.error)
    assert start_link(app, disabled=True) == {}
    assert "The whole run" not in words(app)
    app = next(b for b in app.button if b.label == "Reset").click().run()
    assert "the same advantages as in the run" in html_text(app) and not app.error


@pytest.mark.usefixtures("run")
def test_the_settings_stay_while_groups_steps_and_panels_are_looked_at() -> None:
    app = press(opened(step="3", group="1"), HALF, at=1)
    app.query_params["step"], app.query_params["group"] = "5", "2"
    app.run()
    assert field(app, "rewards[1].weight").value == 0.15
    app.query_params["panel"] = "tokens"
    app.run()
    app.query_params["panel"] = "what_if"
    app.run()
    assert field(app, "rewards[1].weight").value == 0.15 and "1.300 → 1.150" in table(app)
    assert not app.exception


def test_each_run_has_settings_of_its_own(root: Path) -> None:
    for name in ("one", "two"):
        write_fake_run(root, name, steps=3)
    app = press(opened("one", step="3"), HALF)
    app.query_params["run"] = "two"
    assert field(app.run(), "rewards[0].weight").value == 1.0
    app.query_params["run"] = "one"
    assert field(app.run(), "rewards[0].weight").value == 0.5


@pytest.mark.usefixtures("run")
def test_scale_and_loss_type_change_advantages_and_weights() -> None:
    app = opened(step="3", group="1")
    app = field(app, "loss.scale_rewards").set_value("none").run()
    assert "not the same advantages" in html_text(app) and "→" in table(app)
    app = field(app, "loss.scale_rewards").set_value("group").run()
    app = field(app, "loss.loss_type").set_value("luspo").run()
    assert "the same advantages" in html_text(app) and "→" in table(app)
    assert float(kpi(app, "push")["value"].removeprefix("× ")) > 1 and kpi(app, "push")["note"] == "stronger"


@pytest.mark.usefixtures("run")
def test_what_does_not_apply_is_disabled_and_the_page_says_why() -> None:
    app = opened(step="3")
    assert not field(app, "loss.scale_rewards").disabled
    assert "with one update per batch every ratio is exactly 1" in words(app)
    app = field(app, "loss.multi_objective_aggregation").set_value("normalize_then_sum").run()
    assert field(app, "loss.scale_rewards").disabled and "“Scale rewards” does not matter" in words(app)
    app = field(app, "loss.loss_type").set_value("sapo").run()
    assert field(app, "loss.epsilon").disabled and "sapo has no clip" in words(app)


@pytest.mark.usefixtures("run")
def test_a_smaller_group_is_the_first_completions_and_dies_more_often() -> None:
    app = field(opened(step="3", group="1"), "rollout.num_generations").set_value(2).run()
    assert "A group of 2: its first 2 completions as sampled, of 8." in words(app)
    assert table(app).count("→ –") >= 6 and kpi(app, "dead")["change"].startswith("▲")
    assert "Groups of 2: the share without signal is that of all smaller groups" in words(app)


def test_a_monitor_can_be_given_a_weight(root: Path) -> None:
    config = fake_config(name="run", steps=4)
    monitor = config.rewards[1].model_copy(update={"weight": 0.0})
    write_fake_run(root, "run", steps=4, config=config.model_copy(update={"rewards": (config.rewards[0], monitor)}))
    app = opened(step="3", group="1")
    assert field(app, "rewards[1].weight").label == "digit\\_match × (monitor)"
    app = press(app, USE)
    assert field(app, "rewards[1].weight").value == 1.0 and "→" in table(app)


def test_a_discarded_group_is_judged_as_if_it_had_been_kept(root: Path) -> None:
    config = fake_config(name="run", steps=6, dynamic_sampling=True)
    write_fake_run(root, "run", steps=6, config=config)
    app = opened(step="6", group="6")
    assert "discarded, without signal → without signal" in html_text(app)
    assert "Which ones dynamic sampling would have kept instead is not known" in words(app)


def test_a_run_with_several_updates_per_batch_says_which_one_the_numbers_are_of(root: Path) -> None:
    write_run_with_loss(root, "run", steps=3, num_iterations=2)
    assert "the first of 2 updates of a step" in words(opened())


def test_a_narrower_clip_holds_more_tokens_at_the_last_of_several_updates(root: Path) -> None:
    """Counted from what is stored: |ratio − 1| beyond ε in the direction of the advantage."""
    paths = write_run_with_loss(root, "run", steps=3, num_iterations=2)
    reader = RunReader(paths.db)
    group = next(int(index) for index, kind in enumerate(reader.groups(3)["kind"]) if kind == "mixed")
    completions = reader.completions(3, group)
    gaps = [
        sign * (np.exp(tokens.update_logprobs.astype(float) - tokens.logprobs) - 1)
        for sign, index in zip(np.sign(completions["advantage"]), completions["completion_index"], strict=True)
        if sign and (tokens := reader.tokens(3, group, int(index))) is not None
    ]
    beyond = {epsilon: int((np.concatenate(gaps) > epsilon).sum()) for epsilon in (0.2, 0.01)}
    assert 0 < beyond[0.2] < beyond[0.01]
    app = opened(step="3", group=str(group + 1))
    text = words(field(app, "loss.epsilon").set_value("0.01").run())
    assert f"with the ratios that the run came to: {beyond[0.2]} of " in text
    assert f"With these settings: {beyond[0.01]} of " in text


@pytest.mark.usefixtures("run")
def test_an_epsilon_that_is_no_number_or_out_of_bounds_is_told_in_words() -> None:
    app = field(opened(), "loss.epsilon").set_value("wide").run()
    assert not app.exception and "should be a number" in " ".join(e.value for e in app.error).replace("\\", "")
    app = field(app, "loss.epsilon").set_value("0").run()
    assert "epsilon" in " ".join(error.value for error in app.error)
    assert not field(app, "loss.epsilon").set_value("0.0003").run().error


def test_an_empty_upper_epsilon_is_the_same_as_epsilon(root: Path) -> None:
    write_run_with_loss(root, "run", steps=3, loss_type="cispo", epsilon_high=5.0)
    app = opened()
    assert "5, which no ratio of 1 reaches" in words(app)
    app = field(app, "loss.epsilon_high").set_value("").run()
    assert "so every token weighs 0.2 from the start" in words(app) and kpi(app, "push")["value"] == "× 0.20"


@pytest.mark.usefixtures("run")
def test_a_run_starts_with_these_settings_in_the_form() -> None:
    app = press(opened(step="3"), HALF, at=1)
    app = field(app, "loss.scale_rewards").set_value("none").run()
    app = field(app, "rollout.num_generations").set_value(4).run()
    app = open_page("new_run", **start_link(app))
    assert not app.exception and app.title[0].value == "New run"
    assert in_url(app, "clone") == "run" and in_url(app, "set") is None
    draft = clone_of(app)
    assert (draft["rewards"][1]["weight"], draft["loss"]["scale_rewards"]) == (0.15, "none")
    assert draft["rollout"]["num_generations"] == 4
    text = html_text(app)
    for change in ("Reward digit_match, weight 0.3 → 0.15", "Scale rewards group → none", "Group size G 8 → 4"):
        assert change in text
    assert "Differs from run:" in words(app)


@pytest.mark.usefixtures("run")
def test_the_form_is_filled_once_and_keeps_what_is_edited_then() -> None:
    app = open_page("new_run", clone="run", set=json.dumps({"loss.epsilon": 0.1}))
    assert clone_of(app)["loss"]["epsilon"] == 0.1
    form = app.session_state[FORM]
    form.draft["loss"]["beta"] = 0.5
    form.redraw()
    app.run()
    assert (clone_of(app)["loss"]["epsilon"], clone_of(app)["loss"]["beta"]) == (0.1, 0.5)
    app.query_params["set"] = "{}"
    app.run()
    assert clone_of(app)["loss"]["epsilon"] == LossConfig().epsilon  # asked for anew


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ('{"loss.epsilon": "wild"}', "loss.epsilon"),
        ('{"loss.nothing": 1}', "there is no such setting in this run"),
        ('{"rewards[7].weight": 1}', "there is no such setting in this run"),
        ('{"rewards[0].weight": 0, "rewards[1].weight": 0}', "every weight is 0"),
        ("[1, 2]", "there is no such setting in this run"),
        ("<script>" + "[" * 5000, "there is no such setting in this run"),
    ],
)
def test_changes_that_cannot_be_are_told_and_none_is_made(changes: str, problem: str) -> None:
    app = open_page("new_run", clone="run", set=changes)
    assert not app.exception
    assert "What was to be changed in run was not loaded" in " ".join(e.value for e in app.error)
    assert problem in html_text(app)
    assert clone_of(app)["loss"]["epsilon"] == 0.2 and clone_of(app)["rewards"][1]["weight"] == 0.3


def test_hostile_text_stays_text(root: Path) -> None:
    write_fake_run(root, "wild", steps=3, hostile_text=True)
    app = press(opened("wild", step="2"), HALF)
    assert not app.exception and "<script>" not in " ".join(e.proto.body for e in app.get("html"))
