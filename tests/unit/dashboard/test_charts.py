from typing import Any

import numpy as np
import orjson
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard import charts
from dashboard.charts import Chart
from engine.analysis.distribution import bin_shares, reward_bins, reward_levels, reward_quantiles
from engine.config import DataConfig, LossConfig, ModelConfig, OptimConfig, RewardSpec, RolloutConfig, RunConfig
from engine.glossary import METRICS

NAN = float("nan")
WEIGHTS = {"exact_match": 1.0, "digit_match": 0.3}


def metrics_of(steps: int, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({key: rng.random(steps) / 5 for key in METRICS})
    frame["sampling/discarded"] = 0.0
    frame["step"] = np.arange(1, steps + 1)
    return frame.assign(**columns)


def totals_of(steps: int) -> np.ndarray:
    return np.random.default_rng(1).choice([0.0, 0.3, 1.3], size=(steps, 16))


def functions_of(steps: int) -> pd.DataFrame:
    return pd.DataFrame({name: np.linspace(0, 1, steps) for name in WEIGHTS})


def completions_of(advantages: list[float], group_size: int = 2) -> pd.DataFrame:
    index = np.arange(len(advantages))
    return pd.DataFrame(
        {
            "group_index": index // group_size,
            "completion_index": index % group_size,
            "total": np.array(advantages, dtype=float),
            "advantage": np.array(advantages, dtype=float),
        }
    )


def every_chart(steps: int) -> list[Chart]:
    metrics, totals = metrics_of(steps), totals_of(steps)
    bins = reward_bins(0, 1.3, reward_levels(totals))
    return [
        charts.reward_fan(metrics, reward_quantiles(totals), functions_of(steps), WEIGHTS, window=10),
        charts.reward_heatmap(metrics["step"], bin_shares(totals, bins), bins),
        charts.group_kinds(metrics),
        charts.advantage_strip(completions_of([0.5, -0.5] * steps), steps, 2.0),
        charts.training_curves(metrics, run(num_iterations=2)),
        charts.reward_spread(metrics),
        charts.phase_times(metrics, pd.DataFrame({"step": [0], "seconds": [1.0]})),
    ]


def run(rollout: RolloutConfig | None = None, optim: OptimConfig | None = None, **loss: Any) -> RunConfig:
    return RunConfig(
        model=ModelConfig(source="embedded"), data=DataConfig(source="arithmetic"),
        rewards=(RewardSpec(name="exact_match"),), loss=LossConfig(**loss), rollout=rollout or RolloutConfig(),
        optim=optim or OptimConfig(),
    )  # fmt: skip


def trace(chart: Chart, name: str) -> dict:
    assert chart.figure is not None
    return next(t for t in chart.figure["data"] if t["name"] == name)


@pytest.mark.parametrize("steps", [1, 3, 10_000])
def test_every_chart_is_a_valid_figure_with_words_at_any_length(steps):
    for chart in every_chart(steps):
        figure = go.Figure(chart.figure)  # raises for anything that plotly does not know
        assert orjson.dumps(chart.figure, np.ndarray.tolist, orjson.OPT_SERIALIZE_NUMPY)
        assert chart.title and chart.look_for
        assert figure.layout.xaxis.title.text
        assert chart.height > 100
        for drawn in figure.data:
            assert len(drawn.x) <= 2000


def test_without_a_step_a_sentence_stands_for_each_chart():
    for chart in every_chart(0):
        assert chart.figure is None
        assert chart.sentence.endswith(".")


def test_columns_of_nothing_but_missing_values_do_not_break_a_chart():
    empty = metrics_of(5, **{key: np.full(5, NAN) for key in METRICS})
    shares = np.full((5, 1), NAN)
    quantiles = np.full((5, 5), NAN)
    functions = pd.DataFrame({"exact_match": np.full(5, NAN)})
    for chart in (
        charts.reward_fan(empty, quantiles, functions, WEIGHTS),
        charts.reward_heatmap(empty["step"], shares, reward_bins(0, 0, set())),
        charts.group_kinds(empty),
        charts.reward_spread(empty),
        charts.advantage_strip(completions_of([NAN, NAN]), 1, 2.0),
    ):
        assert go.Figure(chart.figure).data
    times = charts.phase_times(empty, pd.DataFrame({"step": [], "seconds": []}))
    assert times.figure is None and times.sentence == "The time of each phase was not recorded."


def test_the_median_of_known_rewards():
    totals = np.array([[0.0, 1.0, 2.0], [4.0, 5.0, 9.0]])
    chart = charts.reward_fan(metrics_of(2), reward_quantiles(totals), pd.DataFrame(index=range(2)), {})
    assert trace(chart, "median")["y"].tolist() == [1.0, 5.0]


def test_the_bands_enclose_the_middle_half_and_the_middle_eighty_per_cent():
    totals = np.arange(11, dtype=float)[None]  # 0 … 10
    chart = charts.reward_fan(metrics_of(1), reward_quantiles(totals), pd.DataFrame(index=range(1)), {})
    outer = [t["y"][0] for t in chart.figure["data"] if t["name"] == "10–90 %"]
    inner = [t["y"][0] for t in chart.figure["data"] if t["name"] == "25–75 %"]
    assert outer == pytest.approx([1.0, 9.0])
    assert inner == pytest.approx([2.5, 7.5])


def test_monitors_are_dashed_and_trained_functions_are_not():
    chart = charts.reward_fan(
        metrics_of(40), reward_quantiles(totals_of(40)), functions_of(40), {"exact_match": 2.0, "digit_match": 0.0}
    )
    assert trace(chart, "digit_match (monitor)")["line"]["dash"] == "dash"
    assert trace(chart, "exact_match (× 2)")["line"]["dash"] == "solid"


def test_a_function_that_the_settings_do_not_name_is_a_monitor():
    chart = charts.reward_fan(metrics_of(2), reward_quantiles(totals_of(2)), functions_of(2), {"exact_match": 2.0})
    assert trace(chart, "digit_match (monitor)")


def test_a_fan_of_several_steps_a_point_says_so():
    assert every_chart(3)[0].look_for.endswith(" Each point covers 10 steps.")
    single = charts.reward_fan(metrics_of(2), reward_quantiles(totals_of(2)), functions_of(2), WEIGHTS)
    assert single.look_for == METRICS["reward"].look_for


def test_a_single_reward_of_weight_1_is_not_drawn_twice():
    one = functions_of(3)[["exact_match"]]
    chart = charts.reward_fan(metrics_of(3), reward_quantiles(totals_of(3)), one, {"exact_match": 1.0})
    assert [t["name"] for t in chart.figure["data"] if "exact" in t["name"]] == []


def test_names_cannot_bring_markup_into_a_chart():
    functions = pd.DataFrame({"<b>x</b>": [1.0]})
    chart = charts.reward_fan(metrics_of(1), reward_quantiles(totals_of(1)), functions, {"<b>x</b>": 0.5})
    assert trace(chart, "&lt;b&gt;x&lt;/b&gt; (× 0.5)")


def test_the_shares_of_each_heat_map_column_add_up_to_one():
    totals = totals_of(1000)
    bins = reward_bins(0, 1.3, reward_levels(totals))
    chart = charts.reward_heatmap(np.arange(1, 1001), bin_shares(totals, bins), bins)
    z = chart.figure["data"][0]["z"]
    assert z.shape == (3, 150)
    assert z.sum(axis=0) == pytest.approx(np.ones(150))


def test_a_heat_map_column_says_which_steps_it_covers():
    totals = totals_of(300)
    bins = reward_bins(0, 1.3, reward_levels(totals))
    cells = charts.reward_heatmap(np.arange(1, 301), bin_shares(totals, bins), bins).figure["data"][0]["customdata"]
    assert cells[0][0] == ["0", "steps 1–2"]
    assert cells[2][-1] == ["1.3", "steps 299–300"]


def test_a_heat_map_of_few_rewards_has_a_row_for_each_and_of_many_a_scale():
    few = reward_bins(0, 1.3, {0.0, 0.3, 1.3})
    figure = charts.reward_heatmap([1], np.array([[0.5, 0.22, 0.28]]), few).figure
    assert figure["data"][0]["y"].tolist() == [0, 1, 2]
    assert figure["layout"]["yaxis"]["ticktext"] == ["0", "0.3", "1.3"]
    assert figure["data"][0]["zmax"] == 0.5
    many = reward_bins(0, 1, set(np.linspace(0, 1, 13).tolist()))  # ranges of 0.05
    figure = charts.reward_heatmap([1], np.full((1, 21), 1 / 21), many).figure
    assert figure["data"][0]["y"][:2] == pytest.approx([0.025, 0.075])
    assert "ticktext" not in figure["layout"]["yaxis"]


def test_the_kinds_of_groups_fill_the_whole_height():
    dead = {"frac_solved": 0.2, "frac_hopeless": 0.1, "frac_truncated": 0.05, "frac_other_dead": 0.02}
    dead |= {"frac_identical": 0.02, "frac_failed": 0.01}
    chart = charts.group_kinds(metrics_of(7, **dead))
    assert trace(chart, "with signal")["y"] == pytest.approx(np.full(8, 0.6))
    assert sum(t["y"][0] for t in chart.figure["data"]) == pytest.approx(1.0)
    assert chart.figure["layout"]["yaxis"]["range"] == [0, 1]


def test_advantages_are_drawn_by_the_mean_reward_of_their_group_and_marked_by_sign():
    chart = charts.advantage_strip(completions_of([1.0, 3.0, -2.0, -4.0]), 5, reach=2.0)
    drawn = chart.figure["data"][0]
    assert np.round(drawn["x"]).tolist() == [2, 2, 1, 1]  # the second group has the lower mean
    assert drawn["marker"]["symbol"] == ["circle", "circle", "circle-open", "circle-open"]
    assert (drawn["marker"]["cmin"], drawn["marker"]["cmax"]) == (-2.0, 2.0)
    assert drawn["customdata"][2].tolist() == [2, 1, -2.0, 5]


def test_an_advantage_of_0_is_filled_and_lies_on_a_drawn_line():
    figure = charts.advantage_strip(completions_of([0.0, -0.1]), 1, 2.0).figure
    marker = figure["data"][0]["marker"]
    assert marker["symbol"] == ["circle", "circle-open"]
    assert marker["line"]["width"].tolist() == [0, 2]
    assert figure["layout"]["yaxis"]["zeroline"] is True


def test_equal_advantages_stand_side_by_side_within_their_group():
    x = charts.advantage_strip(completions_of([0.5] * 8, group_size=8), 1, 2.0).figure["data"][0]["x"]
    assert len(set(x)) == 8
    few = charts.advantage_strip(completions_of([0.5] * 4, group_size=4), 1, 2.0).figure["data"][0]["x"]
    assert few == pytest.approx([0.865, 0.955, 1.045, 1.135])
    crowd = charts.advantage_strip(completions_of([0.5] * 101, group_size=101), 1, 2.0).figure["data"][0]["x"]
    assert 0.35 < abs(crowd - 1).max() <= 0.36  # room for the next group


def test_the_extreme_advantages_of_a_huge_step_are_drawn():
    advantages = np.random.default_rng(4).normal(size=9000).tolist()
    advantages[4321], advantages[17] = 99.0, -99.0
    y = charts.advantage_strip(completions_of(advantages, 16), 1, 2.0).figure["data"][0]["y"]
    assert len(y) <= 2000
    assert (y.max(), y.min()) == (99.0, -99.0)


def test_a_curve_without_numbers_is_a_sentence_and_not_an_empty_axis():
    chart = charts.training_curves(metrics_of(4, kl=NAN), run())
    assert "KL to reference: not measured so far." in chart.sentence
    assert "KL to reference" not in [t["name"] for t in chart.figure["data"]]


def test_clipping_has_no_axis_while_it_is_0_by_construction():
    quiet = charts.training_curves(metrics_of(4, **{"clip_ratio/region_mean": 0.0}), run())
    several = charts.training_curves(metrics_of(4), run(num_iterations=4))
    assert "Clipped tokens: 0 by construction" in quiet.sentence
    assert trace(several, "Clipped tokens")


def test_the_spread_within_groups_and_between_prompts_are_two_lines():
    chart = charts.reward_spread(metrics_of(2, reward_within_std=[0.5, 0.25], reward_between_std=[0.1, 0.3]))
    assert trace(chart, "Reward std within groups")["y"].tolist() == [0.5, 0.25]
    assert trace(chart, "Reward std between prompts")["y"].tolist() == [0.1, 0.3]


def test_a_loss_that_does_not_clip_shows_what_it_does_to_the_ratio_instead():
    capped = charts.training_curves(metrics_of(4), run(loss_type="cispo", epsilon_high=5.0))
    gated = charts.training_curves(metrics_of(4), run(loss_type="sapo"))
    assert trace(capped, "Capped weights") and trace(gated, "Importance ratio")
    assert "Clipped tokens" not in capped.sentence + capped.look_for


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (run(use_adaptive_entropy=True), "entropy_coef"),
        (run(off_policy_mask_threshold=0.1), "off_policy_masked"),
        (run(loss_type="vespo"), "vespo/phi_seq_mean"),
        (run(RolloutConfig(dynamic_sampling=True)), "sampling/rounds"),
        (run(optim=OptimConfig(lr_scheduler_type="cosine")), "learning_rate"),
        (run(optim=OptimConfig(warmup_steps=5)), "learning_rate"),
    ],
)
def test_what_a_setting_changes_from_step_to_step_has_a_curve_in_its_runs_alone(config, key):
    chart = charts.training_curves(metrics_of(4), config)
    assert trace(chart, METRICS[key].label) and METRICS[key].look_for in chart.look_for
    assert key not in charts.curves_of(run())


