"""The New-run page: what the form shows is the configuration that starts, and what is wrong stands beside its field."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.text import as_html
from dashboard.views import form_check, form_memory
from dashboard.views.form_data import data_problems
from dashboard.views.form_model_section import look_at_model
from dashboard.views.form_start import PRESETS_IN_A_ROW
from engine.check_client import Check, Preview
from engine.config import RunConfig
from engine.config_advice import advice
from engine.config_io import dump_config, parse_config, spelled_out
from engine.errors import Problem, RunBusyError
from engine.machine_speed import MachineSpeed, keep_speed
from engine.models.catalog import EMBEDDED_FOLDER
from engine.presets import PRESETS, preset, write_sums
from engine.recipes import recipe
from engine.rewards import extras
from engine.rewards.registry import REWARDS
from engine.runs.launch import Launched
from engine.runs.lineage import Origin
from tests.fakes import fake_config, write_fake_run
from tests.pages.reading import APP, in_url

PAGE = "app_pages/new_run.py"
READY = Check(previews=(Preview("47+38=", 7, "85"),), context_length=64, train_size=None)


class Engine:
    """Stands for the engine: remembers what was checked and started, and answers as it is told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.check = READY
        self.refusal: RunBusyError | None = None
        self.checked: list[RunConfig] = []
        self.started: list[RunConfig] = []
        self.origins: list[Origin | None] = []

    def check_in_child(self, config, *, timeout_s, cwd=None):
        self.checked.append(config)
        return self.check

    def start_run(self, root, config, origin=None):
        if self.refusal:
            raise self.refusal
        self.started.append(config)
        self.origins.append(origin)
        run_id = f"run-{len(self.started)}"
        write_fake_run(root, run_id, steps=2)
        return Launched(run_id, created=True)


@pytest.fixture
def engine(tmp_path, monkeypatch):
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path / "runs"))
    fake = Engine(tmp_path / "runs")
    monkeypatch.setattr(form_check, "check_in_child", fake.check_in_child)
    monkeypatch.setattr(form_check, "start_run", fake.start_run)
    return fake


def opened(**url: str) -> AppTest:
    page = AppTest.from_file(APP, default_timeout=20).run().switch_page(PAGE)
    for key, value in url.items():
        page.query_params[key] = value
    return good(page.run())


def good(page: AppTest) -> AppTest:
    assert not page.exception
    return page


def key(page: AppTest, path: str) -> str:
    """The key of the widget for a field, whatever the form's revision."""
    return f"new_run.{page.session_state['new_run.form'].revision}.{path}"


def draft(page: AppTest) -> dict:
    return page.session_state["new_run.form"].draft


def fill(page: AppTest, path: str, value) -> AppTest:
    widget = next(
        element
        for kind in ("text_input", "number_input", "text_area", "selectbox", "toggle")
        for element in getattr(page, kind)
        if element.key == key(page, path)
    )
    return good(widget.set_value(value).run())


def click(page: AppTest, button: str) -> AppTest:
    return good(page.button(key=button).click().run())


def alerts(page: AppTest) -> list[str]:
    """What stands in red below fields."""
    return [element.proto.body for element in page.get("html") if 'role="alert"' in element.proto.body]


def tables(page: AppTest) -> list[str]:
    bodies = [element.proto.body for element in page.get("html")]
    return [body for body in bodies if "<table" in body and "lab-table" not in body]  # those are rows of data


def notes(page: AppTest) -> list[str]:
    kinds = ("error", "warning", "success", "caption", "text")
    return [element.value for kind in kinds for element in getattr(page, kind)]


def raw_html(page: AppTest) -> str:
    return " ".join(element.proto.body for element in page.get("html"))


def unescaped(elements) -> list[str]:
    """Texts that Streamlit reads as Markdown, as a person sees them."""
    return [element.value.replace("\\", "") for element in elements]


def with_model(page: AppTest, source: str) -> AppTest:
    """A source that is not on the list. The test library knows no typed options, so it goes into the draft."""
    form = page.session_state["new_run.form"]
    form.draft["model"]["source"] = source
    form.redraw()
    return good(page.run())


def test_the_form_opens_with_a_preset_that_could_start(engine):
    page = opened()
    assert draft(page)["name"] == "learn to add"
    assert alerts(page) == [] and len(page.error) == 0
    assert [expander.label for expander in page.expander][:5] == [
        "**Model**", "**Data**", "**Rewards**", "**GRPO**", "**Budget**",
    ]  # fmt: skip


