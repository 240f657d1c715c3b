"""The page Rewards: what its URL names, odd files in its folder, and text that is in no file yet."""

import os
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views import reward_editor
from engine.rewards.worker.types import FileInfo
from engine.runs.paths import rewards_root
from tests.pages.reading import in_url, open_page, words

ONE = "def reward(completion, answer):\n    return 1.0\n"


def good(page: AppTest) -> AppTest:
    assert not page.exception
    return page


def press(page: AppTest, key: str) -> AppTest:
    return good(page.button(key=key).click().run())


@pytest.fixture
def files(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two reward files. What they hold is not asked of a process."""
    monkeypatch.setattr(reward_editor, "described", lambda path, sha256: FileInfo(callables=()))
    folder = rewards_root(root)
    folder.mkdir()
    for at, name in enumerate(("early", "late")):  # the newest stands first
        (folder / f"{name}.py").write_text(ONE)
        os.utime(folder / f"{name}.py", (at, at))
    return folder


def test_a_file_whose_name_is_no_text_is_left_out(files: Path) -> None:
    Path(os.fsdecode(os.fsencode(files) + b"/odd\xff.py")).write_text(ONE)
    page = good(open_page("rewards"))
    assert {button.key for button in page.button} >= {"rewards.open.early", "rewards.open.late"}


def test_text_that_is_in_no_file_can_be_brought_back(files: Path) -> None:
    page = press(good(open_page("rewards")), "rewards.open.early")
    page.text_area(key="rewards.text").set_value("# mine")
    page = press(page, "rewards.open.late")
    assert page.text_area(key="rewards.text").value == ONE and in_url(page, "file") == "late"
    page = press(page, "rewards.unsaved_back")
    assert page.text_area(key="rewards.text").value == "# mine" and page.text_input(key="rewards.name").value == "early"
    assert in_url(page, "file") == "early"
    assert "rewards.unsaved_back" not in {button.key for button in page.button}


def test_a_template_that_nobody_changed_is_not_kept(files: Path) -> None:
    page = press(press(good(open_page("rewards")), "rewards.new.trl"), "rewards.open.late")
    assert "rewards.unsaved_back" not in {button.key for button in page.button}


def test_a_file_removed_since_the_page_was_drawn_is_said(files: Path) -> None:
    page = good(open_page("rewards"))
    (files / "late.py").unlink()
    page = press(page, "rewards.open.late")
    assert "No such file" in words(page)


def test_the_check_is_of_what_the_url_names_also_after_another_view(files: Path) -> None:
    page = good(open_page("rewards", view="check", file="early"))
    chosen = page.selectbox(key="rewards.which").value
    assert chosen > 0 and page.selectbox(key="rewards.which").options[chosen] == "your file early"
    del page.query_params["view"]
    page = good(page.run())
    page.query_params["view"] = "check"
    assert good(page.run()).selectbox(key="rewards.which").value == chosen


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"file": "nope"}, "There is no reward file nope"),
        ({"reward": "nope"}, "There is no reward nope in the new run"),
    ],
)
def test_a_reward_that_is_not_there_is_said_and_not_silently_another(
    query: dict[str, str], told: str, files: Path
) -> None:
    page = good(open_page("rewards", view="check", **query))
    assert told in words(page)
    assert not {"file", "reward"} & set(page.query_params)
