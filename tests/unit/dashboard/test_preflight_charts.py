import numpy as np
import orjson
import plotly.graph_objects as go
import pytest

from dashboard.preflight_charts import dead_forecast, pass_rates
from engine.analysis.forecast import pass_posterior
from tests.unit.preflight.findings import forecast, prompt, result


def test_both_charts_are_valid_figures_with_words():
    for chart in (pass_rates(result().prompts), dead_forecast(forecast(), 8)):
        figure = go.Figure(chart.figure)
        assert orjson.dumps(chart.figure, np.ndarray.tolist, orjson.OPT_SERIALIZE_NUMPY)
        assert chart.title and chart.look_for and figure.layout.xaxis.title.text


def test_prompts_stand_from_hardest_to_easiest_with_their_posterior_intervals():
    (trace,) = pass_rates([prompt(3), prompt(0, "hopeless"), prompt(1)]).figure["data"]
    assert trace["y"] == [0.0, 0.25, 0.75]
    highest = pass_posterior(3, 4)
    assert trace["error_y"]["array"][-1] == pytest.approx(highest.high - 0.75)
    assert trace["error_y"]["arrayminus"] == pytest.approx([0.0, 0.25 - pass_posterior(1, 4).low, 0.75 - highest.low])
    assert "3 of 4 right" in trace["customdata"][-1]


def test_a_prompt_that_is_markup_is_shown_as_it_is():
    (trace,) = pass_rates([prompt(1, text="<b>x</b>\u202e")]).figure["data"]
    assert "<b>" not in trace["customdata"][0] and "&lt;b&gt;x" in trace["customdata"][0]
    assert "\u202e" not in trace["customdata"][0]


def test_without_a_pass_reward_a_sentence_stands_for_the_pass_rates():
    chart = pass_rates([prompt(None, "other")])
    assert chart.figure is None and "No reward decides what is right" in chart.sentence


def test_the_chosen_group_size_is_marked_and_each_size_has_its_interval():
    others, chosen = dead_forecast(forecast(), 8).figure["data"]
    assert (chosen["name"], chosen["x"], chosen["marker"]["symbol"]) == ("chosen: G = 8", [1], "diamond")
    assert (others["x"], others["y"]) == ([0, 2, 3], [0.1, 0.02, 0.01])
    assert others["error_y"]["array"] == pytest.approx([0.05, 0.05, 0.05])
    assert others["error_y"]["arrayminus"] == pytest.approx([0.05, 0.02, 0.01])


def test_without_a_forecast_a_sentence_stands_for_it():
    chart = dead_forecast(None, 8)
    assert chart.figure is None and "nothing can be foreseen" in chart.sentence
