"""The parts of figures: when a line has markers, where a stack ends, and which ticks there are."""

import numpy as np
import pytest

from dashboard.plot_parts import FEW, MAX_COLUMNS, band, figure_of, line, plot_text, raw_and_smooth, stack


def drawn(count: int) -> dict:
    return line(np.arange(count), np.zeros(count), "kl", "blue")


@pytest.mark.parametrize(("count", "mode"), [(1, "lines+markers"), (FEW, "lines+markers"), (FEW + 1, "lines")])
def test_a_line_of_few_points_has_markers(count, mode):
    assert drawn(count)["mode"] == mode


@pytest.mark.parametrize(("count", "ticks"), [(1, 1), (11, 1), (12, None)])
def test_up_to_eleven_steps_no_tick_stands_between_two_of_them(count, ticks):
    assert figure_of([drawn(count)], "step", "")["layout"]["xaxis"].get("dtick") == ticks


def test_a_figure_without_points_has_no_ticks_of_its_own():
    assert "dtick" not in figure_of([drawn(0)], "step", "")["layout"]["xaxis"]


def test_a_band_is_filled_between_its_lines_and_a_single_step_is_marked_at_both_ends():
    low, high = band([1, 2], [0.0, 0.5], [1.0, 1.5], "80 %", "grey")
    assert (low["mode"], high["mode"]) == ("lines", "lines")
    assert (low["y"].tolist(), high["y"].tolist(), high["fill"]) == ([0.0, 0.5], [1.0, 1.5], "tonexty")
    assert [trace["showlegend"] for trace in (low, high)] == [False, True]
    assert [trace["mode"] for trace in band([1], [0.0], [1.0], "80 %", "grey")] == ["markers", "markers"]


def test_the_last_step_of_a_stack_is_as_wide_as_the_others():
    first, second = stack([4, 5], np.array([[0.25, 0.75], [0.5, 0.5]]), [("a", "red"), ("b", "blue")], "")
    assert first["x"].tolist() == [4, 5, 6]
    assert (first["y"].tolist(), second["y"].tolist()) == ([0.25, 0.5, 0.5], [0.75, 0.5, 0.5])


def test_a_long_stack_is_averaged():
    (area,) = stack(np.arange(3 * MAX_COLUMNS), np.ones((3 * MAX_COLUMNS, 1)), [("a", "red")], "")
    assert len(area["x"]) == MAX_COLUMNS + 1


def test_a_mean_is_drawn_over_the_values_only_for_a_window_above_one():
    assert [trace["name"] for trace in raw_and_smooth([1, 2], np.ones(2), "KL", 1)] == ["KL"]


def test_what_plotly_reads_as_markup_is_escaped():
    assert plot_text("<b>&\n") == "&lt;b&gt;&amp;⏎"
