"""From frames to plotly figures, one function per chart. Pure: no Streamlit, no clock, no theme.

A chart whose numbers do not exist has no figure but a `sentence` that says why. What a figure is: plot_parts.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dashboard.plot_parts import (
    AXIS,
    MAX_COLUMNS,
    MAX_POINTS,
    Figure,
    Trace,
    band,
    figure_of,
    line,
    plot_text,
    raw_and_smooth,
    stack,
)
from engine.analysis.distribution import RewardBins
from engine.analysis.downsample import average_runs, keep_extremes, run_starts
from engine.analysis.smoothing import trailing_mean
from engine.config import RunConfig
from engine.config_loss import CLIPPED, LossConfig, updates_per_batch
from engine.glossary import METRICS, TERMS

SPARK_POINTS = 120
NO_STEP = "No step is finished yet."

GROUP_KINDS = {  # kind: (word, metric column, colour)
    "mixed": ("with signal", None, "var(--lab-mixed)"),
    "solved": ("all right", "frac_solved", "var(--lab-solved)"),
    "hopeless": ("all wrong", "frac_hopeless", "var(--lab-hopeless)"),
    "truncated": ("all cut off", "frac_truncated", "var(--lab-truncated)"),
    "identical": ("same text", "frac_identical", "var(--lab-identical)"),
    "failed": ("not scored", "frac_failed", "var(--lab-failed)"),
    "other": ("all equal", "frac_other_dead", "var(--lab-other)"),
}
FUNCTION_COLOURS = tuple(f"var(--lab-f{place})" for place in range(5))  # by place in the config, as on Groups
CLIP = "clip_ratio/region_mean"
MAX_LOGGED = 8  # small charts of what rewards logged
LOGGED_LOOK = "What reward functions gave to log_metric: the mean over each step. What it means, their author knows."
PHASES = {"time/rollout": "blue", "time/reward": "orange", "time/update": "green"}
SEQUENTIAL = [[i / 5, f"var(--lab-seq-{i})"] for i in range(6)]
DIVERGING = [[i / 4, f"var(--lab-{name})"] for i, name in enumerate(("neg", "neg-soft", "zero", "pos-soft", "pos"))]


@dataclass(frozen=True)
class Chart:
    """A titled chart for live_plot.py. Without a figure, `sentence` stands in its place. `height` in pixels."""

    key: str
    title: str
    look_for: str
    figure: Figure | None
    height: int = 290
    wide: bool = False
    sentence: str = ""


def reward_fan(metrics: pd.DataFrame, quantiles: NDArray[np.float64], functions: pd.DataFrame,
               weights: Mapping[str, float], window: int = 1) -> Chart:  # fmt: skip
    """Total reward over steps: 10–90 and 25–75 % bands, median, mean, and the mean of each reward function.

    quantiles [steps, 5] for analysis.distribution.QUANTILES, pooled over `window` steps; functions: a column of
    unweighted means per function; weights: 0 marks a monitor, which is dashed.
    """
    steps = metrics["step"]
    traces = [
        *band(steps, quantiles[:, 0], quantiles[:, 4], "10–90 %", "var(--lab-band-outer)"),
        *band(steps, quantiles[:, 1], quantiles[:, 3], "25–75 %", "var(--lab-band-inner)"),
        line(steps, quantiles[:, 2], "median", "var(--lab-blue)", width=1.5),
    ]
    places = {name: place for place, name in enumerate(weights)}
    for name in functions_apart(functions, weights):
        label, dash = function_look(name, weights)
        colour = FUNCTION_COLOURS[places.get(name, 0) % len(FUNCTION_COLOURS)]
        smooth = trailing_mean(functions[name], window)
        traces.append(line(steps, smooth, label, colour, width=1.2, dash=dash))
    traces.append(line(steps, trailing_mean(metrics["reward"], window), "mean", "var(--lab-text)", width=2))
    pooled = f" Each point covers {window} steps." if window > 1 else ""
    parts = " Mean: every sampled group; bands and median: those trained on." if num_discarded(metrics) else ""
    look_for = METRICS["reward"].look_for + pooled + parts
    return _chart("reward-fan", "Reward over steps", look_for, figure_of(traces, "step", "reward"))


def reward_heatmap(
    steps: ArrayLike, shares: NDArray[np.float64], bins: RewardBins, *, discarded: bool = False
) -> Chart:
    """Share of completions, as colour, by step and reward. shares [steps, bins], rows adding up to 1.

    discarded: some groups were, and are not in the shares.
    """
    thin, x = average_runs(shares, MAX_COLUMNS), run_starts(steps, MAX_COLUMNS)
    highest = float(np.nanmax(thin)) if np.isfinite(thin).any() else 1.0
    rows = np.arange(len(bins.centres)) if bins.levels else bins.centres
    trace = {
        "type": "heatmap", "x": x, "y": rows, "z": thin.T,
        "customdata": [[[plot_text(label), span] for span in _spans(x, steps)] for label in bins.labels],
        "colorscale": SEQUENTIAL, "zmin": 0, "zmax": min(1.0, np.ceil(highest * 10) / 10), "hoverongaps": False,
        "colorbar": {
            "title": {"text": "share of completions", "side": "right", "font": {"size": 11}}, "tickformat": ".0%",
            "thickness": 10, "outlinewidth": 0, "tickfont": {"size": 11},
        },
        "hovertemplate": "%{customdata[1]}<br>reward %{customdata[0]}<br>%{z:.0%} of completions<extra></extra>",
    }  # fmt: skip
    figure = figure_of([trace], "step", "total reward")
    if bins.levels:
        figure["layout"]["yaxis"] |= {"tickvals": rows, "ticktext": bins.labels}
    figure["layout"]["hovermode"] = "closest"
    term = TERMS["reward_share"]
    parts = " Without discarded groups." if discarded else ""
    return _chart("reward-heatmap", term.label, f"{term.look_for}{parts} Click a column to go to its step.", figure)


def group_kinds(metrics: pd.DataFrame) -> Chart:
    """Share of groups with signal, and of those without by reason, stacked to 100 %."""
    # An import does not know what is right, so that no step of it has a share of some kinds.
    known = [look for look in GROUP_KINDS.values() if look[1] and metrics[look[1]].notna().any()]
    dead = metrics[[column for _, column, _ in known]].to_numpy(dtype=np.float64)
    shares = np.column_stack([1 - dead.sum(axis=1), dead]) if known else np.full((len(metrics), 1), np.nan)
    looks = [(word, colour) for word, _, colour in (GROUP_KINDS["mixed"], *known)]
    figure = figure_of(stack(metrics["step"], shares, looks, "%{y:.0%}"), "step", "share of groups")
    figure["layout"]["yaxis"] |= {"range": [0, 1], "tickformat": ".0%"}
    look_for = METRICS["frac_reward_zero_std"].look_for
    if discarded := num_discarded(metrics):
        look_for += f" Over all sampled groups; dynamic sampling discarded {discarded:,} of them so far."
    return _chart("group-kinds", "Groups with and without signal", look_for, figure)


def num_discarded(metrics: pd.DataFrame) -> int:
    """How many groups dynamic sampling discarded in these steps."""
    return int(metrics["sampling/discarded"].sum())


def reward_spread(metrics: pd.DataFrame, window: int = 1) -> Chart:
    """The spread of rewards within groups, which trains, and between prompts, which does not."""
    looks = {"reward_within_std": "var(--lab-blue)", "reward_between_std": "var(--lab-orange)"}
    traces = [
        line(metrics["step"], trailing_mean(metrics[key], window), METRICS[key].label, colour, width=1.6)
        for key, colour in looks.items()
    ]
    look_for = " ".join(f"{METRICS[key].label}: {METRICS[key].look_for}" for key in looks)
    figure = figure_of(traces, "step", "standard deviation")
    figure["layout"]["yaxis"] |= {"rangemode": "tozero"}
    return _chart("reward-spread", "Spread of the rewards", look_for, figure)


def advantage_strip(completions: pd.DataFrame, step: int, reach: float) -> Chart:
    """Every advantage of one step: a column of points per group, groups ordered by mean reward.

    completions: columns group_index, completion_index, total, advantage. reach: the |advantage| of full colour.
    """
    means = completions.groupby("group_index")["total"].mean().fillna(-np.inf).sort_values(kind="stable")
    place = dict(zip(means.index, range(1, len(means) + 1), strict=True))
    shown = _sampled(completions, 2 * MAX_POINTS)
    x = shown["group_index"].map(place).to_numpy(dtype=np.float64) + _dodge(shown)
    advantage = shown["advantage"].to_numpy(dtype=np.float64)
    trace = {
        "type": "scatter", "mode": "markers", "x": x, "y": advantage, "customdata": _customdata(shown, step),
        "marker": {
            "size": 8, "symbol": np.where(advantage < 0, "circle-open", "circle").tolist(), "color": advantage,
            "cmin": -reach, "cmax": reach, "colorscale": DIVERGING, "line": {"width": np.where(advantage < 0, 2, 0)},
        },
        "hovertemplate": "group %{customdata[0]}, completion %{customdata[1]}<br>reward %{customdata[2]:.3f}"
        "<br>advantage %{y:+.3f}<extra></extra>",
    }  # fmt: skip
    figure = figure_of([trace], "groups, from lowest to highest mean reward", "advantage")
    figure["layout"] |= {"hovermode": "closest", "showlegend": False}
    figure["layout"]["yaxis"] |= {"zeroline": True, "zerolinecolor": "var(--lab-muted)", "zerolinewidth": 1}
    look_for = f"{TERMS['advantage'].look_for} Filled: above the group's mean; open: below. Click a point to open it."
    title = f"Advantages of step {step:,}" if step else "Advantages of a step"
    return _chart("advantages", title, look_for, figure)


def curves_of(config: RunConfig) -> list[str]:
    """The small charts of a run: those of every run, and what its settings change from step to step."""
    loss, optim = config.loss, config.optim
    rate_changes = optim.warmup_steps > 0 or optim.lr_scheduler_type != "constant"
    return [
        "kl",
        "entropy",
        *(["entropy_coef"] if loss.use_adaptive_entropy else []),
        _of_the_ratio(loss),
        *(["off_policy_masked"] if loss.off_policy_mask_threshold is not None else []),
        "completions/mean_length",
        *(["sampling/rounds"] if config.rollout.dynamic_sampling else []),
        "grad_norm",
        *(["learning_rate"] if rate_changes else []),
    ]


def training_curves(metrics: pd.DataFrame, config: RunConfig, window: int = 1) -> Chart:
    """KL, entropy, clipped tokens (or what this loss has instead), length, gradient norm and more, on one step axis.

    With a window above 1 the values are faint and their mean over the last `window` steps is drawn over them.
    """
    keys = curves_of(config)
    absent = _absent_curves(metrics, keys, config.loss)
    shown = [key for key in keys if key not in absent]
    sentence = " ".join(absent.values())
    title = "Policy and optimizer"
    look_for = " ".join(f"{METRICS[key].label}: {METRICS[key].look_for}" for key in shown)
    if not shown:
        return Chart("curves", title, "", None, wide=True, sentence=sentence if len(metrics) else NO_STEP)
    headings = [_heading(METRICS[key].label, METRICS[key].unit) for key in shown]
    lines = [raw_and_smooth(metrics["step"], metrics[key], METRICS[key].label, window) for key in shown]
    figure = _stacked(lines, headings)
    return Chart("curves", title, look_for, figure, _height(len(shown)), wide=True, sentence=sentence)


def logged_curves(steps: pd.Series, logged: pd.DataFrame, window: int = 1) -> Chart:
    """What reward functions gave to log_metric, a small chart for each name: a column of `logged`, at least one."""
    shown = list(logged)[:MAX_LOGGED]
    more = len(logged.columns) - len(shown)
    sentence = f"{more} more: the page Compare draws any of them." if more else ""
    lines = [raw_and_smooth(steps, logged[name], plot_text(name), window) for name in shown]
    figure = _stacked(lines, [_heading(plot_text(name), "") for name in shown])
    return Chart("logged", "Logged by rewards", LOGGED_LOOK, figure, _height(len(shown)), wide=True, sentence=sentence)


def _height(count: int) -> int:
    return 115 * count + 45


def _stacked(lines: Sequence[Sequence[Trace]], headings: Sequence[dict[str, Any]]) -> Figure:
    """Small charts below each other on one step axis, each with its heading."""
    axes = ["y", *(f"y{place}" for place in range(2, len(lines) + 1))]
    figure = figure_of(
        [trace | {"yaxis": axis} for one, axis in zip(lines, axes, strict=True) for trace in one], "step", ""
    )
    figure["layout"] |= {"showlegend": False, "hoversubplots": "axis", "annotations": []}
    figure["layout"]["xaxis"]["anchor"] = axes[-1]
    room = max(0.055, 0.2 / len(lines))  # for the heading: of a few charts it takes a larger share
    for place, (heading, axis) in enumerate(zip(headings, axes, strict=True)):
        top, bottom = 1 - place / len(lines), 1 - (place + 1) / len(lines)
        figure["layout"][f"yaxis{axis[1:]}"] = AXIS | {"domain": [bottom + 0.015, top - room], "nticks": 4}
        figure["layout"]["annotations"].append(heading | {"y": top})
    return figure


def phase_times(metrics: pd.DataFrame, evaluations: pd.DataFrame) -> Chart:
    """Seconds per step by phase, with the evaluation after it, stacked; steps are averaged when there are many.

    evaluations: columns step, seconds.
    """
    looks = [(METRICS[key].label, f"var(--lab-soft-{colour})") for key, colour in PHASES.items()]
    looks.append((TERMS["eval/seconds"].label, "var(--lab-soft-purple)"))
    after = metrics["step"].map(dict(zip(evaluations["step"], evaluations["seconds"], strict=True))).fillna(0.0)
    if len(metrics) and not metrics[list(PHASES)].notna().any(axis=None):
        return Chart("phase-times", "Time per step", "", None, sentence="The time of each phase was not recorded.")
    seconds = np.column_stack([metrics[list(PHASES)], after]).astype(np.float64)
    figure = figure_of(stack(metrics["step"], seconds, looks, "%{y:.2f} s"), "step", "seconds per step")
    keys = ("time/rollout", "time/reward")
    look_for = " ".join(f"{METRICS[key].label}: {METRICS[key].look_for}" for key in keys)
    return _chart("phase-times", "Time per step", look_for, figure)


def sparkline(steps: ArrayLike, values: ArrayLike) -> list[str]:
    """The points "x,y" of a bare line in a box 100 wide and 30 high, y downwards; none below two values."""
    x, y = keep_extremes(steps, values, SPARK_POINTS)
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    if len(y) < 2:
        return []
    spread = float(y.max() - y.min())
    across = 100 * (x - x[0]) / (x[-1] - x[0])
    down = np.full_like(y, 15) if spread == 0 else 28 - 26 * (y - y.min()) / spread
    return [f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True)]


def _chart(key: str, title: str, look_for: str, figure: Figure) -> Chart:
    if any(len(trace["x"]) for trace in figure["data"]):
        return Chart(key, title, look_for, figure)
    return Chart(key, title, look_for, None, sentence=NO_STEP)


def _spans(starts: NDArray[np.float64], steps: ArrayLike) -> list[str]:
    """What each column of a heat map covers: "step 7" or "steps 7–9"."""
    ends = np.append(starts[1:] - 1, np.asarray(steps, dtype=np.float64)[-1:])
    return [f"step {a:.0f}" if a == b else f"steps {a:.0f}–{b:.0f}" for a, b in zip(starts, ends, strict=True)]


def _heading(label: str, unit: str) -> dict[str, Any]:
    """The name and unit of one of the small charts, at its upper left."""
    return {
        "text": f"<b>{label}</b>{f' ({unit})' if unit else ''}", "x": 0, "xref": "paper", "xanchor": "left",
        "yref": "paper", "yanchor": "top", "showarrow": False, "font": {"size": 11, "color": "var(--lab-muted)"},
    }  # fmt: skip


def functions_apart(functions: pd.DataFrame, weights: Mapping[str, float]) -> list[str]:
    """The functions worth a line of their own: a single trained one with weight 1 is the total reward itself."""
    trained = [name for name in functions if weights.get(name, 0) != 0]
    same_as_total = len(trained) == 1 and weights[trained[0]] == 1
    return [name for name in functions if not (same_as_total and name == trained[0])]


def function_look(name: str, weights: Mapping[str, float]) -> tuple[str, str]:
    """Name in the legend and dash of a reward function's line: monitors are dashed."""
    if weights.get(name, 0) == 0:
        return f"{plot_text(name)} (monitor)", "dash"
    return f"{plot_text(name)} (× {weights[name]:g})", "solid"


