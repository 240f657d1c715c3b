"""Charts of a step's tokens by their place."""

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.token_charts import place_chart
from dashboard.token_measures import LOOKS
from engine.analysis.token_totals import by_place

FRAME = by_place(np.array([1, 2, 1, 2]), np.array([0.5, 0.0, 1.5, 0.0]))


@pytest.mark.parametrize("from_end", [False, True])
def test_a_chart_says_from_which_end_it_counts_and_in_which_unit(from_end):
    chart = place_chart(FRAME, "kl", from_end=from_end)
    assert chart.title == f"Token KL by place, from the {'end' if from_end else 'start'}"
    assert chart.figure is not None
    layout = go.Figure(chart.figure).layout  # plotly accepts it
    assert ("last token" in layout.xaxis.title.text) == from_end
    assert layout.yaxis.title.text == "Token KL (nats)"
    mean = next(trace for trace in chart.figure["data"] if trace["name"] == "mean")
    assert list(mean["y"]) == [1.0, 0.0]


def test_without_numbers_there_is_a_sentence_and_no_chart():
    chart = place_chart(by_place(np.zeros(0, int), np.zeros(0)), "kl", from_end=False)
    assert chart.figure is None and chart.sentence == "Nothing is measured in this step."


def test_a_number_without_unit_has_none_on_its_axis():
    figure = place_chart(FRAME, "push", from_end=False).figure
    assert figure is not None and figure["layout"]["yaxis"]["title"]["text"] == "Push"


@pytest.mark.parametrize("key", LOOKS)
def test_each_measure_says_what_to_look_for_in_it(key):
    says = [place_chart(FRAME, key, from_end=from_end).look_for for from_end in (False, True)]
    assert says[0] != says[1]
    for other in LOOKS.keys() - {key}:
        assert says[0] != place_chart(FRAME, other, from_end=False).look_for
    assert ("reference" in " ".join(says)) == (key in ("kl", "change"))
