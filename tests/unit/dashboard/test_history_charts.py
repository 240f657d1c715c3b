"""The charts of one prompt: its points, the shown step, and a sentence where nothing was measured."""

import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard.history_charts import held_out_course, prompt_charts

NAN = float("nan")


@pytest.fixture
def charts():
    course = pd.DataFrame(
        {
            "step": [3, 9], "group_index": [0, 5], "pass_rate": [0.25, 1.0], "mean": [0.5, NAN],
            "mean_length": [4.0, 6.0], "mean_kl": [NAN, NAN],
        }
    )  # fmt: skip
    return {chart.key: chart for chart in prompt_charts(course, shown_step=9)}


def test_each_number_has_a_chart_with_its_points_and_the_group_that_a_click_opens(charts):
    (trace,) = charts["prompt-pass_rate"].figure["data"]
    assert trace["x"].tolist() == [3, 9] and trace["y"].tolist() == [0.25, 1.0]
    assert trace["customdata"].tolist() == [[1], [6]]
    assert list(charts) == ["prompt-pass_rate", "prompt-mean", "prompt-mean_length", "prompt-mean_kl"]


def test_the_shown_step_is_marked(charts):
    (shape,) = charts["prompt-mean"].figure["layout"]["shapes"]
    assert (shape["x0"], shape["x1"]) == (9, 9)


def test_shares_are_drawn_from_0_to_100_per_cent_and_other_numbers_by_their_size(charts):
    assert charts["prompt-pass_rate"].figure["layout"]["yaxis"]["range"] == [-0.05, 1.05]
    assert "range" not in charts["prompt-mean_length"].figure["layout"]["yaxis"]


def test_what_was_not_measured_is_a_sentence(charts):
    assert charts["prompt-mean_kl"].figure is None
    assert charts["prompt-mean_kl"].sentence == "Not measured in the groups of this prompt."
    assert held_out_course([0, 25], [NAN, NAN]).figure is None


def test_the_course_of_a_held_out_prompt_runs_over_evaluations():
    (trace,) = held_out_course([0, 25], [0.0, 1.0]).figure["data"]
    assert (trace["x"].tolist(), trace["y"].tolist()) == ([0, 25], [0.0, 1.0])


def test_plotly_accepts_the_figures_and_every_chart_says_what_to_look_for(charts):
    for chart in (*charts.values(), held_out_course([0, 25], [0.0, 1.0])):
        assert chart.title and chart.look_for
        if chart.figure:
            go.Figure(chart.figure)
            assert chart.figure["layout"]["xaxis"]["title"]["text"] and chart.figure["layout"]["yaxis"]["title"]["text"]