def test_small_charts_share_one_step_axis():
    figure = charts.training_curves(metrics_of(4), run(num_iterations=4)).figure
    assert [t["yaxis"] for t in figure["data"]] == ["y", "y2", "y3", "y4", "y5"]
    assert [key for key in figure["layout"] if key.startswith("xaxis")] == ["xaxis"]
    assert figure["layout"]["hoversubplots"] == "axis"


def test_every_small_chart_has_its_name_and_unit_above_it():
    layout = charts.training_curves(metrics_of(4), run(num_iterations=4)).figure["layout"]
    headings = layout["annotations"]
    assert [heading["text"] for heading in headings] == [
        f"<b>{METRICS[key].label}</b>" + (f" ({METRICS[key].unit})" if METRICS[key].unit else "")
        for key in charts.curves_of(run())
    ]
    assert [heading["y"] for heading in headings] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    for place, heading in enumerate(headings):
        low, high = layout[f"yaxis{place + 1 if place else ''}"]["domain"]
        assert heading["y"] - 0.2 < low < high < heading["y"]


def test_a_smoothed_curve_keeps_its_raw_values_in_sight():
    spiky = np.zeros(500)
    spiky[250] = 10.0
    chart = charts.training_curves(metrics_of(500, grad_norm=spiky), run(num_iterations=2), window=10)
    assert trace(chart, "Gradient norm")["y"].max() == 10.0
    assert trace(chart, "Gradient norm, mean of 10 steps")["y"].max() == 1.0


