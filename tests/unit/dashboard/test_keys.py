"""What a report of the keys does to the URL, without a browser: the rules of `beside` and of what is ignored."""

import pytest
import streamlit as st

from dashboard import state
from dashboard.views import keys
from dashboard.views.keys import Shown, beside, obey


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What was last put into the URL, None for what was taken out of it."""
    found: dict[str, object] = {}
    monkeypatch.setattr(state, "set_in_url", found.update)
    monkeypatch.setattr(st, "session_state", {})
    return found


def look(step: int, group: int | None) -> Shown:
    """Step 4 lists the groups 7, 2, 5 and opens 2; each has the completions 3, 1."""
    return Shown(group or 2, [7, 2, 5], 3, [3, 1])


def report(**changes: object) -> dict[str, object]:
    plain = {"id": "a-1", "step": 4, "group": None, "down": 0, "completion": None, "next": 0, "follow": False}
    return plain | changes


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, {"step": 4, "group": None, "completion": None}),
        ({"group": 5}, {"step": 4, "group": 5, "completion": None}),
        ({"group": 5, "completion": 1}, {"step": 4, "group": 5, "completion": 1}),
        ({"down": 1}, {"step": 4, "group": 5, "completion": None}),
        ({"down": -9}, {"step": 4, "group": 7, "completion": None}),
        ({"group": 7, "next": 1}, {"step": 4, "group": 7, "completion": 1}),
        ({"down": 1, "next": 1}, {"step": 4, "group": 5, "completion": 1}),
        ({"follow": True}, {"step": None, "group": None, "completion": None}),
        ({"group": True, "completion": -3}, {"step": 4, "group": None, "completion": None}),
    ],
)
def test_a_report_becomes_a_place_in_the_url(url, changes, wanted):
    obey(report(**changes), look)
    assert url == {**wanted, "token": None}


def test_a_report_that_was_obeyed_is_known_as_seen(url):
    obey(report(id="a-7"), look)
    assert st.session_state[keys.SEEN_KEY] == "a-7"


@pytest.mark.parametrize("nonsense", [None, "x", {}, {"id": 3}, {"id": "a", "step": 0, "down": 1, "next": 0}])
def test_what_is_no_report_changes_nothing(url, nonsense):
    obey(nonsense, look)
    assert url == {}


def test_without_groups_only_the_step_moves(url):
    obey(report(down=3, next=2), None)
    assert url == {"step": 4, "group": None, "completion": None, "token": None}


def test_search_opens_its_view(url):
    obey({"id": "a-1", "search": True}, look)
    assert url == {"view": "search"}


def test_moves_stop_at_the_ends_of_the_order():
    assert [beside([7, 2, 5], 2, moves) for moves in (-3, -1, 0, 1, 3)] == [7, 7, 2, 5, 5]
    assert beside([], 2, 1) == 2
    assert beside([7, 5], 2, 1) == 5  # a group that the list leaves out: from the first on
