"""The charts of held-out evaluations: shares of right answers, and mean rewards, with their 95 % intervals. Pure."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.charts import FUNCTION_COLOURS, Chart, function_look, functions_apart
from dashboard.plot_parts import FEW, Trace, band, figure_of, line
from engine.analysis.evaluation import metric_course, undecided_words
from engine.analysis.gains import measure_words
from engine.glossary import TERMS
from engine.runs.best import Best

LOOKS = (("var(--lab-blue)", "solid"), ("var(--lab-green)", "dot"), ("var(--lab-purple)", "dot"))  # pass@1 first


def held_out(evaluations: pd.DataFrame, best: Best | None = None) -> Chart:
    """Pass@1 on held-out prompts by step with its 95 % interval, beside pass@k and majority@k when they are measured.

    evaluations: columns step, num_prompts, num_generations, metrics. The value before training and the best checkpoint
    are marked.
    """
    term = TERMS["eval/pass_at_1"]
    curves = {key: metric_course(evaluations["metrics"], key) for key in _held_out_keys(evaluations)}
    steps = evaluations["step"].to_numpy(dtype=np.float64)
    main = curves.get("pass_at_1", np.empty((0, 3)))
    if not np.isfinite(main).any():
        return Chart("held-out", term.label, term.look_for, None, sentence=why_no_shares(evaluations))
    traces = band(steps, main[:, 1], main[:, 2], "95 % interval", "var(--lab-band-outer)")
    for (key, course), (colour, dash) in zip(curves.items(), LOOKS, strict=False):
        traces.append(_with_interval(steps, course, measure_words(key), colour, dash=dash))
    traces += _marks(steps, main, curves.get(best.metric, main) if best else main, best)
    figure = figure_of(traces, "step", "share right")
    figure["layout"]["yaxis"] |= {"range": [0, 1.02], "tickformat": ".0%"}
    words = [term.look_for, *_words(curves), _asked(evaluations), newest_undecided(evaluations)]
    return Chart("held-out", term.label, " ".join(filter(None, words)), figure)


def held_out_rewards(evaluations: pd.DataFrame, weights: Mapping[str, float], best: Best | None = None) -> Chart:
    """Mean total reward and mean of each reward function on held-out prompts by step, with 95 % intervals as bars."""
    term = TERMS["eval/reward"]
    steps = evaluations["step"].to_numpy(dtype=np.float64)
    total = metric_course(evaluations["metrics"], "reward")
    functions = {name: metric_course(evaluations["metrics"], f"rewards/{name}/mean") for name in weights}
    means = pd.DataFrame({name: course[:, 0] for name, course in functions.items() if np.isfinite(course[:, 0]).any()})
    traces = []
    for index, name in enumerate(functions_apart(means, weights)):
        label, dash = function_look(name, weights)
        colour = FUNCTION_COLOURS[index % len(FUNCTION_COLOURS)]
        traces.append(_with_interval(steps, functions[name], label, colour, dash=dash, bars=True))
    traces.append(_with_interval(steps, total, "total reward", "var(--lab-text)", bars=True))
    if best is not None and best.metric == "reward":
        traces += _marks(steps, total, total, best)[1:]
    if not np.isfinite(total).any():
        return Chart("held-out-rewards", term.label, term.look_for, None, sentence="No evaluation is finished yet.")
    look_for = f"{term.look_for} {TERMS['eval/rewards/<name>/mean'].look_for}"
    return Chart("held-out-rewards", term.label, look_for, figure_of(traces, "step", "mean reward"))


def newest_undecided(evaluations: pd.DataFrame) -> str:
    """How many completions of the newest evaluation are left out, as a sentence; "" for none."""
    if evaluations.empty:
        return ""
    newest = evaluations.iloc[-1]
    return undecided_words(newest["metrics"], int(newest["num_prompts"]), int(newest["num_generations"]))


def why_no_shares(evaluations: pd.DataFrame) -> str:
    """Why no evaluation has a pass@1, as a sentence."""
    if evaluations.empty:
        return "No evaluation is finished yet."
    return newest_undecided(evaluations) or "No reward of this run decides right or wrong."


def _held_out_keys(evaluations: pd.DataFrame) -> list[str]:
    """The shares that the chart shows: pass@1, and pass@n and majority@n when the newest evaluation has them."""
    if evaluations.empty:
        return []
    n, measured = evaluations["num_generations"].iloc[-1], evaluations["metrics"].iloc[-1]
    return list(dict.fromkeys(key for key in ("pass_at_1", f"pass_at_{n}", f"majority_at_{n}") if key in measured))


def _words(keys: Iterable[str]) -> list[str]:
    """What to look for in the lines beside pass@1."""
    words = []
    for key in keys:
        term = {"pass": "eval/pass_at_k", "majority": "eval/majority_at_k"}[key.partition("_")[0]]
        if key != "pass_at_1":
            words.append(f"{measure_words(key)}: {TERMS[term].look_for}")
    return words


def _with_interval(
    steps: NDArray[np.float64], course: NDArray[np.float64], name: str, colour: str, *, dash: str = "solid",
    bars: bool = False,
) -> Trace:  # fmt: skip
    """The line of a course [N, 3] of values with their intervals, which hovering shows and `bars` draw."""
    trace = line(steps, course[:, 0], name, colour, width=1.6, dash=dash)
    shown = np.searchsorted(steps, trace["x"])
    value, low, high = course[shown].T
    shares = not bars
    trace["customdata"] = [_interval_words(a, b, shares) for a, b in zip(low, high, strict=True)]
    trace["hovertemplate"] = ("%{y:.1%}" if shares else "%{y:.3f}") + "%{customdata}"
    if bars and shown.size <= FEW:
        trace["error_y"] = {
            "type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low, "thickness": 1,
            "width": 3, "color": colour,
        }  # fmt: skip
    return trace


def _interval_words(low: float, high: float, shares: bool) -> str:
    if math.isnan(low) or math.isnan(high):
        return ""
    return f" ({low:.1%}–{high:.1%})" if shares else f" ({low:.3f} to {high:.3f})"


def _marks(
    steps: NDArray[np.float64], main: NDArray[np.float64], chosen: NDArray[np.float64], best: Best | None
) -> list[Trace]:
    """The value before training, and a star at the best checkpoint on the course that chose it. courses [N, 3]."""
    before = steps == 0
    traces: list[Trace] = [
        {
            "type": "scatter", "mode": "markers", "name": "before training", "x": steps[before], "y": main[before, 0],
            "marker": {"symbol": "diamond", "size": 11, "color": "var(--lab-orange)"}, "hoverinfo": "skip",
        },
    ]  # fmt: skip
    at = steps == best.step if best is not None else np.zeros(len(steps), dtype=bool)
    if best is not None and at.any():
        look = {"color": "var(--lab-gold)", "line": {"color": "var(--lab-text)", "width": 1}}
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": "best checkpoint", "x": steps[at], "y": chosen[at, 0],
                "marker": {"symbol": "star", "size": 15, **look},
                "hovertemplate": f"step {best.step:,}, by {measure_words(best.metric)}",
            }
        )  # fmt: skip
    return traces


def _asked(evaluations: pd.DataFrame) -> str:
    prompts, n = (int(evaluations[name].iloc[-1]) for name in ("num_prompts", "num_generations"))
    each = f" × {n} completions" if n > 1 else ""
    return f"{prompts:,} prompts{each} each time: moves inside the band may be chance."
