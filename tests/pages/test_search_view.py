"""The Search view: a phrase and filters in the URL, what they find in words and rows, and what a click does."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views import search_view
from engine.runs.hits import hits
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.saved_filters import FILE, saved_filters
from engine.runs.search import Found, find
from engine.runs.search_query import SearchQuery
from engine.runs.store import StoreWriter
from tests.fakes import write_fake_run
from tests.pages.reading import component, in_url, open_page, raw_html, words
from tests.unit.runs.records import dead, group, step

CUT = {"finish_reason": "length", "advantage": "positive"}


@pytest.fixture
def paths(root: Path) -> RunPaths:
    return write_fake_run(root, "done", steps=12, group_size=4)


def opened(run_id: str, **query: str) -> AppTest:
    app = open_page("groups", run=run_id, view="search", **query)
    assert not app.exception
    return app


def rows(app: AppTest) -> list[dict[str, object]]:
    found: list[dict[str, object]] = component(app, "search_rows")["rows"]
    return found


def expected(paths: RunPaths, query: SearchQuery) -> Found:
    return find(RunReader(paths.db), query, seconds=60)


def test_without_a_question_nothing_is_listed(paths: RunPaths) -> None:
    app = opened("done")
    assert "Type a phrase and press Enter" in words(app)
    assert "completions in" not in words(app)


def test_a_phrase_is_searched_on_enter_and_stays_in_the_url(paths: RunPaths) -> None:
    app = opened("done")
    app.text_input(key="search.phrase").set_value("31").run()
    assert in_url(app, "q") == "31"
    found = expected(paths, SearchQuery("31"))
    assert f"**{len(found.keys)} completions in {found.steps} steps**" in words(app)
    first = hits(RunReader(paths.db), found.keys[:1], "31")[0]
    row = rows(app)[0]
    assert row["place"] == f"{first.step} · {first.group_index + 1} · {first.completion_index + 1}"
    assert (row["before"], row["match"], row["after"]) == (first.excerpt.before, "31", first.excerpt.after)
    assert row["verdict"] == {True: "✔ right", False: "✘ wrong"}[bool(first.passed)]
    assert row["title"] == (
        f"Open completion {first.completion_index + 1} of group {first.group_index + 1} in step {first.step}"
    )


def test_a_link_shows_the_same_search_again(paths: RunPaths) -> None:
    app = opened("done", q="3", filters='{"passed":true,"step_min":5,"total_min":1.25}')
    found = expected(paths, SearchQuery("3", passed=True, step_min=5, total_min=1.25))
    assert f"{len(found.keys)} completions in {found.steps} steps" in words(app)
    assert app.text_input(key="search.phrase").value == "3"
    assert app.number_input(key="search.step_min").value == 5
    assert app.number_input(key="search.total_min").value == 1.25
    assert "Filters: 3 set" in [expander.label for expander in app.expander]


def test_one_press_lists_what_was_cut_off_but_rewarded(paths: RunPaths) -> None:
    app = opened("done")
    app.button(key="search.preset.Cut off but pushed up").click().run()
    assert json.loads(in_url(app, "filters") or "") == CUT
    assert "No completion found" in words(app)  # the cut groups of a fake run have no signal
    app.button(key="search.preset.Right answers").click().run()
    assert len(rows(app)) == min(50, len(expected(paths, SearchQuery(passed=True)).keys))


def test_filters_change_the_url_and_one_at_a_time(paths: RunPaths) -> None:
    app = opened("done", q="3")
    app.number_input(key="search.step_min").set_value(7).run()
    app.pills(key="search.end").set_value("ended").run()
    app.selectbox(key="search.reward").set_value("digit_match").run()
    app.number_input(key="search.reward_min").set_value(0.5).run()
    query = SearchQuery("3", step_min=7, finish_reason="eos", reward="digit_match", reward_min=0.5)
    assert SearchQuery.from_json(in_url(app, "filters") or "") == SearchQuery.from_dict(
        {"step_min": 7, "finish_reason": "eos", "reward": "digit_match", "reward_min": 0.5}
    )
    assert f"{len(expected(paths, query).keys)} completions" in words(app)
    app.pills(key="search.end").set_value(None).run()
    app.selectbox(key="search.reward").set_value("any").run()
    assert json.loads(in_url(app, "filters") or "") == {"step_min": 7}
    app.button(key="search.clear").click().run()
    assert (in_url(app, "q"), in_url(app, "filters")) == (None, None)


def test_bounds_that_hold_nothing_are_told_and_the_search_stays(paths: RunPaths) -> None:
    app = opened("done", filters='{"step_max":3}')
    app.number_input(key="search.step_min").set_value(7).run()
    assert "step: from 7 to 3 holds nothing" in words(app).replace("\\", "")
    assert json.loads(in_url(app, "filters") or "") == {"step_max": 3}


@pytest.mark.parametrize(
    ("query", "said"),
    [({"filters": "{"}, "The filters are not JSON"), ({"filters": '{"speed":1}'}, "There is no filter"),
     ({"q": "x" * 300_000}, "phrase has 300,000 characters"), ({"filters": "[" * 30_000}, "at most 20,000"),
     ({"filters": '{"reward":"speed"}'}, "no reward function 'speed'"),
     ({"filters": '{"step_min":1e999}'}, "step_min is 'inf'")],
)  # fmt: skip
def test_a_link_that_asks_nonsense_is_answered_with_a_sentence(
    paths: RunPaths, query: dict[str, str], said: str
) -> None:
    assert said in words(opened("done", **query)).replace("\\", "")


def test_more_rows_come_without_another_search(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[SearchQuery] = []

    def counted(reader: RunReader, query: SearchQuery, **how: float | None) -> Found:
        asked.append(query)
        return find(reader, query, seconds=60)

    monkeypatch.setattr(search_view, "find", counted)
    app = opened("done", filters='{"finish_reason":"eos"}')
    assert len(rows(app)) == 50
    app.button(key="search.more").click().run()
    assert len(rows(app)) == 100
    assert len(asked) == 1


def test_a_step_that_a_replay_replaced_is_searched_anew(paths: RunPaths) -> None:
    store = StoreWriter(paths.db)
    store.commit_step(step(13, groups=[group(completions=dead("apple", "apple pie"))]))
    app = opened("done", q="apple")
    assert len(rows(app)) == 2
    store.commit_step(step(13, groups=[group(completions=dead("plum", "apple tart", exact=0.5))]))
    store.close()
    app.run()
    assert [(row["place"], row["match"], row["after"]) for row in rows(app)] == [("13 · 1 · 2", "apple", " tart")]


def test_a_row_that_is_clicked_opens_its_completion_and_keeps_the_search(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened("done", q="31")
    key = expected(paths, SearchQuery("31")).keys[2]
    (hit,) = hits(RunReader(paths.db), [key])
    clicks = iter([key])
    monkeypatch.setattr(search_view, "search_rows", lambda *_, **__: next(clicks, None))
    app.run()
    assert (in_url(app, "view"), in_url(app, "q")) == (None, "31")
    place = [in_url(app, name) for name in ("step", "group", "completion")]
    assert place == [str(hit.step), str(hit.group_index + 1), str(hit.completion_index + 1)]
    assert app.subheader[0].value.startswith(f"Group {hit.group_index + 1} of 6")


def test_a_search_that_ran_out_of_time_offers_to_go_on(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float | None] = []

    def slow(reader: RunReader, query: SearchQuery, *, seconds: float | None = None) -> Found:
        limits.append(seconds)
        return find(reader, query, seconds=-1 if seconds is None else 60)

    monkeypatch.setattr(search_view, "find", slow)
    app = opened("done", q="31")
    assert "No completion found so far" in words(app) and "there may be more" in words(app)
    app.button(key="search.on").click().run()
    assert limits == [None, 15.0]
    assert len(rows(app)) == len(expected(paths, SearchQuery("31")).keys)


def test_a_search_is_saved_loaded_and_deleted_by_name(root: Path, paths: RunPaths) -> None:
    app = opened("done", q="31", filters='{"passed":true}')
    app.text_input(key="search.name").set_value(" 31, *right* ").run()
    app.button(key="search.save").click().run()
    assert saved_filters(root) == {"31, *right*": SearchQuery("31", passed=True)}
    other = opened("done")
    assert other.button(key="search.load.0").label == "31, \\*right\\*"
    other.button(key="search.load.0").click().run()
    assert (in_url(other, "q"), in_url(other, "filters")) == ("31", '{"passed":true}')
    other.button(key="search.delete.0").click().run()
    assert saved_filters(root) == {}


def test_a_name_that_does_not_fit_and_a_damaged_file_are_told(root: Path, paths: RunPaths) -> None:
    app = opened("done", q="31")
    app.button(key="search.save").click().run()
    assert "A saved search needs a name" in words(app)
    (root / FILE).write_text("{")
    app = opened("done", q="31")
    assert "the saved searches cannot be read" in words(app).replace("\\", "")
    assert len(rows(app)) > 0


def test_a_saved_search_that_cannot_be_read_is_named_and_can_be_deleted(root: Path, paths: RunPaths) -> None:
    (root / FILE).write_text('{"searches": {"newer": {"mood": "glad"}, "old": {"phrase": "31"}}}')
    app = opened("done")
    assert "newer cannot be read: There is no filter" in words(app)
    app.button(key="search.delete.0").click().run()
    assert saved_filters(root) == {"old": SearchQuery("31")}


def test_each_format_is_made_when_it_is_asked_for(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    query, reader = SearchQuery("31"), RunReader(paths.db)
    found = expected(paths, query).keys
    assert len(search_view.exported(reader, query, "jsonl").splitlines()) == len(found)
    assert len(pd.read_csv(io.BytesIO(search_view.exported(reader, query, "csv")))) == len(found)
    assert len(pd.read_parquet(io.BytesIO(search_view.exported(reader, query, "parquet")))) == len(found)
    made: list[str] = []
    monkeypatch.setattr(search_view, "exported", lambda reader, query, kind: made.append(kind))
    opened("done", q="31")
    assert made == []


def test_hostile_text_is_shown_as_it_is(root: Path) -> None:
    paths = write_fake_run(root, "hostile", steps=12, group_size=4, hostile_text=True)
    for phrase in ("<script>", "\x1b[31m", "wordword", "javascript:", "=HYPER"):
        app = opened("hostile", q=phrase)
        assert len(rows(app)) == min(50, len(expected(paths, SearchQuery(phrase)).keys)) > 0
        assert "<script>document" not in raw_html(app)
        text = json.dumps(rows(app), ensure_ascii=False)
        assert not {"\x1b", "\x00", "\u202e", "\u200b"} & set(text)


def test_a_run_without_steps_has_nothing_to_search(root: Path) -> None:
    write_fake_run(root, "new", steps=0)
    assert "No step is finished yet, so there is nothing to search." in words(opened("new", q="31"))


@pytest.mark.parametrize(
    ("found", "said"),
    [(Found([]), "No completion found"), (Found([1 << 32]), "1 completion in 1 step"),
     (Found([1 << 33, 1 << 32]), "2 completions in 2 steps"), 
     (Found([1] * 10_000, more=True), "More than 10,000 completions"),
     (Found([1 << 32], complete=False), "At least 1 completion in 1 step")],
)  # fmt: skip
def test_a_result_is_counted_in_words(found: Found, said: str) -> None:
    assert search_view.count_in_words(found) == said


def test_options_of_boxes_show_names_as_they_are_and_groups_are_called_as_elsewhere(paths: RunPaths) -> None:
    app = opened("done")
    assert "exact_match" in app.selectbox(key="search.reward").options
    assert "without signal" in app.get("button_group")[-1].options
