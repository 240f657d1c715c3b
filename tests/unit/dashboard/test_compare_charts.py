"""The charts of several runs: a colour that is the run's own, lines raw and smoothed, forks, and reward over KL."""

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.compare_charts import (
    NUM_COLOURS,
    Path,
    RunLook,
    Series,
    at_steps,
    colour_of,
    looks,
    overlay,
    reward_over_kl,
)

NAN = float("nan")
RED = RunLook("red", "var(--lab-run-1)")
BLUE = RunLook("blue", "var(--lab-run-2)")


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float64)


def series(look: RunLook = RED, y: tuple[float, ...] = (0.0, 1.0, 1.0), **more: object) -> Series:
    return Series(look, values(*range(1, len(y) + 1)), values(*y), **more)  # type: ignore[arg-type]


def path(look: RunLook = RED, kl: tuple[float, ...] = (0.0, 2.0, 1.0), **monitors: tuple[float, ...]) -> Path:
    reward = values(0.0, 0.5, 1.0)
    return Path(look, values(1, 2, 3), values(*kl), reward, {name: values(*y) for name, y in monitors.items()})


def test_the_colour_of_a_run_follows_from_its_id_alone():
    assert [colour_of(run) for run in ("plain", "other", "plain")] == [5, 6, 5]
    assert {colour_of(f"run-{i}") for i in range(200)} == set(range(NUM_COLOURS))
    (alone,) = looks([("other", "O")])
    assert looks([("plain", "P"), ("other", "O")])[1] == alone == RunLook("O", "var(--lab-run-6)", 0)


def test_of_runs_that_share_a_colour_the_first_by_id_keeps_it_and_the_others_are_dashed_in_free_ones():
    assert colour_of("plain") == colour_of("child") == colour_of("red") == 5 and colour_of("other") == 6
    found = {look.label: look for look in looks([(run, run) for run in ("plain", "child", "other", "red")])}
    assert {run: look.dash for run, look in found.items()} == {"child": 0, "plain": 1, "red": 2, "other": 0}
    colours = {run: look.colour.removeprefix("var(--lab-run-")[:-1] for run, look in found.items()}
    assert colours == {"child": "5", "plain": "0", "red": "1", "other": "6"}


def test_where_no_colour_is_free_the_dash_alone_tells_runs_apart():
    every = {colour_of(f"run-{i}"): f"run-{i}" for i in range(200)}
    runs = [*every.values(), "plain"]
    found = {look.label: look for look in looks([(run, run) for run in runs])}
    twins = [look for look in found.values() if look.colour == "var(--lab-run-5)"]
    assert len(every) == NUM_COLOURS and sorted(look.dash for look in twins) == [0, 1]


def test_runs_of_one_name_are_told_apart_by_the_end_of_their_ids():
    found = looks([("demo-20260101-120000-abcd", "demo"), ("demo-20260101-120000-ef01", "demo"), ("x", "other")])
    assert [look.label for look in found] == ["demo …0000-abcd", "demo …0000-ef01", "other"]


def test_a_long_or_hostile_name_is_short_and_plain_text_in_a_legend():
    assert RunLook("n" * 40, "").legend == "n" * 40
    assert RunLook("n" * 30 + "e" * 20, "").legend == "n" * 25 + "…" + "e" * 14
    assert RunLook("<b>x</b>", "").legend == "&lt;b&gt;x&lt;/b&gt;"


def test_without_smoothing_a_run_is_one_line_as_measured():
    chart = overlay("reward", [series(), series(BLUE, (3.0, 4.0))], "step", 0.0)
    one, two = chart.figure["data"]
    assert (one["x"].tolist(), one["y"].tolist()) == ([1, 2, 3], [0, 1, 1])
    assert (two["name"], two["y"].tolist(), two["line"]["color"]) == ("blue", [3, 4], BLUE.colour)
    assert "Faint" not in chart.look_for


def test_a_smoothed_line_stands_over_a_faint_one_that_is_not_in_the_legend():
    chart = overlay("reward", [series()], "step", 0.5)
    raw, smooth = chart.figure["data"]
    assert raw["y"].tolist() == [0, 1, 1] and raw["opacity"] == 0.3 and raw["showlegend"] is False
    # each value counts half as much as the next: 0, (0 + 2·1)/3, (0 + 2·1 + 4·1)/7
    assert smooth["y"] == pytest.approx([0, 2 / 3, 6 / 7])
    assert "showlegend" not in smooth and "Faint: as measured; strong: smoothed." in chart.look_for


def test_the_dash_of_a_run_is_that_of_its_strong_line():
    dashed = RunLook("two", RED.colour, 1)
    raw, smooth = overlay("reward", [series(dashed)], "step", 0.5).figure["data"]
    assert (raw["line"]["dash"], smooth["line"]["dash"]) == ("solid", "dash")


