"""The Data section of the New-run form: each kind of source, mixtures, filters, and what is odd beside the rows."""

import json
from html import unescape
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views import form_data_look, form_data_source
from dashboard.views.form_data import data_problems
from dashboard.views.form_data_findings import lengths_chart, lengths_sentence
from dashboard.views.form_data_keep import measured
from dashboard.views.form_data_look import draft_source, look_at, report
from dashboard.views.form_data_mixture import shares_html
from dashboard.views.form_data_preview import mapped_table, other_columns
from dashboard.views.form_data_source import kind_of
from dashboard.views.form_sections import data_summary
from dashboard.views.form_state import FormState
from engine.config_io import spelled_out
from engine.data.checks import Bin
from engine.preflight.folder import FOLDER, pass_rates_path
from engine.presets import PRESETS
from engine.runs import launch
from engine.runs.paths import RunPaths, list_runs, read_config
from tests.gym_package import install_gym
from tests.pages.reading import APP, html_text, raw_html

PAGE = "app_pages/new_run.py"
HOSTILE = "<script>alert(1)</script> **b** :red[x]"


@pytest.fixture
def form(root: Path) -> FormState:
    """A form with the first preset, without a page."""
    return FormState(spelled_out(PRESETS[0].config).model_dump(mode="json"), origin="test")


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def sums(path: Path, count: int = 20) -> Path:
    return write_rows(path, [{"question": f"{n}+1", "answer": str(n + 1), "level": n} for n in range(count)])


def opened(**data: object) -> AppTest:
    """The page with these settings of the data."""
    page = AppTest.from_file(APP, default_timeout=30).run().switch_page(PAGE).run()
    held = form_of(page)
    held.draft["data"] |= data
    held.redraw()
    return good(page.run())


def good(page: AppTest) -> AppTest:
    assert not page.exception
    return page


def test_a_file_with_fewer_rows_than_are_held_out_keeps_a_fifth_of_them_aside(root: Path, tmp_path: Path) -> None:
    page = opened(source=str(sums(tmp_path / "sums.jsonl", 40)), params={})
    draft = form_of(page).draft
    assert (draft["data"]["held_out"], draft["evaluation"]["num_prompts"]) == (8, 8)
    assert [toast.value for toast in page.toast] == ["8 examples held out: a fifth of the 40 rows, instead of 512."]


def test_more_rows_than_before_bring_back_what_was_to_be_held_out(root: Path, tmp_path: Path) -> None:
    page = opened(source=str(sums(tmp_path / "few.jsonl", 5)), params={})
    assert data_of(page)["held_out"] == 1
    for rows, held_out, asked in ((40, 8, 8), (600, 512, 512)):
        path = sums(tmp_path / f"{rows}.jsonl", rows)
        page = good(page.text_input(key=key(page, "data.source")).set_value(str(path)).run())
        draft = form_of(page).draft
        assert (draft["data"]["held_out"], draft["evaluation"]["num_prompts"]) == (held_out, asked)
    page = opened(source=str(tmp_path / "40.jsonl"), params={}, held_out=1)  # as somebody wants it
    assert data_of(page)["held_out"] == 1


def test_a_file_with_wrong_rows_changes_nothing_about_what_is_held_out(root: Path, tmp_path: Path) -> None:
    path = sums(tmp_path / "sums.jsonl", 3)
    path.write_text(path.read_text() + "{no JSON\n")
    page = opened(source=str(path), params={})
    assert form_of(page).draft["data"]["held_out"] == 512 and not page.toast


def form_of(page: AppTest) -> FormState:
    return page.session_state["new_run.form"]


def data_of(page: AppTest) -> dict:
    return form_of(page).draft["data"]


def key(page: AppTest, path: str) -> str:
    return form_of(page).key(path)


def choose(page: AppTest, kind: str, prefix: str = "data") -> AppTest:
    return good(page.button_group(key=key(page, f"{prefix}.kind")).set_value(kind).run())


def alerts(page: AppTest) -> list[str]:
    bodies = [element.proto.body for element in page.get("html")]
    return [unescape(body) for body in bodies if 'role="alert"' in body]


