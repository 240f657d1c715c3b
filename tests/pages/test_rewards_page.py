"""The page Rewards: writing a reward, checking one, and scoring stored completions again. No reward runs in these."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views import rescore_view, reward_board, reward_editor
from dashboard.views.form_state import FORM
from dashboard.views.reward_templates import TEMPLATES
from engine.analysis.rescored import Passes
from engine.child_task import Progress
from engine.errors import StoreError
from engine.rescore_client import Rescored, RescoreRequest, list_rescored
from engine.reward_check.types import CheckRequest, Evidence, Finding, RewardCheck, StrategyScore
from engine.rewards.worker.files import save_reward_file
from engine.rewards.worker.types import CallableInfo, FileInfo
from engine.runs.paths import RunPaths, rewards_root
from tests.fakes import write_fake_run
from tests.pages.reading import charts_of, html_text, in_url, open_page, raw_html, words
from tests.unit.dashboard.test_rescore_html import FOUND, ROW

EVIL = "<script>alert(1)</script>**[x](javascript:alert(1))**"
MINE = "def reward(completion, answer):\n    return float(completion == answer)\n"
ONE = CallableInfo("reward", "(completion, answer)", convention="single", why="It takes one completion.")


@dataclass
class StubTask:
    """A child that is at work until it is `finished`."""

    answer: Any
    finished: bool = True
    cancelled: bool = False
    progress: ClassVar = Progress(3, 10, "step 7")

    def result(self) -> Any:
        return self.answer

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, FileInfo]:
    """What files hold, by the name of the file; one function where nothing is said."""
    found: dict[str, FileInfo] = {}
    reward_editor.described.clear()
    monkeypatch.setattr(
        reward_editor, "describe_file", lambda path: found.get(path.stem, FileInfo(callables=(ONE,), chosen="reward"))
    )
    return found


def page(view: str | None = None, **query: str) -> AppTest:
    app = open_page("rewards", **({} if view is None else {"view": view}), **query)
    assert not app.exception
    return app


def press(app: AppTest, key: str) -> AppTest:
    app = app.button(key=key).click().run()
    assert not app.exception
    return app


def typed(app: AppTest, text: str, name: str = "mine") -> AppTest:
    app.text_input(key="rewards.name").set_value(name)
    app.text_area(key="rewards.text").set_value(text)
    return app.run()


def saved(root: Path, name: str = "mine", text: str = MINE) -> Path:
    return save_reward_file(rewards_root(root), name, text)


def plain(app: AppTest) -> str:
    """What the page says, without the escapes of Markdown."""
    return " ".join([words(app), *(one.value for one in app.success)]).replace("\\", "")


# Write


@pytest.mark.usefixtures("root", "known")
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_fills_the_editor_and_nothing_is_saved_yet(template: str) -> None:
    app = press(page(), f"rewards.new.{template}")
    assert app.text_area(key="rewards.text").value == TEMPLATES[template].text
    assert "Save it to see what is recognised in it" in words(app)
    assert not any((button.key or "").startswith("rewards.open.") for button in app.button)


@pytest.mark.usefixtures("known")
def test_a_saved_text_is_a_file_and_what_it_holds_is_said(root: Path) -> None:
    app = press(typed(page(), MINE), "rewards.save")
    assert (rewards_root(root) / "mine.py").read_text() == MINE
    assert in_url(app, "file") == "mine"
    assert "reward(completion, answer)" in html_text(app) and "It takes one completion." in html_text(app)
    app = press(typed(app, MINE + "# more\n"), "rewards.save")  # of what was opened: the next content
    assert (rewards_root(root) / "mine.py").read_text().endswith("# more\n")


@pytest.mark.usefixtures("known")
def test_what_was_typed_is_there_after_another_page_and_another_view(root: Path) -> None:
    app = typed(page(), "half a thought")
    app = app.segmented_control(key="rewards_view").set_value("check").run()
    app = app.segmented_control(key="rewards_view").set_value("write").run()
    assert not app.exception
    assert app.text_area(key="rewards.text").value == "half a thought"


@pytest.mark.usefixtures("known")
def test_another_file_of_that_name_is_not_overwritten(root: Path) -> None:
    path = saved(root, text="# theirs\n")
    app = press(typed(page(), MINE), "rewards.save")
    assert "mine.py is there already, with another content" in plain(app)
    assert path.read_text() == "# theirs\n"


@pytest.mark.usefixtures("known")
def test_a_file_that_changed_on_disk_is_not_overwritten(root: Path) -> None:
    path = saved(root)
    app = page(file="mine")
    path.write_text("# changed by another editor\n")
    app = press(typed(app, MINE + "# mine\n"), "rewards.save")
    assert "mine.py has changed on disk since it was opened" in plain(app)
    assert path.read_text() == "# changed by another editor\n"


@pytest.mark.usefixtures("root", "known")
def test_a_name_that_is_none_is_refused_in_words() -> None:
    app = press(typed(page(), MINE, name="../../evil"), "rewards.save")
    assert "'../../evil' is no name for a reward file" in plain(app)


def test_a_file_that_cannot_be_read_as_python_says_in_which_line(root: Path, known: dict[str, FileInfo]) -> None:
    saved(root)
    known["mine"] = FileInfo(problem="invalid syntax", line=2)
    app = page(file="mine")
    assert "It cannot be used: invalid syntax" in plain(app)
    (shown,) = (code.value for code in app.code)
    assert shown.splitlines()[1] == "→   2      return float(completion == answer)"
    assert "rewards.use" not in {button.key for button in app.button}


def test_the_function_that_is_chosen_of_several_is_used(root: Path, known: dict[str, FileInfo]) -> None:
    saved(root)
    other = replace(ONE, name="strict", doc="The strict one.")
    known["mine"] = FileInfo(callables=(ONE, other))
    app = page(file="mine")
    app = app.selectbox(key="rewards.function").set_value("strict").run()
    assert "The strict one." in html_text(app)
    app = press(app, "rewards.use")
    spec = app.session_state[FORM].draft["rewards"][-1]
    assert (spec["name"], spec["params"]["callable"]) == ("strict", "strict")


def test_names_and_texts_of_a_file_are_not_interpreted(root: Path, known: dict[str, FileInfo]) -> None:
    saved(root)
    evil = replace(ONE, name=EVIL, signature=EVIL, doc=EVIL, why=EVIL, columns=(EVIL,), optional=(EVIL,))
    known["mine"] = FileInfo(callables=(evil, ONE), warnings=(EVIL,))
    assert "<script>" not in raw_html(page(file="mine"))
    assert "There is no reward file <script>" in plain(page(file=EVIL))


# Check


def sound(**changes: Any) -> RewardCheck:
    rows = (Evidence("row 1", EVIL, EVIL, EVIL, 1.0, EVIL),)
    board = (StrategyScore("empty", "Nothing at all", "closed", 0.0, 0.0, 0, 8, 8, 0, "It earns nothing.", rows),)
    found = RewardCheck(
        "mine", findings=(Finding("gold", "Right answers", "ok", "All earn 1.", rows),), board=board, low=0.0, high=1.0,
        form="as they are", data="sums", num_calls=2, num_completions=16,
    )  # fmt: skip
    return replace(found, **changes)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[CheckRequest]:
    """The checks that were asked for; each has ended and found no fault, or what `answers` has."""
    asked: list[CheckRequest] = []

    def start(request: CheckRequest, *, cwd: Path | None = None) -> StubTask:
        asked.append(request)
        return StubTask(sound())

    monkeypatch.setattr(reward_board, "start_check", start)
    return asked


@pytest.mark.usefixtures("known")
def test_a_check_shows_its_verdict_and_what_was_tried(root: Path, checks: list[CheckRequest]) -> None:
    saved(root)
    app = press(page("check", file="mine"), "rewards.check")
    (asked,) = checks
    (spec,) = json.loads(asked.config)["rewards"]
    assert (spec["name"], spec["function"]) == ("mine", "python_file") and spec["params"]["sha256"]
    assert "Sound: right answers earn its maximum" in plain(app)
    assert first_way(app) == "rewards.use_checked"
    assert "Nothing at all" in html_text(app) and "<script>" not in raw_html(app)
    app = press(app, "rewards.use_checked")
    assert app.session_state[FORM].draft["rewards"][-1]["name"] == "mine"


@pytest.mark.usefixtures("known")
def test_a_file_that_was_edited_elsewhere_is_checked_as_it_is_now(root: Path, checks: list[CheckRequest]) -> None:
    path = saved(root)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    app = page("check", file="mine")
    path.write_text(MINE + "# better\n")
    press(app, "rewards.check")
    (asked,) = checks
    (spec,) = json.loads(asked.config)["rewards"]
    assert spec["params"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest() != before


def first_way(app: AppTest) -> str | None:
    """Which of the two ways on from a check is the one to take."""
    ways = [button for button in app.button if button.key in ("rewards.use_checked", "rewards.edit")]
    return next(button.key for button in ways if button.proto.type == "primary")


@pytest.mark.usefixtures("known")
def test_check_it_begins_the_check_and_a_reward_that_fails_it_goes_back_to_its_text(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(root)
    bad = Finding("returns", "Returns", "failed", "No completion has a value.")
    asked: list[CheckRequest] = []

    def start(request: CheckRequest, **_: Any) -> StubTask:
        asked.append(request)
        return StubTask(sound(findings=(bad,)))

    monkeypatch.setattr(reward_board, "start_check", start)
    app = press(page(file="mine"), "rewards.check_it")
    assert "Not fit to train on yet: see Returns below." in plain(app)
    app = app.run()
    assert len(asked) == 1 and first_way(app) == "rewards.edit"
    app = press(app, "rewards.edit")
    assert app.text_area(key="rewards.text").value == MINE
    press(app, "rewards.check_it")
    assert len(asked) == 1  # nothing has changed: the answer is there


@pytest.mark.usefixtures("known", "checks")
def test_an_address_alone_begins_no_check(root: Path, checks: list[CheckRequest]) -> None:
    saved(root)
    page("check", file="mine")
    assert checks == []


@pytest.mark.usefixtures("known")
def test_a_check_at_work_shows_how_far_it_is_and_can_be_cancelled(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(root)
    tasks: list[StubTask] = []

    def start(*_: Any, **__: Any) -> StubTask:
        tasks.append(StubTask(sound(), finished=False))
        return tasks[-1]

    monkeypatch.setattr(reward_board, "start_check", start)
    app = press(page("check", file="mine"), "rewards.check")
    assert app.button(key="rewards.check").disabled
    assert len(tasks) == 1 and "Tries step 7" in " ".join(one.proto.text for one in app.get("progress"))
    app = press(app, "rewards.cancel")
    assert tasks[0].cancelled and not app.button(key="rewards.check").disabled


@pytest.mark.usefixtures("known")
def test_a_check_that_could_not_be_made_says_why(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(root)
    found = sound(problem="sums.jsonl: No such file.")
    monkeypatch.setattr(reward_board, "start_check", lambda *_, **__: StubTask(found))
    app = press(page("check", file="mine"), "rewards.check")
    assert "sums.jsonl: No such file." in plain(app) and "Nothing at all" not in html_text(app)


@pytest.mark.usefixtures("known", "checks")
def test_a_check_of_a_file_that_changed_since_is_called_an_earlier_one(root: Path) -> None:
    saved(root)
    app = press(page("check", file="mine"), "rewards.check")
    assert "an earlier check" not in plain(app)
    saved(root, text=MINE + "# changed\n")
    assert "an earlier check" in plain(app.run())


# Re-score


@pytest.fixture
def run(root: Path) -> RunPaths:
    return write_fake_run(root, "run", steps=4)


def rescored(**changes: Any) -> Rescored:
    found = Rescored(
        "run", words="all 4 steps", rewards=({"name": "exact_match"}, {"name": "digit_match", "weight": 0.3}),
        scored=("exact_match",), summary=FOUND, lowered=(ROW,),
    )  # fmt: skip
    return replace(found, **changes)


@pytest.fixture
def rescores(monkeypatch: pytest.MonkeyPatch) -> list[RescoreRequest]:
    """What was asked; each has ended."""
    asked: list[RescoreRequest] = []

    def start(request: RescoreRequest, *, cwd: Path | None = None) -> StubTask:
        asked.append(request)
        return StubTask(rescored(rewards=request.rewards))

    monkeypatch.setattr(rescore_view, "start_rescore", start)
    return asked


def setting(app: AppTest, name: str) -> Any:
    """The field of a setting of the reward that is tried."""
    return next(box for box in app.number_input if (box.key or "").endswith(f"params.{name}"))


@pytest.mark.usefixtures("root", "known")
def test_without_a_run_there_is_a_way_to_one() -> None:
    assert "There is no run yet whose completions could be scored" in words(page("rescore"))


@pytest.mark.usefixtures("known", "run")
def test_before_it_was_asked_it_says_what_it_does() -> None:
    assert "Nothing is trained, and the run stays as it is." in words(page("rescore"))


@pytest.mark.usefixtures("known", "run")
def test_a_saved_file_takes_the_place_and_the_name_of_a_reward_of_the_run(
    root: Path, rescores: list[RescoreRequest]
) -> None:
    saved(root)
    app = press(page("rescore", run="run", file="mine"), "rescore.start")
    (asked,) = rescores
    first, second = asked.rewards
    assert (first["name"], first["function"], first["weight"]) == ("exact_match", "python_file", 1.0)
    assert first["params"]["path"].endswith("mine.py") and first["params"]["sha256"]
    assert second["name"] == "digit_match"
    assert "3 of 8 completions get another total reward" in plain(app)
    assert "exact_match: exact_match → mine.py" in plain(app)
    assert "0 gain it and 1 lose it" in plain(app)
    assert "1+1=" in html_text(app)
    (link,) = (e.proto for e in app.get("page_link") if e.proto.label.startswith("1:"))
    assert link.query_string == "run=run&step=3&group=2&completion=1"


@pytest.mark.usefixtures("known", "run")
def test_a_saved_file_stands_in_for_the_reward_of_its_name_first(root: Path) -> None:
    saved(root, name="digit_match")
    assert page("rescore", run="run", file="digit_match").selectbox(key="rescore.run.place").value == 1


@pytest.mark.usefixtures("known", "run")
def test_a_reward_of_the_run_with_other_settings_stays_in_its_place(rescores: list[RescoreRequest]) -> None:
    app = page("rescore", run="run")
    assert app.selectbox(key="rescore.run.candidate").value == "own:exact_match"  # there is no saved file
    app = app.selectbox(key="rescore.run.candidate").set_value("own:digit_match").run()
    press(app, "rescore.start")
    first, second = rescores[0].rewards
    assert first["name"] == "exact_match"
    assert (second["name"], second["function"], second["weight"]) == ("digit_match", "", 0.3)


@pytest.mark.usefixtures("known", "run")
def test_a_reward_of_the_library_may_stand_beside_the_others(rescores: list[RescoreRequest]) -> None:
    app = page("rescore", run="run")
    app.selectbox(key="rescore.run.candidate").set_value("library:length_target")
    app = app.run()
    app.selectbox(key="rescore.run.place").set_value(-1)
    app = app.run()
    setting(app, "tolerance").set_value(3)
    app = press(app.run(), "rescore.start")
    added = rescores[0].rewards[-1]
    assert (added["name"], added["weight"], added["params"]["tolerance"]) == ("length_target", 1.0, 3)
    assert len(rescores[0].rewards) == 3


@pytest.mark.usefixtures("known", "run")
def test_settings_that_cannot_be_are_refused_in_words(rescores: list[RescoreRequest]) -> None:
    app = page("rescore", run="run")
    app.selectbox(key="rescore.run.candidate").set_value("library:length_target")
    app = app.run()
    setting(app, "tolerance").set_value(-1)
    app = app.run()
    assert not app.exception and "tolerance" in app.error[0].value and app.button(key="rescore.start").disabled


@pytest.mark.usefixtures("known", "run")
def test_where_nothing_changes_there_is_no_chart_and_no_run_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    rewards = tuple(replace(one, changed=0) for one in FOUND.rewards)
    same = replace(FOUND, changed=0, flipped=0, rewards=rewards, passes=Passes(4, 0, 0, 4, 0))
    rows = ({"name": "exact_match"}, {"name": "digit_match", "weight": 0.3})
    found = rescored(summary=same, file="kept.parquet", rewards=rows)
    monkeypatch.setattr(rescore_view, "start_rescore", lambda *_, **__: StubTask(found))
    monkeypatch.setattr(rescore_view, "stored_rescore", lambda *_, **__: found)
    app = press(page("rescore", run="run"), "rescore.start")
    assert "Nothing changes" in plain(app) and "The rewards as they were." in plain(app)
    assert "rescore.use" not in {button.key for button in app.button}


@pytest.mark.usefixtures("known", "run")
def test_a_pattern_is_asked_for_only_where_it_says_where_the_answer_is() -> None:
    def fields(app: AppTest) -> list[str]:
        return [box.key or "" for box in app.text_input if (box.key or "").endswith("answer_pattern")]

    app = page("rescore", run="run")
    assert fields(app) == []
    (extract,) = (box for box in app.selectbox if (box.key or "").endswith("params.extract"))
    assert fields(extract.set_value("regex").run())


@pytest.mark.usefixtures("known", "run")
def test_one_at_work_shows_how_far_it_is_and_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    task = StubTask(rescored(), finished=False)
    monkeypatch.setattr(rescore_view, "start_rescore", lambda *_, **__: task)
    app = press(page("rescore", run="run"), "rescore.start")
    app = press(app, "rescore.cancel")
    assert task.cancelled and "Nothing is trained" in words(app)


@pytest.mark.usefixtures("known", "run")
def test_one_that_failed_or_could_not_begin_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rescored(problem="run: no completions could be scored.", summary=None)
    monkeypatch.setattr(rescore_view, "start_rescore", lambda *_, **__: StubTask(found))
    assert "no completions could be scored" in plain(press(page("rescore", run="run"), "rescore.start"))

    def refuse(*_: Any, **__: Any) -> StubTask:
        raise StoreError("run has no step yet.")

    monkeypatch.setattr(rescore_view, "start_rescore", refuse)
    assert "run has no step yet." in plain(press(page("rescore", run="run"), "rescore.start"))


@pytest.mark.usefixtures("known", "run", "rescores")
def test_an_answer_to_another_question_is_called_an_earlier_one() -> None:
    app = press(page("rescore", run="run"), "rescore.start")
    assert "an earlier re-score" not in plain(app)
    app = app.selectbox(key="rescore.run.steps").set_value("newest").run()
    assert "an earlier re-score" in plain(app) and "3 of 8 completions" in plain(app)


@pytest.mark.usefixtures("known", "run", "rescores")
def test_a_run_with_this_reward_starts_from_a_clone_with_the_list_changed(root: Path) -> None:
    saved(root)
    app = press(press(page("rescore", run="run", file="mine"), "rescore.start"), "rescore.use")
    form = app.session_state[FORM]
    first = form.draft["rewards"][0]
    assert (first["name"], first["function"], first["params"]["sha256"]) == ("exact_match", "python_file", "")
    assert form.parent_id == "run" and form.draft["name"] != "run"
    assert in_url(app, "clone") == "run"
    assert "Differs from" in words(app)


@pytest.mark.usefixtures("known", "run")
def test_texts_of_a_rescore_are_not_interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = replace(ROW, prompt=EVIL, completion=EVIL, reference=EVIL, reasons_after={EVIL: EVIL})
    found = rescored(lowered=(evil,), words=EVIL, traceback=EVIL, rewards=({"name": EVIL},))
    monkeypatch.setattr(rescore_view, "start_rescore", lambda *_, **__: StubTask(found))
    app = press(page("rescore", run="run"), "rescore.start")
    assert "<script>" not in raw_html(app) and "<script>" in html_text(app)
    assert "There is no run <script>" in plain(page("rescore", run=EVIL))


@pytest.mark.slow
@pytest.mark.usefixtures("known")
def test_a_real_one_is_drawn_and_offered_afterwards(run: RunPaths) -> None:
    app = page("rescore", run="run")
    app = app.selectbox(key="rescore.run.candidate").set_value("library:digits_only").run()
    app = press(app, "rescore.start")
    app.session_state["rescore.task"][2].result()  # wait for it
    app = app.run()
    assert not app.exception
    assert "completions get another total reward" in plain(app) or "Nothing changes" in plain(app)
    assert charts_of(app, "rescore_charts")["rescore-total"]["figure"]
    (kept,) = list_rescored(run)
    app = page("rescore", run="run")
    assert "Nothing is trained" in words(app)
    app = app.selectbox(key="rescore.run.earlier").set_value(kept.file).run()
    assert "exact_match: exact_match → digits_only" in plain(app)
