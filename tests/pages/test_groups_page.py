"""The Groups page: which group is shown, its completions with their arithmetic, and its tokens."""

import re
import sqlite3

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.charts import GROUP_KINDS
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from tests.fakes import fake_config, write_fake_run
from tests.pages.reading import (
    boxes,
    component,
    html_text,
    in_url,
    one_look_earlier,
    open_page,
    raw_html,
    words,
    write_run_with_loss,
)


def opened(run_id: str, **query: str) -> AppTest:
    app = open_page("groups", run=run_id, **query)
    assert not app.exception
    return app


def set_kinds(paths: RunPaths, step: int, *kinds: str) -> None:
    with sqlite3.connect(paths.db) as db:
        for index, kind in enumerate(kinds):
            db.execute("UPDATE groups SET kind = ? WHERE step = ? AND group_index = ?", (kind, step, index))


def stored(root, run_id: str) -> RunReader:
    return RunReader(RunPaths(root / run_id).db)


def test_a_group_shows_prompt_reference_and_every_completion_with_its_calculation(root):
    write_fake_run(root, "done", steps=5)
    reader = stored(root, "done")
    group, completions = reader.groups(2).iloc[0], reader.completions(2, 0)
    app = opened("done", step="2", group="1")
    assert app.subheader[0].value.startswith("Group 1 of 6")
    assert boxes(app)[0] == group["prompt"]
    assert boxes(app)[1] == group["reference"]
    text = html_text(app)
    for row in completions.to_dict(orient="records"):
        sign = f"{row['advantage']:+.3f}".replace("-", "−")
        assert sign in text
        assert f"{row['total']:.3f} − {group['mean']:.3f}" in text
    assert f"mean **{group['mean']:.3f}**" in words(app)
    assert f"{completions['passed'].sum():.0f} of 8 right" in words(app)
    assert [caption.value for caption in app.caption[1:3]] == ["Prompt", "Reference answer"]
    assert "As the model saw it" not in " ".join(expander.label for expander in app.expander)
    assert f"{group['prompt_tokens']} prompt tokens. No other step has used this prompt so far." in words(app)


def test_what_the_model_saw_is_shown_where_it_is_not_the_prompt(root):
    paths = write_fake_run(root, "chat", steps=1)
    with sqlite3.connect(paths.db) as db:
        db.execute("UPDATE groups SET rendered = '<user>' || rendered || '<end>', reference = NULL")
    app = opened("chat", step="1", group="1")
    prompt = stored(root, "chat").groups(1).iloc[0]["prompt"]
    assert boxes(app)[:3] == [prompt, "(none)", f"<user>{prompt}<end>"]
    assert "As the model saw it, 6 tokens" in [expander.label for expander in app.expander]


def test_the_newest_step_and_a_group_with_signal_are_shown_when_nothing_is_chosen(root):
    paths = write_fake_run(root, "done", steps=5)
    set_kinds(paths, 5, "solved", "hopeless", "mixed", "mixed", "other", "truncated")
    app = opened("done")
    assert component(app, "step_scrubber")["step"] == 5
    assert app.subheader[0].value == "Group 3 of 6: with signal"
    set_kinds(paths, 5, *["hopeless"] * 6)
    assert opened("done").subheader[0].value == "Group 1 of 6: all wrong"


def test_groups_are_listed_from_the_lowest_mean_and_the_shown_one_is_marked(root):
    write_fake_run(root, "done", steps=5)
    rows = component(opened("done", step="3", group="4"), "groups_list")["rows"]
    means = [float(row["mean"].replace("−", "-")) for row in rows if row["mean"] != "–"]
    assert means == sorted(means)
    assert [row["group"] for row in rows if row["selected"]] == [4]


def test_groups_and_completions_of_the_step_are_read_once(root, monkeypatch):
    write_fake_run(root, "done", steps=2)
    app, asked = opened("done", step="1"), []
    for name in ("groups", "completions"):
        read = getattr(RunReader, name)
        monkeypatch.setattr(
            RunReader, name, lambda *given, name=name, read=read: asked.append((name, *given[1:])) or read(*given)
        )
    app.run()
    assert asked == [("groups", 1), ("completions", 1)]


def test_the_table_of_tokens_is_made_when_it_is_opened(root):
    write_fake_run(root, "done", steps=2)
    app = opened("done", step="1")
    assert not app.dataframe
    app.session_state["token_table"] = True
    app.run()
    assert app.dataframe[0].proto.alt == "Every token of the completion with its numbers"