def test_start_checks_then_starts_what_the_form_shows_and_opens_the_run(engine):
    page = fill(opened(), "optim.learning_rate", "3e-5")
    page = click(page, "new_run.start")
    assert [config.optim.learning_rate for config in engine.started] == [3e-5]
    assert engine.checked == engine.started
    assert page.query_params["run"] == "run-1"


def test_a_configuration_that_was_just_checked_is_not_checked_again(engine):
    page = click(opened(), "new_run.check")
    assert [element.value for element in page.code][:2] == ["47+38=", "85"]
    assert "Ready to start: endless training examples, in a context of 64 tokens." in unescaped(page.success)
    assert {"One prompt as the model will read it, 7 tokens", "Its reference answer"} <= set(notes(page))
    click(page, "new_run.start")
    assert len(engine.checked) == len(engine.started) == 1


def test_a_change_after_the_check_is_checked_again(engine):
    page = click(opened(), "new_run.check")
    page = fill(page, "seed", 7)
    assert "The settings have changed since the check." in notes(page)
    click(page, "new_run.start")
    assert [config.seed for config in engine.checked] == [0, 7]


def test_a_file_in_the_data_folder_that_changed_after_the_check_is_named_and_checked_again(engine, tmp_path):
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "sums.jsonl"
    file.write_text("".join(f'{{"question": "1+{i}=", "answer": {1 + i}}}\n' for i in range(3)))
    page = opened()
    form = page.session_state["new_run.form"]
    form.draft["data"] |= {"source": str(tmp_path / "data"), "params": {}, "held_out": 1}
    form.redraw()
    page = click(page.run(), "new_run.check")
    assert "Ready to start" in unescaped(page.success)[0]
    file.write_text(file.read_text() * 2)
    page = page.run()
    assert "Since the check, this changed on disk: sums.jsonl." in "".join(notes(page)).replace("\\", "")
    click(page, "new_run.start")
    assert len(engine.checked) == 2 and len(engine.started) == 1


def test_before_a_check_there_is_nothing_to_show_and_a_warning_of_it_is_shown(engine):
    page = opened()
    assert "Not checked yet. Start run checks first." in notes(page)
    engine.check = Check(warnings=("1 answer is cut.",), train_size=9)
    page = click(page, "new_run.check")
    assert unescaped(page.warning) == ["1 answer is cut."]
    assert unescaped(page.success) == ["Ready to start: 9 training examples."]


def test_problems_of_the_check_stand_beside_their_field_and_nothing_starts(engine):
    engine.check = Check(problems=(Problem("data.held_out", "is more than there are."), Problem("config", "Odd.")))
    page = click(opened(), "new_run.start")
    assert engine.started == []
    assert any("Is more than there are." in alert for alert in alerts(page))
    assert r"config\: Odd\." in [error.value for error in page.error]
    assert len(page.success) == 0
    assert page.session_state["new_run.form"].starting is None
    assert page.session_state["new_run.open.data"] is True
    assert not page.button(key="new_run.start").disabled


def test_every_wrong_field_is_told_at_once_beside_it(engine):
    page = fill(opened(), "rollout.num_generations", 1)
    page = fill(page, "loss.beta", "abc")
    page = fill(page, "name", "")
    assert [alert.partition("✕ ")[2].partition("<")[0] for alert in alerts(page)] == [
        "Is empty.", "1 is not accepted: should be at least 2 and at most 256.",
        "&#x27;abc&#x27; is not accepted: should be a number.",
    ]  # fmt: skip
    page = click(page, "new_run.start")
    assert engine.checked == engine.started == []
    assert "To correct first: Name, GRPO (2)." in [error.value for error in page.error]
    assert any("✕ 2 to correct" in element.proto.body for element in page.get("html"))
    assert page.button(key="new_run.check").disabled


def test_a_start_that_is_refused_says_why_and_gives_the_button_back(engine):
    engine.refusal = RunBusyError("Another start takes longer.", hint="Try again.")
    page = click(opened(), "new_run.start")
    assert r"Another start takes longer\. Try again\." in [error.value for error in page.error]
    assert not page.button(key="new_run.start").disabled
    page = click(fill(page, "name", ""), "new_run.start")
    assert unescaped(page.error) == ["To correct first: Name."]


