"""Pre-flight on the New-run page, and its groups in the inspector."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views import form_preflight
from engine.config_io import default_params, parse_config
from engine.errors import LabError
from engine.preflight.folder import find_preflight, result_path, with_contents
from engine.presets import LEARN_TO_ADD
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths
from engine.runs.store import StoreWriter
from tests.pages.reading import charts_of, component, html_text, in_url, open_page, words
from tests.unit.preflight.findings import forecast, prompt, result, stored

PREFLIGHT = "new_run.preflight"


def buttons(page: AppTest) -> dict[str, Any]:
    return {button.key: button for button in page.button}


def plain(page: AppTest) -> str:
    """What the page says, without the escapes of Markdown."""
    return words(page).replace("\\", "")


def good(page: AppTest) -> AppTest:
    assert not page.exception
    return page


def draft(page: AppTest) -> dict[str, Any]:
    found: dict[str, Any] = page.session_state["new_run.form"].draft
    return found


def change(page: AppTest, **rollout: Any) -> AppTest:
    """Edit settings as if by their widgets."""
    form = page.session_state["new_run.form"]
    form.change({f"rollout.{name}": value for name, value in rollout.items()})
    return good(page.run())


@pytest.fixture
def advised(root: Path) -> RunPaths:
    """A pre-flight of the first preset, which advises a larger group."""
    found = result(group_size=8, prompts_per_step=16, forecast=forecast(g4=0.6, g8=0.39, g16=0.27))
    return stored(root, found, config=LEARN_TO_ADD)


def test_before_a_preflight_there_is_a_button_and_what_it_does(root: Path) -> None:
    page = good(open_page("new_run"))
    assert buttons(page)[PREFLIGHT].label == "Pre-flight"
    assert "makes one update that is thrown away" in words(page)


def test_the_button_starts_one_with_the_settings_and_prompts_of_the_form(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    def start(at: Path, config: Any, *, prompts: int) -> RunPaths:
        started.append((config, prompts))
        return stored(at, result(), config=config)

    monkeypatch.setattr(form_preflight, "start_preflight", start)
    page = open_page("new_run")
    page.selectbox(key="new_run.preflight_prompts").set_value(32)
    good(page.button(key=PREFLIGHT).click().run())
    ((config, prompts),) = started
    assert (config, prompts) == (parse_config(draft(page)), 32)
    assert "Ready to train" in page.success[0].value


def test_what_was_found_is_shown_from_the_disk(root: Path, advised: RunPaths) -> None:
    page = good(open_page("new_run"))
    assert "G 8 → 16 would cut groups without signal from 39% to 27%" in plain(page)
    assert "A look ahead, and not a run" in words(page)
    assert set(charts_of(page, "preflight_charts")) == {"preflight-dead", "preflight-rates"}
    text = html_text(page)
    assert "Right 50 % of 32 completions, by exact_match" in text
    assert "A step 5.00 s sampling 3.00 s, scoring 0.50 s, update 1.50 s, scaled from 4 prompts" in text
    assert "Memory 600 MB loading 400 MB, sampling and scoring 500 MB, update 600 MB" in text
    assert len(component(page, "preflight_groups")["rows"]) == 16


def test_use_g_sets_the_group_size_and_the_result_is_then_outdated(root: Path, advised: RunPaths) -> None:
    page = good(open_page("new_run"))
    good(page.button(key="new_run.preflight_use").click().run())
    assert draft(page)["rollout"]["num_generations"] == 16
    assert "Outdated: 1 setting changed since this pre-flight." in words(page)
    assert "Group size G 8 → 16" in html_text(page)


def test_a_reward_file_that_was_edited_since_makes_it_outdated(root: Path) -> None:
    file = root / "mine.py"
    file.write_text("def reward(completion, answer):\n    return 1.0\n")
    params = {**default_params("python_file"), "path": str(file)}
    spec = {"name": "mine", "function": "python_file", "weight": 1.0, "params": params}
    page = good(open_page("new_run"))
    page.session_state["new_run.form"].draft |= {"rewards": [spec]}
    page.session_state["new_run.form"].draft["evaluation"]["pass_reward"] = None
    page.session_state["new_run.form"].redraw()
    stored(root, result(), config=with_contents(parse_config(draft(page))))
    page = good(page.run())
    assert "Outdated" not in words(page) and "A look ahead" in words(page)
    file.write_text("def reward(completion, answer):\n    return 0.0\n")
    assert "Outdated: 1 setting changed since this pre-flight." in words(good(page.run()))


def test_a_data_file_that_was_edited_since_makes_it_outdated(root: Path) -> None:
    file = root / "sums.jsonl"
    file.write_text("".join(f'{{"question": "1+{i}=", "answer": {1 + i}}}\n' for i in range(3)))
    page = good(open_page("new_run"))
    form = page.session_state["new_run.form"]
    form.draft["data"] |= {"source": str(file), "params": {}, "held_out": 1}
    form.redraw()
    stored(root, result(), config=with_contents(parse_config(draft(page))))
    page = good(page.run())
    assert "A look ahead" in words(page) and "Outdated" not in words(page)
    os.utime(file, (1, 1))  # as a copy that keeps an older time
    assert "Outdated: sums.jsonl changed since this pre-flight." in plain(good(page.run()))


def test_a_setting_that_changes_nothing_in_it_leaves_it_valid(root: Path, advised: RunPaths) -> None:
    page = good(open_page("new_run"))
    page.session_state["new_run.form"].change({"optim.learning_rate": 1e-6, "name": "other"})
    page = good(page.run())
    assert "G 8 → 16" in plain(page) and "Outdated" not in words(page)


def test_changing_a_setting_back_makes_it_valid_again(root: Path, advised: RunPaths) -> None:
    page = change(good(open_page("new_run")), temperature=0.7)
    assert "Outdated" in words(page)
    assert "Outdated" not in words(change(page, temperature=1.0))


def test_a_new_page_does_not_show_what_is_about_other_settings(root: Path) -> None:
    stored(root, result())  # of another configuration
    page = good(open_page("new_run"))
    assert buttons(page)[PREFLIGHT].label == "Pre-flight" and "Outdated" not in words(page)


def test_one_at_work_shows_its_phase_and_can_be_cancelled(root: Path, advised: RunPaths) -> None:
    result_path(advised).unlink()
    advised.db.unlink()
    store = StoreWriter(advised.db)
    store.begin_attempt(0, {})
    store.beat(0, "rollout", "prompts 1 to 16 of 16, token 3 of 6")
    with Lease(advised.lock):
        page = good(open_page("new_run"))
        assert "Sampling: prompts 1 to 16 of 16, token 3 of 6" in html_text(page)
        assert PREFLIGHT not in buttons(page)
    store.close()


def test_cancel_ends_it_and_gives_the_button_back(
    root: Path, advised: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[RunPaths] = []
    store = StoreWriter(advised.db)
    store.begin_attempt(0, {})
    store.close()
    lease = Lease(advised.lock).__enter__()

    def cancel(at: Path, paths: RunPaths) -> None:
        cancelled.append(paths)
        lease.__exit__(None, None, None)
        shutil.rmtree(paths.root)

    monkeypatch.setattr(form_preflight, "cancel_preflight", cancel)
    page = good(open_page("new_run"))
    page = good(page.button(key="new_run.preflight_cancel").click().run())
    assert [paths.run_id for paths in cancelled] == [advised.run_id]
    assert PREFLIGHT in buttons(good(page.run()))


def test_a_cancel_that_fails_is_said(root: Path, advised: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fragment that runs by itself has nobody above it who turns an error into a sentence."""
    store = StoreWriter(advised.db)
    store.begin_attempt(0, {})
    store.close()

    def refuse(*_: Any) -> None:
        raise LabError("The pre-flight cannot be ended.", hint="Wait until it has finished.")

    monkeypatch.setattr(form_preflight, "cancel_preflight", refuse)
    with Lease(advised.lock):
        page = good(open_page("new_run"))
        page = good(page.button(key="new_run.preflight_cancel").click().run())
        assert "The pre-flight cannot be ended" in plain(page) and "Cancel" in [button.label for button in page.button]