def test_the_list_can_be_narrowed_to_one_kind(root):
    paths = write_fake_run(root, "done", steps=5)
    set_kinds(paths, 5, "mixed", "hopeless", "mixed", "mixed", "hopeless", "solved")
    app = opened("done", step="5")
    assert "6 groups: 3 with signal, 1 all right, 2 all wrong. Lowest mean reward first." in words(app)
    assert len(component(app, "groups_list")["rows"]) == 6
    app.session_state["group_filter"] = "hopeless"
    app.run()
    assert sorted(row["group"] for row in component(app, "groups_list")["rows"]) == [2, 5]


def test_a_long_list_is_cut_and_says_so(root):
    write_fake_run(root, "wide", steps=1, prompts=61, group_size=2)
    app = opened("wide")
    assert len(component(app, "groups_list")["rows"]) == 60
    assert "The first 60 of 61; narrow the choice above to see others." in words(app)
    write_fake_run(root, "full", steps=1, prompts=60, group_size=2)
    assert "The first 60" not in words(opened("full"))


def test_when_the_state_of_the_run_changes_while_the_page_is_drawn_it_is_drawn_again(root, monkeypatch):
    paths = write_fake_run(root, "done", steps=2)
    seen = one_look_earlier(monkeypatch, paths, "running")
    assert "✔ finished" in html_text(opened("done"))
    assert seen[:3] == ["running", "finished", "finished"]


def test_batch_scaling_and_no_scaling_are_explained_as_what_they_are(root):
    for mode, sentence in (
        ("batch", "/ (std of the step's rewards"),
        ("none", "not divided"),
    ):
        write_run_with_loss(root, mode, steps=2, scale_rewards=mode)
        app = opened(mode, step="1", group="1")
        assert sentence in words(app)
        assert ("/ (" in html_text(app)) == (mode == "batch")
        largest = max(abs(dot) for row in component(app, "groups_list")["rows"] for dot in row["dots"])
        assert (largest == 1.0) == (mode == "none")  # else full colour is two standard deviations


def test_tokens_are_shown_with_numbers_and_the_completion_can_be_chosen(root):
    write_fake_run(root, "done", steps=2)
    reader = stored(root, "done")
    pieces = reader.tokens(1, 0, 4).pieces
    app = opened("done", step="1", group="1", completion="5")
    completions = reader.completions(1, 0).set_index("completion_index")
    assert app.selectbox[0].value == 4
    best = completions["total"].idxmax()
    assert app.selectbox[0].options[0].startswith(f"#{best + 1} · reward {completions['total'][best]:.3f} · ")
    strip = component(app, "token_strip")
    assert len(strip["pieces"]) == len(pieces) and strip["name"] == "completion #5 of group 1, step 1"
    assert {"Token KL", "Push", "Log-probability"} <= {column["name"] for column in strip["columns"]}
    assert strip["listTitle"] == "Most extreme: Token KL" and strip["list"]


def test_choosing_another_completion_puts_it_into_the_url(root):
    write_fake_run(root, "done", steps=2)
    app = opened("done", step="1", group="2")
    other = next(place for place in range(8) if place != app.selectbox[0].value)
    app.selectbox[0].set_value(other).run()
    assert [in_url(app, key) for key in ("step", "group", "completion")] == ["1", "2", str(other + 1)]


def test_without_a_reference_there_is_no_kl_to_choose(root):
    write_run_with_loss(root, "free", steps=2, beta=0.0)
    app = opened("free", step="1", group="1")
    assert "this run keeps no reference" in words(app)


def test_a_prompt_of_other_steps_says_how_many_and_where_they_are_shown(root):
    write_fake_run(root, "done", steps=40, prompts=8, group_size=2)
    reader = stored(root, "done")
    prompts = [(step, i, p) for step in range(1, 41) for i, p in enumerate(reader.groups(step)["prompt_id"])]
    step, index, prompt = next(place for place in prompts if len(reader.prompt_steps(place[2])) > 1)
    others = len(reader.prompt_steps(prompt)) - 1
    text = words(opened("done", step=str(step), group=str(index + 1)))
    assert f"used in {others} other step{'s' * (others > 1)}: see “This prompt over time” below" in text


def test_the_completion_that_the_panel_is_about_is_marked_in_the_table(root):
    write_fake_run(root, "done", steps=2)
    assert "<tr aria-current" not in raw_html(opened("done", step="2", group="1"))
    marked = re.findall(
        r'<tr aria-current="true"><td class="lab-right">(\d+)', raw_html(opened("done", completion="3"))
    )
    assert marked == ["3"]


def test_a_kind_that_no_group_is_of_is_told_in_words(root):
    write_fake_run(root, "done", steps=1)
    app = opened("done", step="1")
    absent = next(kind for kind in GROUP_KINDS if kind not in set(stored(root, "done").groups(1)["kind"]))
    next(group for group in app.get("button_group") if group.label == "Show groups").set_value(absent).run()
    assert f"No group of step 1 is “{GROUP_KINDS[absent][0]}”." in words(app)