def test_an_edit_during_the_start_withdraws_it(engine):
    page = opened()
    page.session_state["new_run.form"].starting = {"name": "as it was"}
    page = good(page.run())
    assert engine.started == []
    assert page.session_state["new_run.form"].starting is None


def test_settings_outlive_a_visit_to_another_page(engine):
    page = fill(opened(), "rollout.num_generations", 4)
    page = good(page.switch_page("app_pages/runs.py").run())
    page = good(page.switch_page(PAGE).run())
    assert page.number_input(key=key(page, "rollout.num_generations")).value == 4


def test_what_few_people_need_is_behind_a_switch(engine):
    page = opened()
    assert key(page, "optim.warmup_steps") not in {widget.key for widget in page.number_input}
    page = good(page.toggle(key="new_run.more.budget").set_value(True).run())
    assert key(page, "optim.warmup_steps") in {widget.key for widget in page.number_input}


def test_a_setting_that_may_be_left_to_the_program_says_so(engine):
    page = opened()
    page = good(page.toggle(key="new_run.more.model").set_value(True).run())
    choice = page.selectbox(key=key(page, "model.chat_template"))
    assert (choice.value, choice.options) == ("automatic", ["automatic", "on", "off"])
    page = fill(page, "model.chat_template", "off")
    assert draft(page)["model"]["chat_template"] is False


def test_an_empty_field_says_what_it_means_without_a_value(engine):
    page = good(opened().toggle(key="new_run.more.grpo").set_value(True).run())
    shown = {
        path: page.text_input(key=key(page, path)).proto.placeholder for path in ("loss.delta", "loss.epsilon_high")
    }
    assert shown == {"loss.delta": "no limit", "loss.epsilon_high": "the same as ε"}


def test_a_preset_fills_the_whole_form(engine):
    page = fill(opened(), "seed", 9)
    page = click(page, "new_run.preset.reward-hacking")
    assert parse_config(draft(page)).name == "reward hacking"
    cards = {each.key: page.button(key=f"new_run.preset.{each.key}").proto.type for each in PRESETS}
    assert [name for name, look in cards.items() if look == "primary"] == ["reward-hacking"]
    assert draft(page)["seed"] == 0
    assert page.number_input(key=key(page, "seed")).value == 0
    assert page.text_input(key=key(page, "rewards[1].weight")).value == "0"


def test_the_cards_of_the_presets_fill_their_rows():
    assert len(PRESETS) % PRESETS_IN_A_ROW == 0


def test_the_sums_preset_makes_its_file(engine):
    page = click(opened(), "new_run.preset.smollm2-sums")
    source = Path(draft(page)["data"]["source"])
    assert source.parent == engine.root / ".uploads"
    assert len(source.read_text().splitlines()) == 441
    assert list(page.dataframe[0].value.columns) == ["question", "answer"]


def test_what_only_the_user_knows_is_asked_for(engine):
    page = click(opened(), "new_run.preset.gsm8k")
    assert draft(page)["data"]["source"] == ""
    (alert,) = alerts(page)
    assert "No file yet. Type the path of a file or folder." in alert


def test_a_file_is_looked_at_and_its_columns_offered(engine, tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps({"frage": f"{n}+1", "loesung": str(n + 1)}) + "\n" for n in range(9)))
    page = good(opened().button_group(key=key(opened(), "data.kind")).set_value("file").run())
    page = fill(page, "data.source", str(path))
    assert page.dataframe[0].value.shape == (3, 2)
    assert "9 rows, 2 columns." in notes(page)
    assert any("Choose the prompt column." in alert for alert in alerts(page))
    page = fill(fill(page, "data.prompt_column", "frage"), "data.answer_column", "loesung")
    assert [alert for alert in alerts(page) if "Hold out at most 8." not in alert] == []
    assert draft(page)["data"]["prompt_column"] == "frage"


def test_a_missing_file_is_told_below_its_path(engine):
    page = click(opened(), "new_run.preset.gsm8k")
    page = fill(page, "data.source", "/nowhere/x.jsonl")
    assert any("/nowhere/x.jsonl" in alert and "does not exist" in alert for alert in alerts(page))


def test_what_form_and_check_both_find_is_told_once(engine):
    page = fill(click(opened(), "new_run.preset.gsm8k"), "data.source", "/nowhere/x.jsonl")
    engine.check = Check(problems=tuple(data_problems(page.session_state["new_run.form"])))
    page = click(page, "new_run.check")
    assert len(engine.check.problems) == len(alerts(page)) == 1