def _of_the_ratio(loss: LossConfig) -> str:
    """What a loss type does with a ratio that is far from 1: clipped tokens, or what it has in their place."""
    if loss.loss_type in CLIPPED:
        return CLIP
    return {"cispo": "cispo_clip_ratio", "vespo": "vespo/phi_seq_mean"}.get(loss.loss_type, "ratio/mean")


def _absent_curves(metrics: pd.DataFrame, keys: Sequence[str], loss: LossConfig) -> dict[str, str]:
    """Sentences for the curves that this run does not have."""
    absent = {key: f"{METRICS[key].label}: not measured so far." for key in keys if not metrics[key].notna().any()}
    if CLIP in keys and updates_per_batch(loss) == 1 and not (metrics[CLIP] > 0).any():
        absent[CLIP] = f"{METRICS[CLIP].label}: {METRICS[CLIP].look_for.split(';')[0]}."
    return absent


def _sampled(frame: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Evenly spaced rows, with the rows of lowest and highest advantage among them."""
    if len(frame) <= limit:
        return frame
    places = set(np.linspace(0, len(frame) - 1, limit - 2).astype(int).tolist())
    places |= {int(frame["advantage"].to_numpy().argmin()), int(frame["advantage"].to_numpy().argmax())}
    return frame.iloc[sorted(places)]


def _dodge(completions: pd.DataFrame) -> NDArray[np.float64]:
    """Shifts within ±0.36 that put completions of a group with equal advantages side by side."""
    alike = completions.groupby(["group_index", completions["advantage"].round(3)])["advantage"]
    place, count = alike.cumcount().to_numpy(), alike.transform("size").to_numpy()
    shifts: NDArray[np.float64] = (place - (count - 1) / 2) * np.minimum(0.09, 0.72 / np.maximum(count, 1))
    return shifts


def _customdata(completions: pd.DataFrame, step: int) -> NDArray[np.float64]:
    """[points, 4]: group and completion as pages count them, total reward, and the step: a click may come late."""
    columns = (completions["group_index"] + 1, completions["completion_index"] + 1, completions["total"])
    values = [column.to_numpy(dtype=np.float64) for column in columns]
    return np.column_stack([*values, np.full(len(completions), float(step))])
