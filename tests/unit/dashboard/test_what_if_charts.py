"""The charts of a what-if say what they show, in words and colours, and stand also where there is nothing yet."""

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.what_if_charts import dead_course, push_chart
from engine.analysis.what_if_run import Change, PushByLength


def change(step: int, before: float, after: float) -> Change:
    return Change(step, before, after, 0, 0, 0, 0, np.array([1]), np.array([1.0]), np.array([1.0]))


def test_the_course_has_a_line_before_and_one_after() -> None:
    chart = dead_course([change(1, 0.5, 0.25), change(2, 0.75, 0.5)])
    assert chart.title == "Groups without signal, before and after" and "After below before" in chart.look_for
    lines = {trace["name"]: trace for trace in chart.figure["data"]}
    assert np.array_equal(lines["before"]["y"], [0.5, 0.75]) and np.array_equal(lines["after"]["y"], [0.25, 0.5])
    assert lines["before"]["line"]["dash"] == "dot" != lines["after"]["line"]["dash"]  # not by colour alone
    assert chart.figure["layout"]["yaxis"]["title"]["text"] == "share of groups"
    go.Figure(chart.figure)


def test_a_long_course_is_smoothed_and_says_so() -> None:
    chart = dead_course([change(step, float(step % 2), 0.0) for step in range(1, 101)])
    assert "Each point is the mean of 10 sampled steps." in chart.look_for
    (before,) = (trace for trace in chart.figure["data"] if trace["name"] == "before")
    assert np.asarray(before["y"])[-1] == pytest.approx(0.5)


def test_the_push_of_each_length_stands_beside_its_share_of_the_completions() -> None:
    chart = push_chart(PushByLength(("1–3", "4"), np.array([0.5, 0.5]), np.array([0.25, 0.75]), np.array([0.5, 0.5])))
    figure = chart.figure
    assert [trace["name"] for trace in figure["data"]] == ["before", "after", "share of completions"]
    assert figure["layout"]["xaxis"]["ticktext"] == ["1–3", "4"]
    assert figure["layout"]["xaxis"]["title"]["text"] == "length of the completion, tokens"
    go.Figure(figure)


def test_without_a_step_a_sentence_stands_in_place_of_each_chart() -> None:
    empty = np.empty(0)
    for chart in (dead_course([]), push_chart(PushByLength((), empty, empty, empty))):
        assert chart.figure is None and chart.sentence == "No step is finished yet."