def test_back_to_built_in_data_forgets_the_file(engine):
    page = click(opened(), "new_run.preset.smollm2-sums")
    page = good(page.button_group(key=key(page, "data.kind")).set_value("task").run())
    assert draft(page)["data"]["source"] == "arithmetic"


def test_columns_of_a_file_are_forgotten_with_it(engine, tmp_path):
    write_sums(tmp_path / "s.jsonl", n=20)
    page = click(opened(), "new_run.preset.gsm8k")
    page = fill(fill(page, "data.source", str(tmp_path / "s.jsonl")), "data.answer_column", "answer")
    column = page.selectbox(key=key(page, "data.prompt_column"))
    assert (column.value, column.proto.placeholder) == (None, "question (found)")
    page = good(page.button_group(key=key(page, "data.kind")).set_value("task").run())
    assert (draft(page)["data"]["prompt_column"], draft(page)["data"]["answer_column"]) == (None, None)


def test_an_upload_that_is_no_data_is_refused_until_the_next_one(engine, tmp_path):
    page = click(opened(), "new_run.preset.gsm8k")
    page = good(page.button_group(key=key(page, "data.kind")).set_value("upload").run())
    page.file_uploader(key=key(page, "data.upload")).upload("a.csv", b"", "")
    page = good(page.run())
    assert "a.csv is empty. Choose a file with at least one example." in unescaped(page.error)
    assert draft(page)["data"]["source"] == ""
    write_sums(tmp_path / "s.jsonl", n=20)
    page.file_uploader(key=key(page, "data.upload")).upload("s.jsonl", (tmp_path / "s.jsonl").read_bytes(), "")
    page = good(page.run())
    assert draft(page)["data"]["source"].endswith("/s.jsonl")
    assert not any("a.csv" in error for error in unescaped(page.error))


def test_a_model_that_is_not_there_is_told_below_the_picker(engine):
    page = with_model(opened(), "/no/such/folder")
    assert draft(page)["model"]["source"] == "/no/such/folder"
    picker = page.selectbox(key=key(page, "model.source"))
    assert picker.value == picker.options[-1] == "/no/such/folder"
    assert len(set(picker.options)) == len(picker.options)
    assert any("/no/such/folder" in alert for alert in alerts(page))


def test_lora_settings_show_only_for_lora(engine):
    page = opened()
    assert key(page, "model.lora_rank") not in {widget.key for widget in page.number_input}
    page = fill(page, "model.adapter", "lora")
    assert key(page, "model.lora_rank") in {widget.key for widget in page.number_input}


def test_a_reward_says_what_it_is_and_every_one_is_offered(engine):
    page = fill(opened(), "rewards[1].weight", "0")
    listed = [REWARDS[name].label for name in ("exact_match", "digit_match")]
    assert [element.value for element in page.text if element.value in listed] == listed
    badges = [element.value for element in page.markdown if "-badge[" in element.value]
    assert badges == [":blue-badge[task]", ":blue-badge[task]", ":gray-badge[monitor]"]
    offered = page.selectbox(key=key(page, "rewards.add")).options
    assert len(offered) >= sum(info.unavailable() is None for info in REWARDS.values() if not info.tries_machine)


def test_a_reward_explains_itself_with_examples_as_text(engine):
    bodies = [element.proto.body for element in opened().get("html")]
    shown = next(body for body in bodies if "Examples of Exact match" in body)
    assert as_html(REWARDS["exact_match"].explanation) in shown and as_html("<think>Lyon?</think>Paris") in shown


def test_the_pattern_of_an_answer_is_asked_for_where_a_pattern_finds_it(engine):
    page = opened()
    path = "rewards[1].params.answer_pattern"
    assert key(page, path) not in {widget.key for widget in page.text_input}
    page = fill(page, "rewards[1].params.extract", "regex")
    assert key(page, path) in {widget.key for widget in page.text_input}
    assert any("needs an answer pattern" in alert for alert in alerts(page))