def test_phases_add_up_to_the_step():
    phases = {"time/rollout": 0.2, "time/reward": 0.01, "time/update": 0.15}
    evaluations = pd.DataFrame({"step": [0, 2], "seconds": [9.0, 0.5]})
    chart = charts.phase_times(metrics_of(3, **phases), evaluations)
    assert sum(t["y"][0] for t in chart.figure["data"]) == pytest.approx(0.36)
    assert trace(chart, "Evaluation")["y"].max() == 0.5  # that before training belongs to no step


def test_a_sparkline_fills_its_box():
    assert charts.sparkline([1, 2, 3], [0.0, 10.0, 5.0]) == ["0.0,28.0", "50.0,2.0", "100.0,15.0"]
    assert charts.sparkline([1, 2], [3.0, 3.0]) == ["0.0,15.0", "100.0,15.0"]
    assert charts.sparkline([1], [1.0]) == []
    assert charts.sparkline([1, 2], [NAN, 1.0]) == []


def test_words_about_charts_come_from_the_glossary():
    assert charts.group_kinds(metrics_of(1)).look_for == METRICS["frac_reward_zero_std"].look_for


def test_a_reward_keeps_the_colour_of_its_place_when_another_has_no_line():
    functions = pd.DataFrame({"exact_match": [1.0], "digit_match": [0.5]})
    weights = {"exact_match": 1.0, "digit_match": 0.0}
    chart = charts.reward_fan(metrics_of(1), reward_quantiles(totals_of(1)), functions, weights)
    assert trace(chart, "digit_match (monitor)")["line"]["color"] == "var(--lab-f1)"


def test_charts_of_a_run_with_discarded_groups_say_what_they_count() -> None:
    metrics = metrics_of(3, **{"sampling/discarded": [2.0, 0.0, 3.0]})
    kinds = charts.group_kinds(metrics)
    assert kinds.look_for.endswith(" Over all sampled groups; dynamic sampling discarded 5 of them so far.")
    quantiles = np.zeros((3, 5))
    fan = charts.reward_fan(metrics, quantiles, functions_of(3), WEIGHTS)
    assert fan.look_for.endswith(" Mean: every sampled group; bands and median: those trained on.")
    totals = totals_of(3)
    bins = reward_bins(0.0, 1.3, {0.0, 0.3, 1.3})
    heat = [charts.reward_heatmap(metrics["step"], bin_shares(totals, bins), bins, discarded=d) for d in (True, False)]
    assert ["Without discarded groups." in chart.look_for for chart in heat] == [True, False]
