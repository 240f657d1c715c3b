import numpy as np
import orjson
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard.charts import Chart
from dashboard.held_out_charts import held_out, held_out_rewards
from engine.analysis.evaluation import Estimate
from engine.glossary import TERMS
from engine.runs.best import Best

NAN = float("nan")
WEIGHTS = {"exact_match": 1.0, "digits_only": 0.0}


def evaluations_of(*rows: tuple[int, dict[str, Estimate]], n: int = 1) -> pd.DataFrame:
    columns = {"step": [step for step, _ in rows], "num_prompts": [64] * len(rows), "num_generations": [n] * len(rows)}
    return pd.DataFrame({**columns, "metrics": pd.Series([metrics for _, metrics in rows], dtype=object)})


def around(value: float) -> Estimate:
    return Estimate(value, value - 0.1, value + 0.2)


def measured(step: int, share: float, **more: Estimate) -> tuple[int, dict[str, Estimate]]:
    rewards = {
        "reward": around(share),
        "rewards/exact_match/mean": around(share),
        "rewards/digits_only/mean": around(0.9),
    }
    return step, {"pass_at_1": around(share), **rewards, **more}


def trace(chart: Chart, name: str) -> dict:
    assert chart.figure is not None
    return next(t for t in chart.figure["data"] if t["name"] == name)


def names(chart: Chart) -> list[str]:
    return list(dict.fromkeys(t["name"] for t in chart.figure["data"]))


@pytest.mark.parametrize("steps", [1, 3, 10_000])
def test_both_charts_are_valid_figures_with_words_at_any_length(steps):
    evaluations = evaluations_of(*(measured(25 * i, 0.5, pass_at_4=around(0.7)) for i in range(steps)), n=4)
    for chart in (held_out(evaluations, Best(0, "pass_at_1", 0.5)), held_out_rewards(evaluations, WEIGHTS)):
        figure = go.Figure(chart.figure)
        assert orjson.dumps(chart.figure, np.ndarray.tolist, orjson.OPT_SERIALIZE_NUMPY)
        assert chart.title and chart.look_for and figure.layout.xaxis.title.text == "step"
        assert all(len(drawn.x) <= 2000 for drawn in figure.data)


def test_without_an_evaluation_a_sentence_stands_for_each_chart():
    for chart in (held_out(evaluations_of()), held_out_rewards(evaluations_of(), WEIGHTS)):
        assert (chart.figure, chart.sentence) == (None, "No evaluation is finished yet.")


def test_completions_that_could_not_be_scored_are_told():
    some = {"undecided": Estimate(3.0)}
    assert (
        "3 of 64 completions could not be scored; they are left out."
        in held_out(evaluations_of(measured(0, 0.4), measured(25, 0.8, **some))).look_for
    )
    assert "could not be scored" not in held_out(evaluations_of(measured(0, 0.4, **some), measured(25, 0.8))).look_for


def test_a_gap_where_no_completion_could_be_scored_does_not_end_the_chart():
    lost = {"pass_at_1": Estimate(NAN), "undecided": Estimate(64.0)}
    line = trace(held_out(evaluations_of(measured(0, 0.4), measured(25, 0.8), (50, lost))), "pass@1")
    assert line["y"].tolist()[:2] == [0.4, 0.8]
    alone = held_out(evaluations_of((0, lost)))
    assert (alone.figure, alone.sentence) == (None, "64 of 64 completions could not be scored; they are left out.")


def test_the_evaluation_before_training_is_marked():
    before = trace(held_out(evaluations_of(measured(0, 0.4), measured(25, 0.9))), "before training")
    assert (before["x"].tolist(), before["y"].tolist()) == ([0.0], [0.4])


def test_the_band_is_the_stored_interval():
    low, high = held_out(evaluations_of(measured(0, 0.4), measured(25, 0.8))).figure["data"][:2]
    assert low["y"] == pytest.approx([0.3, 0.7]) and high["y"] == pytest.approx([0.6, 1.0])


def test_pass_at_k_and_majority_are_drawn_when_they_are_measured():
    more = {"pass_at_2": around(0.5), "pass_at_4": around(0.75), "majority_at_4": around(0.6)}
    chart = held_out(evaluations_of(measured(0, 0.4, **more), n=4))
    assert names(chart) == ["95 % interval", "pass@1", "pass@4", "majority@4", "before training"]
    assert trace(chart, "pass@4")["y"].tolist() == [0.75]
    assert trace(chart, "pass@4")["customdata"] == [" (65.0%–95.0%)"]
    assert f"pass@4: {TERMS['eval/pass_at_k'].look_for}" in chart.look_for
    assert "64 prompts × 4 completions each time" in chart.look_for
    assert names(held_out(evaluations_of(measured(0, 0.4)))) == ["95 % interval", "pass@1", "before training"]


def test_the_best_checkpoint_is_a_star_on_the_line_that_chose_it():
    rows = [measured(0, 0.4, pass_at_4=around(0.6)), measured(25, 0.5, pass_at_4=around(0.8))]
    star = trace(held_out(evaluations_of(*rows, n=4), Best(25, "pass_at_4", 0.8)), "best checkpoint")
    assert (star["x"].tolist(), star["y"].tolist()) == ([25.0], [0.8])
    star = trace(held_out(evaluations_of(*rows, n=4), Best(25, "reward", 0.5)), "best checkpoint")
    assert star["y"].tolist() == [0.5]  # the reward has no line in this chart
    assert "best checkpoint" not in names(held_out(evaluations_of(*rows), Best(99, "pass_at_1", 1.0)))


def test_without_a_pass_reward_there_is_a_sentence():
    chart = held_out(evaluations_of((0, {"reward": around(0.4)})))
    assert (chart.figure, chart.sentence) == (None, "No reward of this run decides right or wrong.")


def test_mean_rewards_have_their_intervals_as_bars_and_monitors_are_dashed():
    chart = held_out_rewards(evaluations_of(measured(0, 0.4), measured(25, 0.6)), WEIGHTS, Best(25, "reward", 0.6))
    assert names(chart) == ["digits_only (monitor)", "total reward", "best checkpoint"]  # the trained one is the total
    total = trace(chart, "total reward")
    assert total["y"].tolist() == [0.4, 0.6]
    assert total["error_y"]["array"] == pytest.approx([0.2, 0.2])
    assert total["error_y"]["arrayminus"] == pytest.approx([0.1, 0.1])
    assert trace(chart, "digits_only (monitor)")["line"]["dash"] == "dash"
    assert trace(chart, "best checkpoint")["x"].tolist() == [25.0]


def test_a_reward_without_interval_is_drawn_without_one():
    chart = held_out_rewards(evaluations_of((0, {"reward": Estimate(0.25)})), WEIGHTS)
    assert trace(chart, "total reward")["customdata"] == [""]
    assert np.isnan(trace(chart, "total reward")["error_y"]["array"]).all()


def test_each_reward_function_of_several_has_a_line():
    weights = {"exact_match": 1.0, "digits_only": 0.2}
    assert names(held_out_rewards(evaluations_of(measured(0, 0.4)), weights)) == [
        "exact_match (× 1)", "digits_only (× 0.2)", "total reward",
    ]  # fmt: skip