def test_a_reward_whose_package_is_not_here_is_not_offered_and_says_why(engine, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    page = opened()
    offered = page.selectbox(key=key(page, "rewards.add")).options
    assert not any(option.startswith("Sentiment") for option in offered)
    assert any(note.startswith("Sentiment") and "It needs the package vaderSentiment" in note for note in notes(page))
    page.session_state["new_run.form"].draft["rewards"].append({"name": "sentiment", "weight": 1.0, "params": {}})
    assert any("It cannot be used here. It needs the package" in alert for alert in alerts(good(page.run())))


def test_a_reward_that_is_added_again_gets_a_name_of_its_own(engine):
    page = opened()
    page = good(page.selectbox(key=key(page, "rewards.add")).set_value("exact_match").run())
    assert draft(page)["rewards"][2]["name"] == "exact_match_2"
    assert draft(page)["rewards"][2]["function"] == "exact_match"
    assert page.toggle(key=key(page, "rewards[2].params.ignore_case")).value is False


def test_a_reward_that_is_not_in_the_library_is_shown_by_its_name_and_can_be_removed(engine):
    page = opened()
    page.session_state["new_run.form"].draft["rewards"].append({"name": "<own>", "weight": 1.0, "params": {}})
    page = good(page.run())
    assert "<own>" in [element.value for element in page.text]
    page = click(page, key(page, "rewards[2].remove"))
    assert [spec["name"] for spec in draft(page)["rewards"]] == ["exact_match", "digit_match"]


def test_rewards_are_added_and_removed(engine):
    page = opened()
    page = good(page.selectbox(key=key(page, "rewards.add")).set_value("length_target").run())
    assert [spec["name"] for spec in draft(page)["rewards"]] == ["exact_match", "digit_match", "length_target"]
    page = fill(page, "rewards[2].params.target", 4)
    page = click(page, key(page, "rewards[0].remove"))
    assert [spec["name"] for spec in draft(page)["rewards"]] == ["digit_match", "length_target"]
    assert page.number_input(key=key(page, "rewards[1].params.target")).value == 4


def test_a_reward_can_be_made_to_count_only_where_another_is_right(engine):
    page = opened()
    page = good(page.toggle(key=key(page, "rewards[1].more")).set_value(True).run())
    page = fill(page, "rewards[1].gate", "exact_match")
    page = fill(page, "rewards[1].gate_at", "0.5")
    page = fill(page, "rewards[1].final_weight", "0")
    page = fill(page, "rewards[1].weight_until", 100)
    spec = draft(page)["rewards"][1]
    assert (spec["gate"], spec["gate_at"]) == ("exact_match", 0.5)
    assert (spec["weight"], spec["final_weight"], spec["weight_until"]) == (0.2, 0.0, 100)


def test_a_reward_that_needs_a_setting_asks_for_it(engine):
    page = opened()
    page = good(page.selectbox(key=key(page, "rewards.add")).set_value("regex_match").run())
    assert any("Is required." in alert for alert in alerts(page))
    page = fill(page, "rewards[2].params.pattern", "([")
    assert any("is not a regular expression" in alert for alert in alerts(page))


def test_removing_the_deciding_reward_frees_its_field(engine):
    page = opened()
    page.toggle(key="new_run.more.budget").set_value(True).run()
    page = fill(page, "evaluation.pass_reward", "digit_match")
    page = click(page, key(page, "rewards[1].remove"))
    assert draft(page)["evaluation"]["pass_reward"] is None
    assert alerts(page) == []


def test_without_rewards_the_list_says_so(engine):
    page = opened()
    page = click(page, key(page, "rewards[1].remove"))
    page = click(page, key(page, "rewards[0].remove"))
    assert any("Is empty." in alert for alert in alerts(page))


def test_a_problem_in_a_hidden_field_brings_the_field_to_light(engine):
    page = opened()
    page.session_state["new_run.form"].draft["optim"]["warmup_steps"] = 10_000
    page = good(page.run())
    assert page.toggle(key="new_run.more.budget").value is True
    assert any("is more than the" in alert for alert in alerts(page))


def test_a_clone_shows_only_what_differs_from_its_parent(engine):
    write_fake_run(engine.root, "parent", steps=2, config=fake_config(name="parent", steps=50))
    page = opened(clone="parent")
    assert draft(page)["name"] == "parent 2"
    assert "The same settings as parent." in notes(page)
    page = fill(page, "optim.learning_rate", "3e-4")
    table = next(body for body in tables(page) if "Learning rate" in body)
    assert "1e-4 → <b>3e-4</b>" in table
    assert table.count("<tr>") == 1


def test_a_past_run_is_cloned_by_choice(engine):
    assert "There are no runs yet." in notes(opened())
    write_fake_run(engine.root, "older", steps=2, config=fake_config(name="older", steps=7))
    write_fake_run(engine.root, "newer", steps=2, config=fake_config(name="newer", steps=9))
    page = opened()
    choice = page.selectbox(key=key(page, "past_run"))
    assert (choice.value, choice.options) == (None, ["newer", "older"])
    page = good(choice.set_value("older").run())
    assert (draft(page)["name"], draft(page)["optim"]["max_steps"]) == ("older 2", 7)
    assert in_url(page, "clone") == "older"
    page = click(page, "new_run.preset.learn-to-add")
    assert in_url(page, "clone") is None
    assert not any("settings as" in note for note in notes(page))


def test_a_preset_that_cannot_run_here_says_what_is_missing(engine, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if "smollm2" in name else find_spec(name))
    look_at_model.clear()
    page = opened()
    look_at_model.clear()
    missing = [note for note in notes(page) if "Not ready here." in note]
    needing = [each for each in PRESETS if each.config.model.source == "smollm2"]
    assert len(missing) == len(needing) > 0
    assert all("pip install" in note for note in missing)


def test_an_unknown_clone_leaves_the_form_usable(engine):
    page = opened(clone="../../etc")
    assert any("was not loaded" in error.value for error in page.error)
    assert any("clone: there is no such run." in alert for alert in alerts(page))
    assert draft(page)["name"] == "learn to add"
    page = click(page, "new_run.preset.short-and-right")
    assert draft(page)["name"] == "short and right"


def test_a_data_file_that_cannot_be_made_or_kept_is_told(engine):
    engine.root.mkdir()
    (engine.root / ".uploads").write_text("a file where a folder belongs")
    page = click(opened(), "new_run.preset.smollm2-sums")
    assert any("File exists" in error.value for error in page.error)


def test_a_config_file_fills_the_form(engine):
    config = preset("short-and-right").config.model_copy(update={"name": "from a file", "seed": 5})
    page = opened()
    page.file_uploader(key=key(page, "import")).upload("config.json", dump_config(config).encode(), "application/json")
    page = good(page.run())
    assert (draft(page)["name"], draft(page)["seed"]) == ("from a file", 5)
    assert r"Every setting below was read from config\.json." in notes(page)


def test_a_wrong_config_file_is_refused_with_every_reason(engine):
    page = opened()
    wrong = {"model": {"source": "embedded"}, "data": {"source": "arithmetic"}, "rewards": [{"name": "exact_match"}]}
    wrong |= {"rollout": {"num_generations": 1}, "learning_rat": 3}
    page.file_uploader(key=key(page, "import")).upload("c.json", json.dumps(wrong).encode(), "application/json")
    page = good(page.run())
    assert page.error[0].value == r"c\.json was not loaded, because:"
    assert "rollout.num_generations: 1 is not accepted" in " ".join(alerts(page))
    assert "learning_rat: is not a setting" in " ".join(alerts(page)).lower()
    assert draft(page)["name"] == "learn to add"


def test_a_trl_config_fills_the_form_and_its_fields_are_accounted_for(engine):
    page = fill(opened(), "seed", 9)
    trl = {"learning_rate": 3e-5, "epsilon_high": 0.28, "max_steps": 20, "use_vllm": True, "<b>x</b>": 1}
    page.file_uploader(key=key(page, "import")).upload("grpo.json", json.dumps(trl).encode(), "application/json")
    page = good(page.run())
    found = parse_config(draft(page))
    assert (found.optim.learning_rate, found.optim.max_steps, found.seed) == (3e-5, 20, 9)
    assert (found.model.source, found.rewards[0].name) == ("embedded", "exact_match")
    shown = raw_html(page)
    assert "→ optim.learning_rate: 3e-05" in shown and "use_vllm" in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown and "<b>x</b>" not in shown
    assert any("kept as before" in note for note in notes(page))
    page = click(page, "new_run.preset.reward-hacking")
    assert "→ optim.learning_rate" not in raw_html(page)


def test_a_pasted_yaml_text_fills_the_form(engine):
    page = opened()
    page.text_area(key=key(page, "paste")).set_value("learning_rate: 1e-5\nnum_generations: 4\nmax_steps: 7\n")
    page = click(page, "new_run.paste")
    assert draft(page)["optim"]["learning_rate"] == 1e-5 and draft(page)["rollout"]["num_generations"] == 4
    assert page.number_input(key=key(page, "rollout.num_generations")).value == 4


def test_a_pasted_config_of_ours_fills_the_form(engine):
    page = opened()
    page.text_area(key=key(page, "paste")).set_value(dump_config(preset("short-and-right").config))
    page = click(page, "new_run.paste")
    assert draft(page)["name"] == "short and right"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("beta: -1", "beta: -1 is not accepted"),
        ("a: &x 1\nb: *x", "uses the YAML alias *x"),
        ("beta: 1\nbeta: 2", "beta: is set twice"),
    ],
)
def test_a_pasted_text_that_cannot_be_used_is_refused_with_the_reason(engine, text, words):
    page = opened()
    page.text_area(key=key(page, "paste")).set_value(text)
    page = click(page, "new_run.paste")
    assert "the pasted text was not loaded, because:" in [error.value for error in page.error]
    assert words in " ".join(alerts(page))
    assert draft(page)["name"] == "learn to add"


