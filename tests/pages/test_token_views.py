"""The token view of a completion and that of a step: the same measure in both, and the way from one to the other."""

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views import group_rows, scrubber, step_tokens
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from tests.fakes import fake_config, write_fake_run
from tests.pages.reading import browser_reports, charts_of, component, in_url, open_page, words, write_run_with_loss


def opened(run_id: str = "done", **query: str) -> AppTest:
    app = open_page("groups", run=run_id, **query)
    assert not app.exception
    return app


def stored(root, run_id: str = "done") -> RunReader:
    return RunReader(RunPaths(root / run_id).db)


def largest_kl(reader: RunReader, step: int) -> tuple[float, int, int, int]:
    """(KL, group, completion, token), from 1, found completion by completion."""
    return max(
        (float(tokens.kl.max()), group + 1, completion + 1, int(tokens.kl.argmax()) + 1)
        for (group, completion), tokens in reader.step_tokens(step).items()
    )


def choose_measure(app: AppTest, name: str) -> AppTest:
    (choice,) = (group for group in app.get("button_group") if group.label == "Colour tokens by")
    return choice.set_value(name).run()


def offered(app: AppTest) -> list[str]:
    (choice,) = (group for group in app.get("button_group") if group.label == "Colour tokens by")
    return [option.content for option in choice.proto.options]


def test_the_first_row_of_a_step_is_the_token_with_most_kl(root):
    write_fake_run(root, "done", steps=2)
    app = opened(view="tokens", step="1")
    kl, *place = largest_kl(stored(root), 1)
    data = component(app, "step_token_list")
    assert len(data["rows"]) == 10
    first = data["rows"][0]
    assert [first["group"], first["completion"], first["token"]] == place
    assert first["value"] == f"{kl:.3f}"
    total = sum(float(tokens.kl.astype(float).sum()) for tokens in stored(root).step_tokens(1).values())
    assert f"the first alone {kl / total:.0%}".replace("%", " %") in app.subheader[0].value


def test_a_row_knows_the_text_around_its_token(root):
    write_fake_run(root, "done", steps=2)
    reader = stored(root)
    for row in component(opened(view="tokens", step="1"), "step_token_list")["rows"]:
        pieces = reader.tokens(1, row["group"] - 1, row["completion"] - 1).pieces
        whole = "".join(f"⟨{piece}⟩" if piece == "<|end|>" else piece for piece in pieces)
        assert row["before"] + row["text"] + row["after"] == whole
        assert row["where"] == f"group {row['group']} · completion {row['completion']} · token {row['token']}"


def test_pieces_of_the_vocabulary_have_shares_that_add_up_to_all(root):
    write_fake_run(root, "done", steps=2)
    frame = opened(view="tokens", step="1").dataframe[0].value
    assert frame.columns.tolist() == ["piece", "share", "times", "mean", "largest"]
    assert frame["share"].sum() == pytest.approx(1.0) and frame["share"].is_monotonic_decreasing
    assert frame["times"].sum() == sum(len(tokens.ids) for tokens in stored(root).step_tokens(1).values())
    assert "⟨<|end|>⟩" in frame["piece"].tolist()


def test_the_curve_by_place_is_there_from_both_ends(root):
    write_fake_run(root, "done", steps=2)
    found = charts_of(opened(view="tokens", step="1"), "token_charts")
    assert list(found) == ["token-places", "token-places-end"]
    assert all("Token KL by place" in chart["title"] and chart["figure"] for chart in found.values())


def test_the_view_follows_the_step_of_the_scrubber(root):
    write_fake_run(root, "done", steps=3)
    app = opened(view="tokens")
    newest = component(app, "step_token_list")
    app.query_params["step"] = "2"
    moved = component(app.run(), "step_token_list")
    assert (newest["step"], moved["step"]) == (3, 2)
    assert moved["rows"] != newest["rows"]


@pytest.mark.parametrize(("key", "word"), [("push", "Push"), ("logprob", "Log-probability"), ("entropy", "Entropy")])
def test_the_measure_of_the_url_is_that_of_both_views(root, key: str, word: str):
    write_fake_run(root, "done", steps=2)
    assert component(opened(view="tokens", measure=key), "step_token_list")["title"].endswith(word)
    assert component(opened(measure=key), "token_strip")["listTitle"].endswith(word)


def test_choosing_a_measure_puts_it_into_the_url(root):
    write_fake_run(root, "done", steps=2)
    app = choose_measure(opened(step="1"), "change")
    assert in_url(app, "measure") == "change"
    assert component(app, "token_strip")["signed"]
    assert "Blue with a solid line: likelier than for the reference." in words(app)


def test_an_unknown_measure_in_the_url_is_the_first(root):
    write_fake_run(root, "done", steps=2)
    assert component(opened(measure="nonsense"), "token_strip")["listTitle"].endswith("Token KL")


def test_without_a_reference_there_is_no_kl_to_choose(root):
    write_run_with_loss(root, "free", steps=2, beta=0.0)
    app = opened("free")
    assert offered(app) == ["Ratio", "Push", "Entropy", "Log-probability"]
    assert component(app, "token_strip")["listTitle"].endswith("Entropy")
    assert offered(opened("free", view="tokens")) == ["Ratio", "Push", "Entropy", "Log-probability"]