def test_hostile_completions_stay_text(root):
    write_fake_run(root, "wild", steps=12, hostile_text=True)
    for step, group in (("1", "1"), ("6", "3"), ("12", "6")):
        html = raw_html(opened("wild", step=step, group=group))
        assert not any(sign in html for sign in ("<script", "<img", "<a href", "\x00", "\u202e"))


def test_before_the_first_step_there_is_a_sentence(root):
    paths = write_fake_run(root, "young", steps=0, outcome=None)
    with Lease(paths.lock):
        app = opened("young")
    assert "No step is finished yet" in app.info[0].value


@pytest.mark.parametrize("group", ["0", "99", "x"])
def test_a_group_that_does_not_exist_becomes_one_that_does(root, group):
    write_fake_run(root, "done", steps=2)
    assert opened("done", step="1", group=group).subheader[0].value.startswith("Group ")


def test_no_such_run_is_one_sentence(root):
    app = open_page("groups", run="nothing-here")
    assert not app.exception
    assert app.error[0].value.startswith("There is no run")


def dynamic_run(root, steps: int = 6):
    write_fake_run(root, "dynamic", steps=steps, config=fake_config(name="d", steps=steps, dynamic_sampling=True))
    return stored(root, "dynamic")


def a_step_with_discarded_groups(reader: RunReader) -> tuple[int, int]:
    """The step, and how many groups it kept."""
    kept = {step: int(reader.groups(step)["discarded"].isna().sum()) for step in range(1, reader.last_step() + 1)}
    return next((step, number) for step, number in kept.items() if 0 < number < 6)


def test_discarded_groups_are_listed_below_the_others_by_word_and_counted(root):
    step, kept = a_step_with_discarded_groups(dynamic_run(root))
    app = opened("dynamic", step=str(step))
    rows = component(app, "groups_list")["rows"]
    assert [row["word"] == "discarded" for row in rows] == [False] * kept + [True] * (6 - kept)
    assert f"{6 - kept} of them were discarded by dynamic sampling, and come last." in words(app)


def test_the_list_can_be_narrowed_to_discarded_groups_where_there_can_be_some(root):
    step, kept = a_step_with_discarded_groups(dynamic_run(root))
    app = opened("dynamic", step=str(step))
    app.session_state["group_filter_dynamic"] = "discarded"
    app.run()
    assert [row["group"] for row in component(app, "groups_list")["rows"]] != []
    assert {row["group"] > kept for row in component(app, "groups_list")["rows"]} == {True}
    write_fake_run(root, "plain", steps=2)
    (choice,) = (group for group in opened("plain").get("button_group") if group.label == "Show groups")
    assert "discarded" not in [option.content for option in choice.proto.options]


def test_a_discarded_group_says_why_and_that_its_tokens_were_not_measured(root):
    reader = dynamic_run(root)
    step, kept = a_step_with_discarded_groups(reader)
    app = opened("dynamic", step=str(step), group=str(kept + 1))
    assert app.subheader[0].value.endswith(", discarded")
    assert app.info[0].value == (
        "Discarded by dynamic sampling: no completion of it scored better or worse than the others, so there was "
        "nothing to learn from it. The step did not train on this group."
    )
    assert "not measured: this group was discarded" in words(app)
    assert "advantage = " not in words(app)
    pieces = reader.tokens(step, kept, app.selectbox[0].value).pieces
    strip = component(app, "token_strip")
    assert len(strip["pieces"]) == len(pieces) and strip["list"] == []
    assert "the group was discarded, so advantage 0" in html_text(app)


def test_a_group_that_was_trained_on_says_nothing_of_discarding(root):
    step, _ = a_step_with_discarded_groups(dynamic_run(root))
    app = opened("dynamic", step=str(step), group="1")
    assert len(app.info) == 0
    assert "iscarded" not in app.subheader[0].value
    assert component(app, "token_strip")["list"]


def test_long_completions_are_shown_in_columns_and_by_choice_in_rows(root):
    paths = write_fake_run(root, "done", steps=2)
    assert 'role="listitem"' not in raw_html(opened("done", step="2"))
    with sqlite3.connect(paths.db) as db:
        db.execute("UPDATE texts SET text = text || ' because ' || text || printf('%90s', '.')")
    app = opened("done", step="2", group="1")
    assert raw_html(app).count('role="listitem"') == 8
    app.session_state["completion_layout"] = "rows"
    app.run()
    assert "lab-above" in raw_html(app) and 'role="listitem"' not in raw_html(app)