def test_settings_that_are_hardly_meant_are_told_under_what_will_happen(engine):
    page = opened()
    page.toggle(key="new_run.more.grpo").set_value(True).run()
    page = fill(page, "loss.epsilon_high", "0.28")
    (warning,) = [element.value for element in page.warning]
    assert warning.startswith("**Clip range ε, upwards** 0") and "every ratio is exactly 1" in warning
    engine.check = Check(warnings=("loss.epsilon_high: " + advice(parse_config(draft(page)))[0].text, "Another one."))
    page = click(page, "new_run.check")
    assert [element.value for element in page.warning][1:] == [r"Another one\."]


def test_grpo_settings_stand_under_headings_and_come_and_go_with_the_loss_type(engine):
    page = opened()
    page = good(page.toggle(key="new_run.more.grpo").set_value(True).run())
    headings = [
        part for part in ("Sampling", "KL and reference", "Updates", "Entropy") if f">{part}</h4>" in raw_html(page)
    ]
    assert headings == ["Sampling", "KL and reference", "Updates", "Entropy"]
    shown = {widget.key for widget in page.text_input}
    assert key(page, "loss.delta") in shown and key(page, "loss.sapo_temperature_pos") not in shown
    page = fill(page, "loss.loss_type", "sapo")
    shown = {widget.key for widget in page.text_input}
    assert key(page, "loss.delta") not in shown and key(page, "loss.sapo_temperature_pos") in shown


