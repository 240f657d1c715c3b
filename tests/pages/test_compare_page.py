"""The Compare page: which runs it is about, and what it says of them beside each other."""

import shutil

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.compare_charts import colour_of
from engine.runs.lineage import Origin, write_origin
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from tests.fakes import fake_config, write_fake_run
from tests.pages.comparing import compared
from tests.pages.reading import boxes, component, html_text, in_url, open_page, raw_html, words, write_run_with_loss

VIEWS = ("curves", "settings", "kl", "answers", "evaluations")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The two runs of these tests, written once."""
    root = tmp_path_factory.mktemp("written")
    write_fake_run(root, "plain", steps=30)
    config = fake_config(name="other", steps=30)
    rewards = (config.rewards[0], config.rewards[1].model_copy(update={"weight": 0.0}))
    changed = config.model_copy(update={"rewards": rewards, "loss": config.loss.model_copy(update={"beta": 0.02})})
    write_fake_run(root, "other", steps=30, config=changed)
    return root


@pytest.fixture
def two(root, written):
    """The same prompts first in each step; the second has half the KL weight, and a monitor in place of a reward."""
    return shutil.copytree(written, root, dirs_exist_ok=True)


def charts(app: AppTest, key: str) -> dict:
    return {item["key"]: item for item in component(app, key)["items"]}


def test_without_a_choice_the_two_newest_runs_are_compared_and_put_into_the_url(two):
    app = open_page("compare")
    assert not app.exception
    assert set(in_url(app, "runs").split(",")) == {"plain", "other"}


def test_a_run_is_compared_with_what_was_forked_from_it(two):
    paths = write_fake_run(two, "child", steps=5)
    write_origin(paths.origin, Origin("fork", "plain", 2, "plain"))
    app = open_page("compare", run="plain")
    assert not app.exception
    assert in_url(app, "runs") == "plain,child"


def test_each_view_draws_and_says_the_names_of_both_runs(two):
    for view in VIEWS:
        app = compared("plain,other", view=view)
        assert "plain" in html_text(app) and "other" in html_text(app), view


def test_every_curve_has_a_line_for_each_run_in_the_colour_of_its_id(two):
    figures = charts(compared("plain,other"), "compare_charts")
    assert len(figures) == 4
    for item in figures.values():
        for run in ("plain", "other"):
            assert f"var(--lab-run-{colour_of(run)})" in item["figure"], item["title"]


def test_the_settings_that_differ_are_listed_and_no_others(two):
    app = compared("plain,other", view="settings")
    assert "2 settings differ; all others are the same." in words(app)
    text = html_text(app)
    assert "KL weight β" in text and "0.04" in text and "0.02" in text
    assert "digit_match" in text and "Learning rate" not in text
    assert "Identical settings, but for the name." in words(compared_twins(two))


def compared_twins(root) -> AppTest:
    write_fake_run(root, "twin", steps=3, config=fake_config(name="twin", steps=30))
    write_fake_run(root, "brother", steps=3, config=fake_config(name="brother", steps=30))
    return compared("twin,brother", view="settings")


def test_the_answers_of_both_runs_to_one_prompt_stand_beside_each_other(two):
    app = compared("plain,other", view="answers", step="7")
    prompt = boxes(app)[0]
    for run in ("plain", "other"):
        reader = RunReader(RunPaths(two / run).db)
        groups = reader.groups(7)
        group = groups[groups["prompt"] == prompt].iloc[0]
        text = html_text(app)
        assert f"step 7, group {group['group_index'] + 1} · mean reward {group['mean']:.3f}" in text
        for answer in set(reader.completions(7, int(group["group_index"]))["text"]):
            assert answer in text


def test_the_last_evaluations_stand_with_their_intervals_and_the_difference_is_tested(two):
    app = compared("plain,other", view="evaluations")
    text = html_text(app)
    for run in ("plain", "other"):
        last = RunReader(RunPaths(two / run).db).evaluations()["metrics"].iloc[-1]["pass_at_1"]
        assert f"{100 * last.value:.1f} % ({100 * last.low:.1f} % to {100 * last.high:.1f} %)" in text
    assert "paired over 64 prompts" in words(app)


def test_a_fall_of_a_monitor_is_no_rise_and_a_run_without_reference_says_so(two):
    write_run_with_loss(two, "free", steps=5, beta=0.0)
    app = compared("plain,other", view="kl")
    (chart,) = charts(app, "compare_kl").values()
    assert "other: digit_match (monitor)" in chart["figure"] and "plain: digit_match" not in chart["figure"]


def test_runs_that_cannot_be_read_are_named_and_left_out(two):
    (two / "broken").mkdir()
    (two / "broken" / "config.json").write_text("{")
    app = compared("plain,gone,broken,other")
    assert "gone\\: there is no such run" in words(app) and "broken\\:" in words(app)  # as labels write a colon
    assert len(charts(app, "compare_charts")) == 4


def test_more_runs_than_fit_are_told(two):
    app = compared(",".join(["plain", "other", *"abcdef"]))
    assert "At most 6 runs are compared; 2 more are in the address" in words(app)


def test_nonsense_in_the_url_is_the_usual_view(two):
    app = compared("plain,other", view="nothing", metric="no,such", x="moons", smoothing="very", step="0", prompt="?")
    assert "plain" in html_text(app)


def test_without_runs_or_with_one_alone_the_page_says_what_to_do(root):
    app = open_page("compare")
    assert not app.exception and "There is no run yet." in words(app)
    write_fake_run(root, "full", steps=3)
    assert "There is only one run so far" in words(compared("full"))
    write_fake_run(root, "more", steps=3)
    assert "Choose a second run above." in words(compared("full"))
    assert "Choose at least two runs above." in words(compared(""))


def test_runs_without_steps_have_sentences_in_place_of_charts_and_tables(root):
    write_fake_run(root, "empty", steps=0, outcome="stopped")
    write_run_with_loss(root, "free", steps=5, beta=0.0)
    assert "empty has finished no step so far." in words(compared("empty,free", view="answers"))
    (chart,) = charts(compared("empty,free", view="kl"), "compare_kl").values()
    assert chart["figure"] is None and "“free”: no path, since KL is not measured" in chart["sentence"]
    for view in VIEWS:
        compared("empty,free", view=view)


def test_hostile_names_and_texts_stay_text(root):
    for name in ("a", "b"):
        write_fake_run(root, name, steps=26, hostile_text=True)
    for view in VIEWS:
        html = raw_html(compared("a,b", view=view))
        assert "<script>document" not in html and "<img src=x" not in html, view


@pytest.mark.parametrize(
    ("view", "name"), [("settings", "Settings that differ"), ("evaluations", "Evaluations of the runs")]
)
def test_the_tables_have_names_and_their_headings_say_that_they_head_a_column(two, view, name):
    html = raw_html(compared("plain,other", view=view))
    assert f'aria-label="{name}"' in html
    assert '<th scope="col">' in html and "<th>" not in html
