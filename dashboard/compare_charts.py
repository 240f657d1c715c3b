"""The charts that lay several runs over each other: any metric, raw and smoothed, and reward over KL. Pure.

A run has the same colour on every page and in every company: it follows from the run's id. Where two runs of a picture
share a colour, the later one is dashed. Lines are smoothed before they are thinned, or a spike would pull the mean.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dashboard.charts import LOGGED_LOOK, Chart
from dashboard.plot_parts import FEW, Figure, Trace, figure_of, line, plot_text
from engine.analysis.downsample import keep_extremes
from engine.analysis.logged import LOGGED
from engine.analysis.smoothing import debiased_ema
from engine.glossary import METRICS, TERMS

NUM_COLOURS = 8  # --lab-run-0 … in lab.css
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
DASH_WORDS = ("", "dashed", "dotted", "dash-dotted", "long-dashed", "long dash-dotted")
FAINT = 0.3
WAY_POINTS = 400  # per line of reward over KL, which goes back and forth: browsers are slow at long dashed lines
SAME_NAME_ID = 9  # characters of the id that tell runs of one name apart: the end, with seconds and random digits

AXES = {  # what the x axis counts: its title, and what it means
    "step": ("step", ""),
    "tokens": ("completion tokens sampled so far", "Tokens: what was sampled, the larger part of the cost."),
    "time": ("minutes of work", "Time: minutes that an engine worked on the run; pauses between two do not count."),
}
HELD_OUT = {"eval/pass_at_1": "pass_at_1", "eval/reward": "reward"}  # evaluations, which have few points
FUNCTION = "rewards/"  # rewards/<name>/mean: TRL's name for the mean of a reward function
_FUNCTION_LOOK = "Before its weight. One that rises while another, or held-out pass@1, falls is being gamed."

Values = NDArray[np.float64]


@dataclass(frozen=True)
class RunLook:
    """How a run is drawn and what it is called. `dash`: a place in DASHES."""

    label: str
    colour: str
    dash: int = 0

    @property
    def legend(self) -> str:
        """Where it is too long, its middle is left out: runs of one name differ in the end."""
        label = self.label
        return plot_text(label if len(label) <= 40 else f"{label[:25]}…{label[-14:]}")


@dataclass(frozen=True)
class Series:
    """One metric of one run. x, y [N], x never falling. `fork`: where on x it left its parent; `low`, `high`: its 95 %
    interval, for evaluations, which are drawn as points and not smoothed.
    """

    look: RunLook
    x: Values
    y: Values
    fork: float | None = None
    fork_words: str = ""
    low: Values | None = None
    high: Values | None = None


@dataclass(frozen=True)
class Path:
    """Reward over KL of one run, by step: arrays [N]; `monitors`: the functions that are not trained on."""

    look: RunLook
    steps: Values
    kl: Values
    reward: Values
    monitors: dict[str, Values]


def colour_of(run_id: str) -> int:
    """The place of a run's colour among NUM_COLOURS: the same wherever and whenever the run is shown."""
    digest = hashlib.blake2b(run_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % NUM_COLOURS


def looks(runs: Sequence[tuple[str, str]]) -> list[RunLook]:
    """The looks of runs (id, name) that are shown together. Names that are the same get the end of the id.

    Of runs with one colour, such as a fork and its parent by chance, the first by id keeps it; others are dashed and
    take colours that are free, while there are any.
    """
    names = [name for _, name in runs]
    own = {run_id: colour_of(run_id) for run_id, _ in runs}
    free = [colour for colour in range(NUM_COLOURS) if colour not in own.values()]
    used: dict[int, int] = {}
    found = {}
    for run_id in sorted(own):  # whatever the order of the choice
        dash = used.get(own[run_id], 0)
        used[own[run_id]] = dash + 1
        colour = free.pop(0) if dash and free else own[run_id]
        found[run_id] = (f"var(--lab-run-{colour})", dash % len(DASHES))
    return [
        RunLook(name if names.count(name) == 1 else f"{name} …{run_id[-SAME_NAME_ID:]}", *found[run_id])
        for run_id, name in runs
    ]


def metric_words(key: str) -> tuple[str, str, str]:
    """Label, unit and what to look for, of a metric, of a held-out one, or of the mean of a reward function."""
    if key.startswith(FUNCTION):
        return f"Mean of {key.removeprefix(FUNCTION).removesuffix('/mean')}", "", _FUNCTION_LOOK
    if key.startswith(LOGGED):
        return key.removeprefix(LOGGED), "", LOGGED_LOOK
    metric = METRICS[key] if key in METRICS else TERMS[key]
    return metric.label, metric.unit, metric.look_for


def overlay(key: str, series: Sequence[Series], x: str, weight: float) -> Chart:
    """One metric of several runs on one axis. x: of AXES; weight: of debiased_ema, 0 draws the raw line alone."""
    label, unit, look_for = metric_words(key)
    title = label + (f" ({unit})" if unit and unit != "share" else "")
    measured = [one for one in series if np.isfinite(one.y).any()]
    absent = [one.look.label for one in series if not np.isfinite(one.y).any()]
    chart_key = f"compare-{key}"
    if not measured:
        return Chart(chart_key, title, look_for, None, sentence="Not measured in these runs so far.")
    smooths = weight > 0 and any(one.low is None and one.y.size > 1 for one in measured)
    traces = [trace for one in measured for trace in _lines(one, weight)]
    figure = figure_of(traces, AXES[x][0], "share" if unit == "share" else "")
    if x == "time":
        figure["layout"]["xaxis"] |= {"tickformat": ",~g"}
    if unit == "share":
        figure["layout"]["yaxis"] |= {"tickformat": ".0%"}
    _mark_forks(figure, measured)
    notes = [look_for, AXES[x][1], "Faint: as measured; strong: smoothed." if smooths else ""]
    if any(one.fork is not None for one in measured):
        notes.append("Upright line: where a fork left its parent.")
    if absent:
        notes.append(f"Not measured in {', '.join(f'“{label}”' for label in absent)}.")
    return Chart(chart_key, title, " ".join(filter(None, notes)), figure, height=320)


def _lines(one: Series, weight: float) -> list[Trace]:
    """The raw line, faint below its smoothed one when it is smoothed; an evaluation as points with intervals."""
    colour, dash, name = one.look.colour, DASHES[one.look.dash], one.look.legend
    if one.low is not None and one.high is not None:
        return [_evaluated(one, one.low, one.high)]
    if weight <= 0 or one.y.size < 2:
        return [line(one.x, one.y, name, colour, dash=dash) | {"legendgroup": name}]
    raw = line(one.x, one.y, name, colour, width=1) | {
        "mode": "lines", "opacity": FAINT, "showlegend": False, "hoverinfo": "skip", "legendgroup": name,
    }  # fmt: skip
    raw.pop("hovertemplate")
    smooth = line(one.x, debiased_ema(one.y, weight), name, colour, width=2, dash=dash)
    return [raw, smooth | {"legendgroup": name}]


def _evaluated(one: Series, low: Values, high: Values) -> Trace:
    trace = line(one.x, one.y, one.look.legend, one.look.colour, width=1.8, dash=DASHES[one.look.dash])
    trace |= {"legendgroup": one.look.legend}
    if one.y.size <= FEW:
        trace["error_y"] = {
            "type": "data", "symmetric": False, "array": high - one.y, "arrayminus": one.y - low, "thickness": 1,
            "width": 3, "color": one.look.colour,
        }  # fmt: skip
    return trace


def _mark_forks(figure: Figure, series: Sequence[Series]) -> None:
    """An upright line in the fork's colour where it left its parent, with the words above it."""
    shapes, notes = [], []
    for one in series:
        if one.fork is None:
            continue
        look = {"color": one.look.colour, "width": 1.2, "dash": "dot"}
        shapes.append({"type": "line", "x0": one.fork, "x1": one.fork, "y0": 0, "y1": 1, "yref": "paper", "line": look})
        notes.append(
            {
                "text": plot_text(one.fork_words), "x": one.fork, "y": 1, "yref": "paper", "xanchor": "left",
                "yanchor": "top", "showarrow": False, "font": {"size": 11, "color": one.look.colour},
            }
        )  # fmt: skip
    figure["layout"] |= {"shapes": shapes, "annotations": notes}


def reward_over_kl(paths: Sequence[Path], weight: float) -> Chart:
    """Mean trained reward of each run over its KL from the reference, solid, with its monitors dashed, smoothed.

    Monitors have an axis of their own on the right, since their scales differ. Gao et al. 2022, arXiv:2210.10760.
    """
    title = "Reward over KL"
    walked = [path for path in paths if (np.isfinite(path.kl) & np.isfinite(path.reward)).any()]
    look_for = (
        "A run starts at KL 0, a fork where its parent was, and training moves to the right: reward that costs little "
        "KL is well earned. A trained reward (thick) that goes on rising while a monitor (thin and dashed, right axis) "
        "falls as KL grows is over-optimisation (Gao et al., arXiv:2210.10760). Open circle: beginning; filled: now."
    )
    without = [f"“{path.look.label}”" for path in paths if path.kl.size and not np.isfinite(path.kl).any()]
    absent = f"{', '.join(without)}: no path, since KL is not measured without a reference (β = 0)." if without else ""
    if not walked:
        sentence = absent or "No step is finished yet."
        return Chart("reward-kl", title, look_for, None, wide=True, sentence=sentence)
    traces = [trace for path in walked for trace in _path_lines(path, weight)]
    figure = figure_of(traces, "KL to reference (nats/token)", "mean total reward")
    figure["layout"]["xaxis"] |= {"tickformat": "~g"}
    figure["layout"]["xaxis"].pop("dtick", None)
    figure["layout"] |= {"hovermode": "closest"}
    if any(path.monitors for path in walked):
        figure["layout"]["margin"] = figure["layout"]["margin"] | {"r": 56}
        figure["layout"]["yaxis2"] = figure["layout"]["yaxis"] | {
            "overlaying": "y", "side": "right", "showgrid": False, "tickmode": "auto",
            "title": figure["layout"]["yaxis"]["title"] | {"text": "mean of a monitor (thin)"},
        }  # fmt: skip
    return Chart("reward-kl", title, look_for, figure, height=430, wide=True, sentence=absent)


def _path_lines(path: Path, weight: float) -> list[Trace]:
    kl = debiased_ema(path.kl, weight)
    name = path.look.legend
    traces = _way(path.steps, kl, debiased_ema(path.reward, weight), name, path.look, DASHES[path.look.dash], name)
    for place, (monitor, values) in enumerate(path.monitors.items()):
        dash = DASHES[1 + (place + path.look.dash) % (len(DASHES) - 1)]
        label = f"{name}: {plot_text(monitor)} (monitor)"
        for trace in _way(path.steps, kl, debiased_ema(values, weight), label, path.look, dash, name, 1.3):
            traces.append(trace | {"yaxis": "y2"})
    return traces


def _way(
    steps: Values, kl: Values, values: Values, name: str, look: RunLook, dash: str, group: str, width: float = 2.4
) -> list[Trace]:  # fmt: skip
    """A line by step, not by KL, which may go back and forth, and a mark at either end."""
    known = np.isfinite(kl) & np.isfinite(values)
    if not known.any():
        return []
    steps, kl, values = steps[known], kl[known], values[known]
    shown = np.searchsorted(steps, keep_extremes(steps, values, WAY_POINTS)[0])
    whole = {
        "type": "scatter", "mode": "lines", "name": name, "legendgroup": group, "x": kl[shown], "y": values[shown],
        "customdata": steps[shown], "line": {"color": look.colour, "width": width, "dash": dash},
        "hovertemplate": "%{fullData.name}<br>step %{customdata:,d}<br>KL %{x:.3~g}<br>%{y:.3~g}<extra></extra>",
    }  # fmt: skip
    ends = {
        "type": "scatter", "mode": "markers", "name": name, "legendgroup": group, "showlegend": False,
        "x": kl[[0, -1]], "y": values[[0, -1]], "customdata": steps[[0, -1]], "hovertemplate": whole["hovertemplate"],
        "marker": {"size": 9, "color": look.colour, "symbol": ["circle-open", "circle"], "line": {"width": 2}},
    }  # fmt: skip
    return [whole, ends]


def at_steps(steps: ArrayLike, x: Values, wanted: ArrayLike, start: float) -> Values:
    """Where on the x axis these steps lie; before the first stored one at `start`. steps, x [N], ascending."""
    known = np.isfinite(x)
    stored = np.asarray(steps, dtype=np.float64)[known]
    if not stored.size:
        return np.full(np.shape(wanted), start)
    places = np.asarray(wanted, dtype=np.float64)
    found: Values = np.interp(places, np.append(stored[0] - 1, stored), np.append(start, x[known]))
    return found