def test_an_uploaded_data_file_becomes_a_path(engine, tmp_path):
    write_sums(tmp_path / "s.jsonl", n=20)
    page = click(opened(), "new_run.preset.gsm8k")
    page = good(page.button_group(key=key(page, "data.kind")).set_value("upload").run())
    page.file_uploader(key=key(page, "data.upload")).upload("../My sums.jsonl", (tmp_path / "s.jsonl").read_bytes(), "")
    page = good(page.run())
    source = Path(draft(page)["data"]["source"])
    assert source.parent.parent == engine.root / ".uploads" and source.name == "My-sums.jsonl"
    assert "My-sums.jsonl" in notes(page)


def test_hostile_settings_are_shown_as_text(engine):
    page = fill(opened(), "name", "<b>:red[x]</b>")
    page = with_model(page, "<img src=x onerror=alert(1)>")
    bodies = " ".join(element.proto.body for element in page.get("html"))
    assert "<img src" not in bodies and "&lt;img src" in bodies
    assert all("<img" not in element.value for element in page.markdown)


def test_the_exported_configuration_is_the_one_that_starts(engine):
    page = fill(opened(), "seed", 3)
    exported = next(element.value for element in page.code if element.language == "json")
    assert parse_config(exported).seed == 3
    click(page, "new_run.start")
    assert dump_config(engine.started[0]).strip() == exported.strip()


def test_a_paper_fills_the_form_and_shows_what_is_another_size_here(engine):
    page = click(opened(), "new_run.recipe.deepseekmath")
    assert parse_config(draft(page)) == spelled_out(recipe("deepseekmath").config)
    table = next(body for body in tables(page) if "Published" in body)
    assert table.count("<tr>") == 1 + 3  # the head, and group size, completion limit and learning rate
    assert "Group size G</td><td class='lab-num'>64</td><td class='lab-num'><b>8</b>" in table
    assert any("arXiv:2402.03300" in caption.value for caption in page.caption)
    assert "KL weight β 0.04" in next(e.proto.body for e in page.get("html") if "As published" in e.proto.body)


