"""What the Run page draws of a run: its key numbers and its charts, as plain objects for live_plot.py. No Streamlit."""

import math
import re
from collections.abc import Callable

import pandas as pd

from dashboard import charts
from dashboard.charts import Chart
from dashboard.held_out_charts import held_out, held_out_rewards, newest_undecided
from dashboard.live_plot import Kpi, Tone
from dashboard.live_run import Course
from dashboard.views.group_rows import advantage_reach
from dashboard.wording import number, percent, plural, signed
from engine.analysis.gains import measure_value, measure_words
from engine.config import RunConfig
from engine.config_loss import has_scaled_advantages
from engine.config_rewards import largest_weights
from engine.glossary import METRICS, TERMS, Metric
from engine.runs.best import Best

RECENT = 10  # steps that a KPI averages: one step's groups are few
DEAD_SHARES = {"frac_solved": "all right", "frac_hopeless": "all wrong"}


def run_kpis(config: RunConfig, course: Course) -> list[Kpi]:
    """Reward, held-out pass@1, KL, entropy, dead groups and length: the mean of the newest steps, and their course."""
    return [
        metric_kpi(course.metrics, "reward", number),
        _held_out_kpi(course),
        metric_kpi(course.metrics, "kl", lambda value: number(value, 4)) if _has(course, "kl") else _no_kl(),
        metric_kpi(course.metrics, "entropy", number),
        _dead_kpi(course),
        metric_kpi(course.metrics, "completions/mean_length", lambda value: number(value, 1)),
    ]


def run_charts(config: RunConfig, course: Course, step: int, completions: pd.DataFrame) -> list[Chart]:
    """The charts of a run; `completions` are those that the shown step trained on."""
    weights = largest_weights(config.rewards)
    reach = advantage_reach(completions["advantage"], scaled=has_scaled_advantages(config.loss))
    return [
        charts.reward_fan(course.metrics, course.quantiles, course.functions, weights, course.window),
        charts.reward_heatmap(
            course.metrics["step"], course.shares, course.bins, discarded=charts.num_discarded(course.metrics) > 0
        ),
        charts.group_kinds(course.metrics),
        charts.advantage_strip(completions, step, reach),
        held_out(course.evaluations, course.best),
        held_out_rewards(course.evaluations, weights, course.best),
        charts.reward_spread(course.metrics, course.window),
        charts.phase_times(course.metrics, course.evaluations),
        charts.training_curves(course.metrics, config, course.window),
        *_logged(course),
    ]  # fmt: skip


def _logged(course: Course) -> list[Chart]:
    """Only where a reward logs something: most do not."""
    if not len(course.logged.columns):
        return []
    return [charts.logged_curves(course.metrics["step"], course.logged, course.window)]


def metric_kpi(
    metrics: pd.DataFrame, key: str, shown: Callable[[float], str], changed: Callable[[float], str] | None = None
) -> Kpi:
    metric, values = METRICS[key], metrics[key]
    now, earlier = _recent_and_before(values)
    change = now - earlier
    size = "" if math.isnan(change) else (changed or shown)(abs(change))
    arrow = _arrow(change) if re.search("[1-9]", size) else "="  # "▲ 0" would be two statements
    tone = _tone(metric, change) if arrow != "=" and abs(change) > _chance(values) else ""
    return Kpi(
        key=key, label=metric.label, value=shown(now), note=_what_it_is(metric, values), help=_help(metric),
        change=f"{arrow} {size}" if size else "", tone=tone, points=_spark(metrics["step"], values),
    )  # fmt: skip


def _what_it_is(metric: Metric, values: pd.Series) -> str:
    """Unit, and over how many of the newest steps the value is a mean."""
    count = int(values.tail(RECENT).notna().sum())
    return " · ".join(filter(None, (metric.unit, f"mean of {count} steps" if count > 1 else "")))