def test_with_one_update_every_ratio_is_1_and_the_page_says_why(root):
    write_fake_run(root, "done", steps=2)
    app = opened(view="tokens", measure="ratio")
    assert "This run makes one update for each batch, so every ratio is exactly 1." in words(app)
    assert app.info[0].value == "Ratio is nothing out of the ordinary for every token of this step."


def test_with_several_updates_ratios_and_clipped_pushes_are_shown(root):
    write_run_with_loss(root, "twice", steps=2, num_iterations=2, epsilon=0.1)
    rows = component(opened("twice", view="tokens", measure="ratio"), "step_token_list")["rows"]
    tokens = stored(root, "twice").tokens(2, rows[0]["group"] - 1, rows[0]["completion"] - 1)
    place = rows[0]["token"] - 1
    assert rows[0]["value"] == f"{np.exp(tokens.update_logprobs[place] - tokens.logprobs[place]):.3f}"
    group, completion = str(rows[0]["group"]), str(rows[0]["completion"])
    strip = component(opened("twice", step="2", group=group, completion=completion, measure="push"), "token_strip")
    numbers = {column["name"]: column["values"] for column in strip["columns"]}
    advantage = float(stored(root, "twice").completions(2, int(group) - 1)["advantage"][int(completion) - 1])
    ratios = [float(value) for value in numbers["Ratio"]]
    beyond = [ratio > 1.1 if advantage > 0 else ratio < 0.9 for ratio in ratios]
    assert [value == "0.000" for value in numbers["Push"]] == [out or advantage == 0 for out in beyond]


def test_a_row_is_opened_at_the_step_it_was_shown_for(root, monkeypatch):
    write_fake_run(root, "done", steps=3)
    report = {"step": 1, "group": 2, "completion": 3, "token": 1}
    browser_reports(monkeypatch, step_tokens, "_list", "picked", report)
    app = opened(view="tokens")  # step 3 is shown by now
    keys = ("view", "panel", "step", "group", "completion", "token")
    assert [in_url(app, key) for key in keys] == [None, "tokens", "1", "2", "3", "1"]
    assert component(app, "token_strip")["name"] == "completion #3 of group 2, step 1"


@pytest.mark.parametrize("move", [{"step": 2}, {"follow": True}])
def test_another_step_forgets_group_completion_and_token(root, monkeypatch, move):
    write_fake_run(root, "done", steps=3)
    browser_reports(monkeypatch, scrubber, "_scrubber", "moved", move)
    app = opened(step="1", group="1", completion="3", token="2")
    assert [in_url(app, key) for key in ("group", "completion", "token")] == [None, None, None]


def test_another_group_forgets_the_token(root, monkeypatch):
    write_fake_run(root, "done", steps=3)
    browser_reports(monkeypatch, group_rows, "_rows", "picked", {"step": 1, "group": 2})
    app = opened(step="1", group="1", completion="3", token="2")
    assert [in_url(app, key) for key in ("group", "completion", "token")] == ["2", None, None]


def test_the_best_completion_of_the_step_has_no_token_chosen(root):
    write_fake_run(root, "done", steps=3)
    app = opened(step="1", group="1", completion="3", token="2")
    app.button(key="open_Best").click().run()
    assert in_url(app, "completion") and in_url(app, "token") is None


def test_a_token_in_the_url_is_selected_only_with_its_completion(root):
    write_fake_run(root, "done", steps=2)
    assert component(opened(step="1", group="1", completion="3", token="2"), "token_strip")["selected"] == 2
    assert component(opened(step="1", group="1", token="2"), "token_strip")["selected"] is None


def test_choosing_another_completion_forgets_the_token(root):
    write_fake_run(root, "done", steps=2)
    app = opened(step="1", group="1", completion="3", token="2")
    app = app.selectbox[0].select_index(1 if app.selectbox[0].index == 0 else 0).run()
    assert in_url(app, "token") is None


def test_a_step_with_nothing_measured_says_so(root):
    config = fake_config(name="dynamic", steps=4, dynamic_sampling=True)
    write_fake_run(root, "dynamic", steps=4, config=config)
    reader = stored(root, "dynamic")
    step = next(s for s in range(1, 5) if reader.groups(s)["discarded"].notna().any())
    app = opened("dynamic", view="tokens", step=str(step))
    assert "Discarded groups are not measured, and not among these." in words(app)
    kept = {int(g) + 1 for g in reader.groups(step).query("discarded.isna()")["group_index"]}
    assert {row["group"] for row in component(app, "step_token_list")["rows"]} <= kept


def test_hostile_pieces_reach_the_page_as_data_only(root):
    write_fake_run(root, "wild", steps=2, hostile_text=True)
    data: dict[str, Any] = component(opened("wild", view="tokens"), "step_token_list")
    assert any("<" in row["text"] + row["before"] + row["after"] for row in data["rows"])  # set as textContent
    assert max(len(row["text"]) for row in data["rows"]) <= 40
    assert "<script" not in words(opened("wild", view="tokens"))