def test_an_edit_of_a_papers_method_is_named(engine):
    page = click(opened(), "new_run.recipe.gspo")
    assert not any("Published" in body for body in tables(page))  # no size is stated, and all else is as published
    page = fill(page, "loss.loss_type", "dapo")
    assert "another method than the paper" in next(body for body in tables(page) if "Published" in body)


def test_the_reward_of_a_recipe_has_its_name(engine):
    page = click(opened(), "new_run.recipe.dapo")
    assert "overlong_penalty, max_length" in next(body for body in tables(page) if "Published" in body)


def test_a_paper_whose_data_can_be_made_brings_them(engine):
    page = click(opened(), "new_run.recipe.deepseek-r1")
    assert len(Path(draft(page)["data"]["source"]).read_text().splitlines()) == 441


def test_a_preset_after_a_paper_takes_the_paper_away(engine):
    page = click(click(opened(), "new_run.recipe.gspo"), "new_run.preset.reward-hacking")
    assert not any("As published" in element.proto.body for element in page.get("html"))


def memory(page: AppTest) -> str:
    return next(expander.label for expander in page.expander if expander.label.startswith("Memory"))


def test_memory_stands_beside_what_is_free(engine, monkeypatch):
    monkeypatch.setattr(form_memory, "may_have_gpu", lambda: False)
    monkeypatch.setattr(form_memory, "free_memory_bytes", lambda: 3 * 2**30)
    page = opened()
    assert memory(page) == "Memory: about 471 MB of 3.0 GB free"
    assert any("PPO&#x27;s critic" in table or "PPO's critic" in table for table in tables(page))
    assert "prompts of 6 tokens (assumed until the check)" in " ".join(notes(page))
    page = click(page, "new_run.check")
    assert "prompts of 7 tokens (as checked)" in " ".join(notes(page))


def test_what_does_not_fit_is_warned_of_with_what_to_lower(engine, monkeypatch):
    monkeypatch.setattr(form_memory, "may_have_gpu", lambda: False)
    monkeypatch.setattr(form_memory, "free_memory_bytes", lambda: 2**30)
    page = opened()
    assert not any("memory" in warning.value for warning in page.warning)
    page = fill(page, "rollout.prompts_per_step", 1024)
    page.toggle(key="new_run.more.budget").set_value(True).run()
    page = fill(page, "optim.micro_batch_tokens", 1_000_000)
    warning = next(warning.value for warning in page.warning if "memory" in warning.value)
    assert "1.0 GB are free" in warning and "Lower the micro-batch" in warning


def test_on_a_gpu_the_machines_memory_says_nothing(engine, monkeypatch):
    monkeypatch.setattr(form_memory, "may_have_gpu", lambda: True)
    page = opened()
    assert memory(page) == "Memory: about 471 MB"
    assert "the GPU's own memory" in " ".join(notes(page))


def test_a_model_that_is_not_there_has_no_estimate(engine):
    page = with_model(opened(), "/no/such/folder")
    assert not any(expander.label.startswith("Memory") for expander in page.expander)


def test_the_time_of_a_step_stands_beside_the_memory_once_the_machine_was_measured(engine, monkeypatch, tmp_path):
    monkeypatch.setattr(form_memory, "may_have_gpu", lambda: False)
    monkeypatch.setenv("GRPO_LAB_CACHE", str(tmp_path / "cache"))
    page = opened()
    assert "estimated once a check has measured this machine" in " ".join(notes(page))
    keep_speed(MachineSpeed("cpu", 1, 1e11, 1e10, 1e-6))
    page = fill(page, "optim.max_steps", 300)
    (title,) = [expander.label for expander in page.expander if expander.label.startswith("Time")]
    assert title.startswith("Time: roughly 0.0") and "s a step" in title and "in all" in title
    assert "100 billion operations a second" in " ".join(notes(page))


def test_stop_strings_are_written_one_a_line(engine):
    page = opened()
    page.toggle(key="new_run.more.grpo").set_value(True).run()
    page = fill(page, "rollout.stop_strings", "\\n\nQ:")
    assert draft(page)["rollout"]["stop_strings"] == ["\n", "Q:"]


def test_a_licence_is_shown_as_text(engine, tmp_path):
    folder = shutil.copytree(EMBEDDED_FOLDER, tmp_path / "mine")
    (folder / "README.md").write_text("---\nlicense: '![x](http://example.invalid/x.png)'\n---\n")
    page = with_model(opened(), str(folder))
    assert any(r"licence \!\[x\]" in note for note in notes(page))