def _dead_kpi(course: Course) -> Kpi:
    kpi = metric_kpi(
        course.metrics, "frac_reward_zero_std", percent, lambda change: plural(round(100 * change), "point")
    )
    shares = {words: course.metrics[key].tail(RECENT).mean() for key, words in DEAD_SHARES.items()}
    known = [f"{percent(share)} {words}" for words, share in shares.items() if not math.isnan(share)]
    note = ", ".join(known) or ("no reward decides what is right" if len(course.metrics) else "")
    return Kpi(kpi.key, kpi.label, kpi.value, kpi.change, kpi.tone, note, kpi.help, kpi.points)


def _held_out_kpi(course: Course) -> Kpi:
    term = TERMS["eval/pass_at_1"]
    known = course.evaluations[course.evaluations["pass_at_1"].notna()]
    key, label = "eval/pass_at_1", term.label
    if known.empty:
        note = "no reward decides" if not newest_undecided(course.evaluations) else "no completion could be scored"
        note = "not evaluated yet" if course.evaluations.empty else note
        return Kpi(key, label, number(None), note=note, help=_help(term))
    before, now = (float(known["pass_at_1"].iloc[place]) for place in (0, -1))
    first = int(known["step"].iloc[0])
    change, note = "", "before training" if first == 0 else f"at step {first:,}"
    if len(known) > 1:
        change = f"{signed(100 * (now - before), 0)} points"
        note = f"{percent(before)} {'before training' if first == 0 else f'at step {first}'}"
    points = _spark(known["step"], known["pass_at_1"])
    help_text = " ".join(
        filter(None, (_help(term), _evaluated(known.iloc[-1], course.best), newest_undecided(course.evaluations)))
    )
    return Kpi(key, label, percent(now), change, _tone(term, now - before), note, help_text, points)


def _evaluated(evaluation: pd.Series, best: Best | None) -> str:
    """The newest evaluation in words, with its interval, and which checkpoint is the best."""
    found, n = evaluation["metrics"]["pass_at_1"], int(evaluation["num_generations"])
    each = f" with {n} completions each" if n > 1 else ""
    words = f"Step {evaluation['step']:,}: 95 % interval {percent(found.low)} to {percent(found.high)}, from "
    words += f"{plural(int(evaluation['num_prompts']), 'prompt')}{each}."
    if best is not None:
        value = measure_value(best.metric, best.value)
        words += f" Best checkpoint: step {best.step:,}, {measure_words(best.metric)} {value}."
    return words


def _no_kl() -> Kpi:
    return Kpi("kl", METRICS["kl"].label, number(None), note="not measured yet", help=_help(METRICS["kl"]))


def _recent_and_before(values: pd.Series) -> tuple[float, float]:
    """Means of the newest RECENT values, and of as many before them; NaN where there are none."""
    return float(values.tail(RECENT).mean()), float(values.iloc[:-RECENT].tail(RECENT).mean())


def _chance(values: pd.Series) -> float:
    """Two standard errors of the difference of those means: what two stretches of an unchanged run may differ by."""
    now, before = values.tail(RECENT), values.iloc[:-RECENT].tail(RECENT)
    return 2 * math.sqrt(now.var() / max(now.count(), 1) + before.var() / max(before.count(), 1))


def _spark(steps: pd.Series, values: pd.Series) -> tuple[str, ...]:
    return tuple(charts.sparkline(steps, values))


def _tone(metric: Metric, change: float) -> Tone:
    if math.isnan(change) or change == 0 or not metric.better:
        return ""
    return "good" if (change > 0) == (metric.better == "up") else "bad"


def _arrow(change: float) -> str:
    return "▲" if change > 0 else "▼" if change < 0 else "="


def _has(course: Course, key: str) -> bool:
    return bool(course.metrics[key].notna().any())


def _help(metric: Metric) -> str:
    text = f"{metric.help} {metric.look_for}"
    if metric.key not in METRICS:
        return text
    return (
        f"{text} Shown: mean of the newest {RECENT} steps; the arrow compares with the {RECENT} before them, "
        "in colour when the difference is more than chance."
    )
