"""The chart of values before and after a re-score."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.rescore_charts import MAX_DOTS, NO_BOTH, before_after_chart, pooled


def rows(before: list[float], after: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"total_before": before, "total_after": after, "before/mine": before, "after/mine": after, "step": 1}
    )


def test_a_dot_per_pair_of_values_with_how_many_have_it() -> None:
    chart = before_after_chart(rows([0, 0, 1, 1], [0, 1, 1, 1]), "mine")
    assert chart.figure is not None and chart.title == "mine, before and after"
    dots = chart.figure["data"][1]
    found = {(x, y): n for x, y, (n,) in zip(dots["x"], dots["y"], dots["customdata"].tolist(), strict=True)}
    assert found == {(0.0, 0.0): 1, (0.0, 1.0): 1, (1.0, 1.0): 2}
    assert dots["marker"]["color"] == ["var(--lab-blue)", "var(--lab-orange)", "var(--lab-blue)"]  # one moved
    assert dots["marker"]["size"][2] == max(dots["marker"]["size"])


def test_it_has_axes_a_line_of_no_change_and_plotly_takes_it() -> None:
    chart = before_after_chart(rows([0, 0.5], [2.0, 0.5]))
    assert chart.figure is not None and chart.title == "total reward, before and after"
    layout = chart.figure["layout"]
    assert layout["xaxis"]["title"]["text"] == "total reward before" and layout["yaxis"]["title"]["text"] == "after"
    assert chart.figure["data"][0]["x"].tolist() == [0.0, 2.0]
    go.Figure({"data": chart.figure["data"], "layout": {}})


def test_missing_values_are_counted_and_not_drawn() -> None:
    chart = before_after_chart(rows([0, np.nan, 1], [1, 1, np.nan]), "mine")
    assert "2 completions without both values not drawn" in chart.look_for
    assert chart.figure is not None and len(chart.figure["data"][1]["x"]) == 1


def test_a_reward_that_is_in_one_list_only_has_a_sentence() -> None:
    assert before_after_chart(rows([0], [1]), "other").sentence == NO_BOTH
    assert before_after_chart(rows([np.nan], [1]), "mine").figure is None


def test_very_many_pairs_are_pooled_and_none_is_lost() -> None:
    pairs = np.random.default_rng(0).normal(size=(2000, 2))
    dots, counts, is_pooled = pooled(pairs)
    assert is_pooled and counts.sum() == 2000 and len(dots) <= 1600
    np.testing.assert_allclose((dots * counts[:, None]).sum(axis=0), pairs.sum(axis=0))
    few = pooled(pairs[:MAX_DOTS])
    assert not few[2] and len(few[0]) == MAX_DOTS


def test_a_name_is_shown_as_text() -> None:
    evil = "<b>mine</b>"
    found = rows([0], [1]).rename(columns={"before/mine": f"before/{evil}", "after/mine": f"after/{evil}"})
    chart = before_after_chart(found, evil)
    assert chart.figure is not None
    assert "<b>" not in chart.figure["layout"]["xaxis"]["title"]["text"]