def test_one_that_failed_says_why(root: Path, advised: RunPaths) -> None:
    store = StoreWriter(advised.db)
    store.begin_attempt(0, {})
    store.end_attempt("failed", "sums.jsonl: No such file.")
    store.close()
    page = good(open_page("new_run"))
    assert "The pre-flight failed: sums.jsonl" in plain(page)
    assert PREFLIGHT in buttons(page)


def test_a_damaged_result_is_a_sentence(root: Path, advised: RunPaths) -> None:
    result_path(advised).write_text("{")
    page = good(open_page("new_run"))
    assert "Run the pre-flight again" in plain(page)


def test_a_start_that_is_refused_says_why(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> RunPaths:
        raise LabError("The disk is full.", hint="Make room.")

    monkeypatch.setattr(form_preflight, "start_preflight", refuse)
    page = good(open_page("new_run"))
    page = good(page.button(key=PREFLIGHT).click().run())
    assert "The disk is full" in plain(page)


def test_hostile_texts_are_shown_and_break_nothing(root: Path) -> None:
    evil = "<script>alert(1)</script>\u202e**[x](javascript:alert(1))**"
    found = result(prompts=(prompt(1, text=evil),) * 4, pass_reward=evil)
    missing = found.rewards[0].__class__(evil, 1.0, None, 16, ((evil, 16),))
    stored(root, result(rewards=(missing,), prompts=found.prompts, pass_reward=evil), config=LEARN_TO_ADD,
           hostile_text=True)  # fmt: skip
    page = good(open_page("new_run"))
    assert "<script>" not in " ".join(element.proto.body for element in page.get("html"))
    assert find_preflight(root, LEARN_TO_ADD) is not None


def test_the_inspector_shows_the_groups_and_says_that_it_is_no_run(root: Path, advised: RunPaths) -> None:
    page = good(open_page("groups", run=advised.run_id, step="1"))
    assert "This is a pre-flight, and not a run" in words(page)
    assert len(component(page, "groups_list")["rows"]) == 16
    assert in_url(page, "run") == advised.run_id


def test_other_pages_do_not_open_a_preflight(root: Path, advised: RunPaths) -> None:
    page = good(open_page("run", run=advised.run_id))
    assert "There is no run" in words(page)


def test_what_if_hands_its_changes_to_the_form(root: Path) -> None:
    page = good(open_page("new_run", set='{"rollout.num_generations": 4}'))
    assert draft(page)["rollout"]["num_generations"] == 4
    assert in_url(page, "set") is None


def test_a_change_of_the_url_that_does_not_fit_is_told(root: Path) -> None:
    page = good(open_page("new_run", set='{"rollout.nonsense": 4}'))
    assert "What was to be changed in the form was not loaded" in words(page)