def test_a_built_in_task_shows_what_it_asks_and_its_settings(root):
    page = opened()
    page = good(page.selectbox(key=key(page, "data.source")).set_value("sorting").run())
    assert data_of(page)["source"] == "sorting" and data_of(page)["params"] != {}
    assert "Prompt Reference answer Sort" in html_text(page)
    assert any(widget.key.startswith(key(page, "data.params.")) for widget in page.number_input)


def test_a_file_says_its_form_and_what_becomes_of_its_columns(root, tmp_path):
    page = opened(source=str(sums(tmp_path / "s.jsonl")), held_out=4)
    assert any("the prompt is 'question'; the answer is 'answer'." in text.value for text in page.text)
    assert "Prompt, from question Reference answer, from answer 0+1 1 1+1 2 2+1 3" in html_text(page)
    assert any("16 for training, 4 held out." in text.value for text in page.text)
    assert alerts(page) == []


def test_what_a_cell_says_is_text(root, tmp_path):
    rows = [{"question": f"{HOSTILE} {n}", "answer": HOSTILE, "<img src=x>": n} for n in range(9)]
    page = opened(source=str(write_rows(tmp_path / "h.jsonl", rows)), held_out=2)
    assert "<script>" not in raw_html(page) and "&lt;script&gt;alert(1)" in raw_html(page)
    assert not any("<img" in caption.value.replace("\\<", "") for caption in page.caption)


def test_of_300_columns_30_are_drawn(root, tmp_path):
    row = {"question": "1+1", "answer": "2", **{f"c{n}": n for n in range(298)}}
    page = opened(source=str(write_rows(tmp_path / "w.jsonl", [row])))
    assert page.dataframe[0].value.shape == (1, 30)
    captions = [caption.value for caption in page.caption]
    assert any("and 290 more" in caption for caption in captions)  # of 298 others, 8 by name


def test_a_file_of_one_row_says_how_many_it_would_take(root, tmp_path):
    page = opened(source=str(sums(tmp_path / "one.jsonl", 1)), held_out=4)
    assert any("has 1 different prompt, so holding out 4" in alert for alert in alerts(page))


