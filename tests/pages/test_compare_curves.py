"""The Compare page: its curves, and what of the URL, of colours, forks and living runs stands on it."""

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.compare_charts import colour_of
from engine.runs.lease import Lease
from engine.runs.lineage import Origin, write_origin
from engine.runs.paths import RunPaths
from engine.runs.store import StoreWriter
from tests.fake_records import FakeRun
from tests.fakes import fake_config, write_fake_run
from tests.pages.comparing import choice, compared, figure, page_html, stored
from tests.pages.reading import charts_of, html_text, in_url, one_look_earlier, raw_html, words, write_logging_run


def lines(app: AppTest, key: str) -> dict[str, dict]:
    """The strong line of each run in a chart, by the run's name."""
    return {trace["name"]: trace for trace in figure(app, key)["data"] if trace.get("showlegend", True)}


def test_a_curve_has_the_stored_numbers_of_each_run(short):
    app = compared("plain,other", metric="reward", smoothing="0")
    for run, count in (("plain", 4), ("other", 3)):
        line = lines(app, "compare-reward")[run]
        assert line["x"] == list(range(1, count + 1)) and line["y"] == stored(short, run, "reward")


def test_the_url_says_which_curves_over_what_and_how_smooth(short):
    app = compared("plain,other", metric="kl,reward", x="tokens", smoothing="0.5")
    assert list(charts_of(app, "compare_charts")) == ["compare-kl", "compare-reward"]
    assert (choice(app, "Over").value, app.select_slider[0].value) == ("tokens", 0.5)
    line = lines(app, "compare-reward")["other"]
    tokens, (a, b, c) = stored(short, "other", "completion_tokens"), stored(short, "other", "reward")
    assert line["x"] == [tokens[0], tokens[0] + tokens[1], sum(tokens)]
    assert line["y"] == pytest.approx([a, (a + 2 * b) / 3, (a + 2 * b + 4 * c) / 7])


def test_what_a_reward_logs_can_be_drawn_whatever_it_is_called(root):
    write_logging_run(root, "logs", steps=3, name="100 %, <b>")
    write_fake_run(root, "plain", steps=3)
    app = compared("logs,plain")
    assert app.multiselect[1].options[-1] == "logged/100 %, <b>"
    app.multiselect[1].set_value(["logged/100 %, <b>", "kl"]).run()
    assert in_url(app, "metric") == "logged/100 %25%2C %3Cb%3E,kl"
    assert app.multiselect[1].value == ["logged/100 %, <b>", "kl"]
    assert lines(app, "compare-logged/100 %, <b>")["logs"]["x"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("query", "metrics", "axis", "weight"),
    [
        ({"metric": "no,kl,kl,totals", "x": "moons", "smoothing": "very"}, ["kl"], "step", 0.9),
        ({"metric": "kl,reward,entropy,loss,grad_norm", "x": "", "smoothing": "nan"},
         ["kl", "reward", "entropy", "loss"], "step", 0.9),
        ({"metric": "", "x": "time", "smoothing": "0.7"}, [], "time", 0.9),
    ],
)  # fmt: skip
def test_of_the_url_only_what_is_offered_counts(short, query, metrics, axis, weight):
    app = compared("plain,other", **query)
    assert app.multiselect[1].value == metrics
    assert (choice(app, "Over").value, app.select_slider[0].value) == (axis, weight)
    assert ("Choose a metric above." in words(app)) == (not metrics)


def test_what_is_chosen_goes_into_the_url_and_the_usual_does_not(short):
    app = compared("plain,other")
    app.multiselect[1].set_value(["entropy"]).run()
    assert in_url(app, "metric") == "entropy" and list(charts_of(app, "compare_charts")) == ["compare-entropy"]
    choice(app, "Over").set_value("time").run()
    app.select_slider[0].set_value(0.99).run()
    assert (in_url(app, "x"), in_url(app, "smoothing")) == ("time", "0.99")
    choice(app, "Over").set_value("step").run()
    app.select_slider[0].set_value(0.9).run()
    assert (in_url(app, "x"), in_url(app, "smoothing")) == (None, None)