def test_evaluations_are_points_with_their_intervals_and_never_smoothed():
    point = series(RED, (0.5, 0.75), low=values(0.25, 0.5), high=values(0.625, 1.0))
    chart = overlay("eval/pass_at_1", [point], "step", 0.9)
    (trace,) = chart.figure["data"]
    assert trace["y"].tolist() == [0.5, 0.75]
    assert trace["error_y"]["array"].tolist() == [0.125, 0.25] and trace["error_y"]["arrayminus"].tolist() == [
        0.25,
        0.25,
    ]
    assert chart.figure["layout"]["yaxis"]["tickformat"] == ".0%" and "Faint" not in chart.look_for


def test_a_fork_is_marked_where_it_left_its_parent_in_its_own_colour():
    chart = overlay("reward", [series(), series(BLUE, fork=2.0, fork_words="fork at step 2")], "step", 0.0)
    (shape,), (note,) = chart.figure["layout"]["shapes"], chart.figure["layout"]["annotations"]
    assert (shape["x0"], shape["x1"], shape["line"]["color"]) == (2, 2, BLUE.colour)
    assert (note["x"], note["text"]) == (2, "fork at step 2")
    assert "Upright line: where a fork left its parent." in chart.look_for
    assert "Upright" not in overlay("reward", [series()], "step", 0.0).look_for


def test_a_run_without_the_metric_is_named_and_a_metric_of_none_is_a_sentence():
    chart = overlay("kl", [series(), series(BLUE, (NAN, NAN))], "step", 0.0)
    assert [trace["name"] for trace in chart.figure["data"]] == ["red"]
    assert "Not measured in “blue”." in chart.look_for
    nothing = overlay("kl", [series(BLUE, (NAN,)), series(RED, ())], "step", 0.0)
    assert nothing.figure is None and nothing.sentence == "Not measured in these runs so far."


@pytest.mark.parametrize(
    ("x", "title"),
    [("step", "step"), ("tokens", "completion tokens sampled so far"), ("time", "minutes of work")],
)
def test_the_axis_says_what_it_counts(x, title):
    chart = overlay("reward", [series()], x, 0.0)
    assert chart.figure["layout"]["xaxis"]["title"]["text"] == title


def test_the_mean_of_a_reward_function_is_named_after_it():
    assert overlay("rewards/digits/mean", [series()], "step", 0.0).title == "Mean of digits"


def test_reward_over_kl_goes_by_step_with_a_mark_at_either_end():
    whole, ends = reward_over_kl([path()], 0.0).figure["data"]
    assert (whole["x"].tolist(), whole["y"].tolist(), whole["customdata"].tolist()) == (
        [0, 2, 1],
        [0, 0.5, 1],
        [1, 2, 3],
    )
    assert (ends["x"].tolist(), ends["marker"]["symbol"]) == ([0, 1], ["circle-open", "circle"])


def test_a_monitor_is_thin_and_dashed_on_the_right_axis():
    figure = reward_over_kl([path(digits=(1.0, 0.5, 0.25))], 0.0).figure
    trained, _, monitor, _ = figure["data"]
    assert monitor["name"] == "red: digits (monitor)" and monitor["y"].tolist() == [1, 0.5, 0.25]
    assert monitor["yaxis"] == "y2" and figure["layout"]["yaxis2"]["side"] == "right" and "yaxis" not in trained
    assert monitor["line"]["dash"] != "solid" and monitor["line"]["width"] < trained["line"]["width"]
    assert "yaxis2" not in reward_over_kl([path()], 0.0).figure["layout"]


def test_a_run_without_kl_has_no_path_and_the_chart_says_why():
    without = path(BLUE, (NAN, NAN, NAN))
    chart = reward_over_kl([path(), without], 0.0)
    assert {trace["name"] for trace in chart.figure["data"]} == {"red"}
    assert chart.sentence == "“blue”: no path, since KL is not measured without a reference (β = 0)."
    assert reward_over_kl([without], 0.0).figure is None
    fresh = Path(RED, values(), values(), values(), {})
    assert reward_over_kl([fresh], 0.0).sentence == "No step is finished yet."


def test_a_step_lies_where_it_was_stored_between_two_and_before_the_first_at_the_start():
    steps, x = values(1, 2, 4), values(100, 200, 400)
    assert at_steps(steps, x, [2, 3], 0.0).tolist() == [200, 300]
    assert at_steps(steps, x, [0], 7.0).tolist() == [7]
    assert at_steps(values(), values(), [0, 5], 7.0).tolist() == [7, 7]
    assert at_steps(steps, values(100, NAN, 400), [2], 0.0).tolist() == [200]  # a third of the way from 100 to 400


def test_plotly_accepts_the_figures():
    dashed = RunLook("two", RED.colour, 3)
    evaluated = series(dashed, (0.5,), low=values(0.25), high=values(0.625), fork=0.0, fork_words="fork at step 1")
    for chart in (
        overlay("reward", [series(), series(dashed)], "time", 0.9),
        overlay("eval/reward", [evaluated], "tokens", 0.9),
        reward_over_kl([path(digits=(1.0, NAN, 0.5)), path(dashed)], 0.9),
    ):
        go.Figure(chart.figure)
        assert chart.title and chart.look_for and chart.figure["layout"]["yaxis"]["title"] is not None
