"""Saved searches: kept by name beside the runs, whatever the names, and never lost to a damaged file."""

import json
import os
from pathlib import Path

import pytest

from engine.errors import LabError
from engine.runs.paths import list_runs
from engine.runs.saved_filters import FILE, delete_filter, save_filter, saved_filters
from engine.runs.search_query import SearchQuery

CUT = SearchQuery(finish_reason="length", advantage="positive")


def test_a_saved_search_comes_back_until_it_is_deleted(tmp_path: Path) -> None:
    assert saved_filters(tmp_path) == {}
    save_filter(tmp_path, "zebras", SearchQuery("zebra crossing"))
    save_filter(tmp_path, " Cut off <b>but</b> rewarded ", CUT)
    assert saved_filters(tmp_path) == {"Cut off <b>but</b> rewarded": CUT, "zebras": SearchQuery("zebra crossing")}
    assert list(saved_filters(tmp_path)) == ["Cut off <b>but</b> rewarded", "zebras"]
    save_filter(tmp_path, "zebras", CUT)
    assert saved_filters(tmp_path)["zebras"] == CUT
    delete_filter(tmp_path, "zebras")
    delete_filter(tmp_path, "zebras")
    assert list(saved_filters(tmp_path)) == ["Cut off <b>but</b> rewarded"]
    assert list_runs(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "needs a name"), ("  ", "needs a name"), ("x" * 61, "has 61 characters"), ("a\x00b", "cannot be seen"),
     ("a\u202eb", "cannot be seen"), ("a\nb", "cannot be seen"), ("\ud800", "cannot be seen")],
)  # fmt: skip
def test_a_name_that_cannot_be_shown_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(LabError, match=words):
        save_filter(tmp_path, name, CUT)
    assert not (tmp_path / FILE).exists()


def test_there_is_room_for_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runs.saved_filters.MAX_SAVED", 2)
    save_filter(tmp_path, "a", CUT)
    save_filter(tmp_path, "b", CUT)
    save_filter(tmp_path, "b", SearchQuery("x"))
    with pytest.raises(LabError, match="Delete one first"):
        save_filter(tmp_path, "c", CUT)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"searches": 3}', '{"searches": []}', "[" * 9999])
def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    for act in (lambda: saved_filters(tmp_path), lambda: save_filter(tmp_path, "a", CUT)):
        with pytest.raises(LabError, match=r"\.searches\.json: the saved searches cannot be read"):
            act()
    assert (tmp_path / FILE).read_text() == content


def test_one_search_that_cannot_be_read_is_named_and_the_others_work(tmp_path: Path) -> None:
    newer = {"newer": {"mood": "glad"}, "number": 3}
    (tmp_path / FILE).write_text(json.dumps({"searches": {**newer, "fine": {"phrase": "x"}}}))
    found = saved_filters(tmp_path)
    assert list(found) == ["fine", "newer", "number"]
    assert found["fine"] == SearchQuery("x")
    assert "no filter 'mood'" in str(found["newer"]) and "no JSON object" in str(found["number"])
    save_filter(tmp_path, "mine", CUT)
    assert json.loads((tmp_path / FILE).read_text())["searches"] == {
        **newer, "fine": {"phrase": "x"}, "mine": {"finish_reason": "length", "advantage": "positive"},
    }  # fmt: skip
    delete_filter(tmp_path, "newer")
    assert list(saved_filters(tmp_path)) == ["fine", "mine", "number"]


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(LabError, match="the saved searches cannot be read"):
        saved_filters(tmp_path)