def test_a_run_keeps_its_colour_in_every_company_and_one_that_would_share_it_is_dashed_in_line_and_legend(short):
    write_fake_run(short, "child", steps=3)
    assert colour_of("plain") == colour_of("child") != colour_of("other")
    for runs in ("other,child", "plain,child,other"):
        app = compared(runs, metric="reward")
        line = lines(app, "compare-reward")["child"]["line"]
        assert (line["color"], line["dash"]) == (f"var(--lab-run-{colour_of('child')})", "solid")
    line = lines(app, "compare-reward")["plain"]["line"]
    assert line["dash"] == "dash" and line["color"] == "var(--lab-run-0)"
    assert "plain ✔ finished step 4 dashed" in html_text(app) and html_text(app).count("dashed") == 1
    assert page_html(app).count('data-dash="1"') == 1


def test_a_fork_is_marked_at_its_step_in_the_chart_and_named_in_the_legend(short):
    write_origin(write_fake_run(short, "child", steps=3).origin, Origin("fork", "plain", 2, "plain"))
    app = compared("plain,child", metric="reward")
    (mark,) = figure(app, "compare-reward")["layout"]["shapes"]
    assert (mark["x0"], mark["x1"]) == (2, 2)
    assert "fork of plain at step 2" in html_text(app)
    over_tokens = compared("plain,child", metric="reward", x="tokens")
    (mark,) = figure(over_tokens, "compare-reward")["layout"]["shapes"]
    assert mark["x0"] == sum(stored(short, "plain", "completion_tokens")[:2])


def test_a_fork_whose_parent_is_gone_still_says_its_name(short):
    write_origin(write_fake_run(short, "child", steps=3).origin, Origin("fork", "gone", 2, "<b>old</b>"))
    app = compared("other,child")
    assert "fork of <b>old</b> at step 2" in html_text(app) and "<b>old</b>" not in raw_html(app)


def test_the_same_run_twice_is_one_run_and_a_path_is_no_run(short):
    assert "Choose a second run above." in words(compared("plain,plain"))
    app = compared("plain,../plain,other")
    assert "\\.\\./plain\\: there is no such run" in words(app) and len(charts_of(app, "compare_charts")) == 4


def test_of_more_than_six_runs_the_first_six_are_drawn(root):
    for run in "abcdefg":
        write_fake_run(root, run, steps=1, prompts=1, group_size=2)
    app = compared("g,f,e,d,c,b,a", metric="reward")
    assert list(lines(app, "compare-reward")) == list("gfedcb")
    assert "At most 6 runs are compared; 1 more are in the address" in words(app)


def test_choosing_other_runs_changes_the_url_and_forgets_the_prompt(short):
    app = compared("plain,other", step="2", prompt="p", view="answers")
    app.multiselect[0].set_value(["plain"]).run()
    assert (in_url(app, "runs"), in_url(app, "step"), in_url(app, "prompt")) == ("plain", None, None)
    app.multiselect[0].set_value([]).run()
    assert in_url(app, "runs") == "" and "Choose at least two runs above." in words(app)


def test_a_live_run_is_called_running_and_its_new_steps_arrive(short):
    paths = write_fake_run(short, "live", steps=2, outcome=None)
    with Lease(paths.lock):
        app = compared("plain,live", metric="reward")
        assert "live ● running step 2" in html_text(app)
        assert lines(app, "compare-reward")["live"]["x"] == [1, 2]
        store = StoreWriter(paths.db)
        store.commit_step(FakeRun(fake_config(name="live", steps=4)).step(3))
        store.beat(3, "rollout")
        store.close()
        app.run()
        assert "live ● running step 3" in html_text(app)
        assert lines(app, "compare-reward")["live"]["y"][:2] and lines(app, "compare-reward")["live"]["x"] == [1, 2, 3]


def test_the_page_is_drawn_anew_when_a_run_has_ended(short, monkeypatch):
    seen = one_look_earlier(monkeypatch, RunPaths(short / "plain"), "running")
    app = compared("plain,other")
    assert seen[0] == "running" and len(seen) >= 4  # two runs, looked at twice
    assert "plain ✔ finished" in html_text(app)


def test_hostile_names_reach_the_charts_as_text(root):
    for run in ("a", "b"):
        write_fake_run(root, run, steps=2, hostile_text=True)
    drawn = charts_of(compared("a,b", metric="reward"), "compare_charts")["compare-reward"]["figure"]
    assert "&lt;script&gt;" in drawn and "<script>" not in drawn