def test_a_malformed_file_names_its_lines(root, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n{"question": oops\n')
    assert any("bad.jsonl, line 2" in alert for alert in alerts(opened(source=str(path))))


def test_two_uploads_are_one_source_and_can_be_taken_off(root, tmp_path):
    page = choose(opened(), "upload")
    for name in ("a", "b"):
        uploader = page.file_uploader(key=key(page, "data.upload"))
        uploader.upload(f"{name}.jsonl", sums(tmp_path / f"{name}.jsonl", 8 if name == "a" else 9).read_bytes(), "")
        page = good(page.run())
    assert [Path(line).name for line in data_of(page)["source"].splitlines()] == ["a.jsonl", "b.jsonl"]
    assert any(text.value.startswith("17 rows, 3 columns.") for text in page.text)
    page = good(page.button(key=key(page, "data.upload.0")).click().run())
    assert data_of(page)["source"].endswith("/b.jsonl") and "\n" not in data_of(page)["source"]


def test_pasted_rows_become_a_file_and_wrong_lines_are_named(root):
    page = choose(opened(), "paste")
    page = good(page.text_area(key=key(page, "data.pasted")).set_value("1+1\t2\nno tab").run())
    assert data_of(page)["source"] == "" and any("line 2" in error.value for error in page.error)
    page = good(page.text_area(key=key(page, "data.pasted")).set_value("1+1\t2\n2+2\t4").run())
    assert data_of(page)["source"].endswith("/pasted.jsonl") and len(page.error) <= 1  # the held-out rows are too many
    assert "1+1 2 2+2 4" in html_text(page)


def test_a_hub_data_set_that_is_not_here_is_downloaded_by_the_start(root, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    page = choose(opened(), "hub")
    page = good(page.text_input(key=key(page, "data.source")).set_value("owner/name").run())
    assert any("starting the run downloads it" in caption.value for caption in page.caption)
    assert {key(page, f"data.{name}") for name in ("subset", "split", "revision")} <= {w.key for w in page.text_input}
    assert page.button(key=key(page, "data.make")).label == "Download it now"


def test_what_is_not_installed_says_how_to_get_it(root, monkeypatch):
    monkeypatch.setattr(form_data_source, "gym_installed", lambda: False)
    assert "Not available: reasoning-gym" in html_text(opened())
    assert "gym" not in page_kinds(opened())


@pytest.mark.slow
def test_a_task_of_reasoning_gym_is_chosen_checked_and_started(root, tmp_path_factory, monkeypatch):
    install_gym(tmp_path_factory.mktemp("packages"), monkeypatch)
    monkeypatch.setattr(launch, "spawn", lambda *_, **__: None)
    page = choose(opened(), "gym")
    page = good(page.selectbox(key=key(page, "data.gym")).set_value("sums").run(timeout=60))
    assert page.number_input(key=key(page, "data.params.size")).value == 1000
    page = good(page.number_input(key=key(page, "data.params.size")).set_value(20).run())
    page = good(page.number_input(key=key(page, "data.held_out")).set_value(8).run())
    page = good(page.number_input(key=key(page, "evaluation.num_prompts")).set_value(8).run())
    page = good(page.button(key="new_run.check").click().run(timeout=120))
    assert [element.value for element in page.error] == [] and "Ready to start" in page.success[0].value
    page.button(key="new_run.start").click().run(timeout=120)
    (paths,) = list_runs(root)
    data = read_config(paths).data
    assert (data.source, data.params) == ("reasoning-gym:sums", {"size": 20, "config": {}})


def page_kinds(page: AppTest) -> list[str]:
    return [option.content for option in page.button_group(key=key(page, "data.kind")).proto.options]


def test_a_mixture_has_shares_and_loses_what_is_removed(root):
    page = opened()
    page = good(page.button(key=key(page, "data.mixture.add")).click().run())
    assert [entry["source"] for entry in data_of(page)["mixture"]] == ["spell_backwards"]
    page = good(page.text_input(key=key(page, "data.mixture[0].weight")).set_value("3").run())
    assert "Prompts: 25 % arithmetic · 75 % spell_backwards" in html_text(page)
    assert form_of(page).parsed()[0].data.mixture[0].weight == 3
    page = choose(page, "file", "data.mixture[0]")
    assert data_of(page)["mixture"][0]["source"] == ""
    page = good(page.button(key=key(page, "data.mixture[0].remove")).click().run())
    assert data_of(page)["mixture"] == [] and form_of(page).data_kinds == {}


def test_a_mixed_in_file_that_is_missing_is_told_at_its_place(root):
    page = opened()
    page = choose(good(page.button(key=key(page, "data.mixture.add")).click().run()), "file", "data.mixture[0]")
    page = good(page.text_input(key=key(page, "data.mixture[0].source")).set_value("/nowhere/x.jsonl").run())
    (alert,) = alerts(page)
    assert "/nowhere/x.jsonl" in alert and "does not exist" in alert
    assert [problem.field for problem in data_problems(form_of(page))] == ["data.mixture[0].source"]


def test_a_column_inside_of_another_stays_chosen(root, tmp_path):
    rows = [{"prompt": f"{n}+1", "answer": "0", "extra": {"truth": str(n + 1)}} for n in range(9)]
    page = opened(source=str(write_rows(tmp_path / "v.jsonl", rows)), answer_column="extra.truth", held_out=2)
    assert page.selectbox(key=key(page, "data.answer_column")).value == "extra.truth"
    collect_again = good(page.run())
    assert data_of(collect_again)["answer_column"] == "extra.truth"


def odd(path: Path) -> Path:
    """20 rows: 4 of them again, and one that shows its answer."""
    rows = [{"question": f"{n}+1", "answer": str(n + 1)} for n in range(15)]
    return write_rows(path, [*rows, *rows[:4], {"question": "What? answer: yes", "answer": "yes"}])


def test_findings_stand_beside_the_rows_and_one_click_drops_them(root, tmp_path):
    page = opened(source=str(odd(tmp_path / "odd.jsonl")), held_out=4)
    assert "4 of 20 examples repeat the prompt" in html_text(page) and "odd.jsonl, line 16" in html_text(page)
    page = good(page.button(key=key(page, "fix.duplicates")).click().run())
    assert data_of(page)["drop_duplicates"] is True
    assert any(", 4 left out (duplicates)." in text.value for text in page.text)
    assert not any(button.key == key(page, "fix.duplicates") for button in page.button)


def test_each_filter_says_what_it_leaves_by_itself(form, tmp_path):
    form.draft["data"] |= {"source": str(odd(tmp_path / "odd.jsonl")), "held_out": 4, "drop_leaks": True}
    found = report(form)
    assert (found.rows, found.leaves) == (20, {"drop_duplicates": 16, "drop_leaks": 19})
    assert found.dropped == {"leaks": 1}


def test_a_file_is_read_again_when_it_changes_and_not_before(form, tmp_path, monkeypatch):
    path = sums(tmp_path / "s.jsonl", 8)
    form.draft["data"] |= {"source": str(path)}
    reads = []
    read = form_data_look.read_source
    monkeypatch.setattr(form_data_look, "read_source", lambda *a, **k: reads.append(1) or read(*a, **k))
    assert [look_at(draft_source(form, "data")).num_rows for _ in range(3)] == [8, 8, 8] and len(reads) == 1
    form.draft["data"]["answer_column"] = "level"
    assert look_at(draft_source(form, "data")).examples[0] == ("0+1", "0") and len(reads) == 1
    sums(path, 9)
    assert look_at(draft_source(form, "data")).num_rows == 9 and len(reads) == 2


def test_a_large_file_is_looked_at_in_a_child_and_its_rows_are_for_the_check(form, tmp_path, monkeypatch):
    form.draft["data"] |= {"source": str(sums(tmp_path / "s.jsonl", 30))}
    monkeypatch.setattr(form_data_look, "SMALL_BYTES", 100)
    asked = []
    monkeypatch.setattr(form_data_look, "preview_in_child", lambda source, **_: asked.append(source.source))
    look_at(draft_source(form, "data"))
    assert asked == [form.value("data.source")] and report(form) is None


def write_preflight(root: Path, form: FormState, ids: dict) -> None:
    """A finished pre-flight of the form that measured these prompts."""
    form.preflight = "preflight.0123456789ab.0123"
    paths = RunPaths(root / FOLDER / form.preflight)
    paths.root.mkdir(parents=True)
    paths.config.write_text("{}")
    pass_rates_path(paths).write_text(json.dumps({"ids": ids}))


def test_the_pass_rates_of_the_last_pre_flight_are_one_click_away(root, tmp_path):
    page = opened(source=str(sums(tmp_path / "s.jsonl")), held_out=4)
    write_preflight(root, form_of(page), {"0" * 16: [1, 4], "1" * 16: [0, 4]})
    page = good(page.run())
    button = page.button(key=key(page, "data.use_rates"))
    assert "(2 prompts)" in button.label
    page = good(button.click().run())
    kept = Path(data_of(page)["pass_rates"])
    assert kept.parent.parent == root / ".uploads" and json.loads(kept.read_text())["ids"]["0" * 16] == [1, 4]
    assert not any(button.key == key(page, "data.use_rates") for button in page.button)
    assert any("0 of 20 rows have a measured pass rate" in caption.value for caption in page.caption)


def test_a_pre_flight_that_decided_nothing_has_no_pass_rates(root, form):
    assert measured(form) is None
    write_preflight(root, form, {})
    assert measured(form) is None


@pytest.mark.parametrize(
    ("source", "kind"),
    [("arithmetic", "task"), ("reasoning-gym:sums", "gym"), ("owner/name", "hub"), ("", "file"), ("a/b.jsonl", "file")],
)
def test_a_source_shows_its_kind(root, source, kind):
    assert kind_of(source) == kind


def test_lengths_of_prompts_are_said_in_words():
    bins = (Bin(5, 9, 3), Bin(10, 14, 1))
    assert lengths_sentence(bins) == "Prompts have 5 to 14 tokens, at least 75 % of them at most 9."
    assert lengths_sentence((Bin(7, 7, 2),)) == "Every prompt has 7 tokens."
    assert lengths_chart(bins).count("flex:1") == 2


def test_names_of_sources_and_columns_are_escaped():
    assert "<b>" not in shares_html([("<b>", 1.0)]) + mapped_table([("<b>", "<b>")], "<b>", "<b>")
    assert other_columns(["a\nb"]) == "For the rewards and the prompt template also: a⏎b."


def test_the_summary_counts_files_and_what_is_mixed_in(form):
    form.draft["data"] |= {"source": "/a/x.jsonl\n/a/y.jsonl", "mixture": [{"source": "sorting"}], "held_out": 4}
    assert data_summary(form.draft) == "x.jsonl and 1 more · mixed with 1 more · 4 held out"
