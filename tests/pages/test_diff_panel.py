"""Compare two, on the Groups page: the best and the worst at first, any other by choice, and one held elsewhere."""

import shutil

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views.completion_table import by_reward
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from tests.fakes import write_fake_run
from tests.pages.reading import html_text, open_page, raw_html, words


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("written")
    write_fake_run(root, "done", steps=6)
    write_fake_run(root, "again", steps=6, seed=1)
    return root


@pytest.fixture(autouse=True)
def a_run(root, written):
    shutil.copytree(written, root, dirs_exist_ok=True)


def opened(run_id: str, step: int, group: int) -> AppTest:
    app = open_page("groups", run=run_id, step=str(step), group=str(group), panel="diff")
    assert not app.exception
    return app


def box(app: AppTest, label: str):
    return next(box for box in app.selectbox if box.label == label)


def totals(root, run_id: str, step: int, group: int):
    completions = RunReader(RunPaths(root / run_id).db).completions(step, group - 1)
    return completions.set_index("completion_index")["total"]


def test_the_best_and_the_worst_are_compared_at_first(root):
    total = totals(root, "done", 2, 1)
    app = opened("done", 2, 1)
    assert total[box(app, "A").value] == total.max() and total[box(app, "B").value] == total.min()
    assert "<del>" in raw_html(app) and "<ins>" in raw_html(app)
    assert f"total reward {total.max():.3f} {total.min():.3f} −{total.max() - total.min():.3f}" in html_text(app)


def test_a_completion_compared_with_itself_is_said_to_be_the_same(root):
    app = opened("done", 2, 1)
    box(app, "B").set_value(box(app, "A").value).run()
    assert "say exactly the same" in app.info[0].value
    assert "<del>" not in raw_html(app)


def test_the_worst_when_it_was_asked_for_is_compared_with_another(root):
    worst = int(totals(root, "done", 2, 1).idxmin())
    app = open_page("groups", run="done", step="2", group="1", panel="diff", completion=str(worst + 1))
    assert box(app, "A").value == worst
    assert box(app, "B").value != worst
    last = by_reward(RunReader(RunPaths(root / "done").db).completions(2, 0))["completion_index"].iloc[-1]
    app.query_params["completion"] = str(last + 1)
    app.run()
    assert box(app, "A").value == last and box(app, "B").value != last


def test_a_group_of_one_says_that_there_is_nothing_to_compare(monkeypatch):
    read = RunReader.completions
    monkeypatch.setattr(RunReader, "completions", lambda *asked: read(*asked).groupby("group_index").head(1))
    app = opened("done", 1, 1)
    assert "nothing to compare" in app.info[0].value
    assert not [box for box in app.selectbox if box.label == "B"]


def test_both_texts_can_be_read_as_one(root):
    app = opened("done", 2, 1)
    app.session_state["diff_layout_diff"] = "inline"
    app.run()
    assert "only in #" in html_text(app)


def test_a_held_completion_is_compared_in_another_step_and_in_another_run_and_let_go(root):
    app = opened("done", 2, 1)
    a = box(app, "A").value
    app.button(key="diff_hold").click().run()
    for run, step, label in (("done", 4, "held: step 2, group 1"), ("again", 3, "of done")):
        app.query_params["run"], app.query_params["step"], app.query_params["group"] = run, str(step), "2"
        app.run()
        assert label in box(app, "A").options[0]
        assert f"step 2, group 1, #{a + 1}" in html_text(app)
        assert f"{totals(root, 'done', 2, 1)[a]:.3f}" in html_text(app)
    app.button(key="diff_release").click().run()
    assert "held" not in box(app, "A").options[0]


def test_a_held_completion_of_a_run_that_is_gone_is_let_go_with_a_sentence(root):
    app = opened("done", 2, 1)
    app.button(key="diff_hold").click().run()
    (root / "done").rename(root / "elsewhere")
    app.query_params["run"] = "again"
    app.run()
    assert "The completion that was held is not stored any more." in words(app)
    assert "held" not in box(app, "A").options[0]
