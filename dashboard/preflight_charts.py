"""The charts of a pre-flight: how often each prompt is answered right, and which share of groups carries no signal."""

from collections.abc import Sequence

from dashboard.charts import Chart
from dashboard.plot_parts import Trace, figure_of, plot_text
from engine.analysis.forecast import STEPS_AHEAD, Forecast, Interval, pass_posterior
from engine.preflight.result import PromptResult

HEIGHT = 230
RATES_LOOK_FOR = (
    "Prompts between 0 and 100 % teach most: their groups hold right and wrong answers. Bars are 95 % intervals; they "
    "narrow with larger groups."
)
FORECAST_LOOK_FOR = (
    f"Points: the share of groups without signal to expect of the model as it is. Bars: 95 % intervals for the first "
    f"{STEPS_AHEAD} steps, in which it learns; measured, they held 75 times in 80. Larger groups cost in proportion; "
    "beyond the sampled size the forecast leans on how these prompts differ."
)


def pass_rates(prompts: Sequence[PromptResult]) -> Chart:
    """The pass rate of each prompt with the posterior interval, lowest first."""
    decided = sorted(
        (prompt for prompt in prompts if prompt.right is not None),
        key=lambda prompt: (prompt.right or 0) / max(prompt.tried, 1),
    )
    title = "Pass rate of each prompt"
    if not decided:
        sentence = "No reward decides what is right, so prompts have no pass rate."
        return Chart("preflight-rates", title, RATES_LOOK_FOR, None, HEIGHT, wide=True, sentence=sentence)
    posterior = [pass_posterior(prompt.right or 0, prompt.tried) for prompt in decided]
    values = [(prompt.right or 0) / max(prompt.tried, 1) for prompt in decided]
    trace = _points(list(range(1, len(decided) + 1)), values, posterior, "pass rate", "var(--lab-blue)", 7)
    trace["customdata"] = [
        f"{plot_text(prompt.prompt)}<br>{prompt.right} of {prompt.tried} right ({at.low:.0%}–{at.high:.0%})"
        for prompt, at in zip(decided, posterior, strict=True)
    ]
    trace["hovertemplate"] = "%{customdata}<extra></extra>"
    figure = figure_of([trace], "prompts, hardest first", "share right")
    figure["layout"]["yaxis"] |= {"range": [-0.03, 1.03], "tickformat": ".0%"}
    figure["layout"]["hovermode"] = "closest"
    return Chart("preflight-rates", title, RATES_LOOK_FOR, figure, HEIGHT, wide=True)


def dead_forecast(forecast: Forecast | None, group_size: int) -> Chart:
    """The forecast for each group size; the chosen size is a diamond of its own colour."""
    title = "Groups without signal, by group size"
    if forecast is None:
        sentence = "No prompt has two scored completions, so nothing can be foreseen."
        return Chart("preflight-dead", title, FORECAST_LOOK_FOR, None, HEIGHT, wide=True, sentence=sentence)
    sizes = list(forecast.shares)
    traces = []
    for chosen, name, colour in (
        (False, "other group sizes", "var(--lab-blue)"), (True, f"chosen: G = {group_size}", "var(--lab-orange)"),
    ):  # fmt: skip
        shown = [size for size in sizes if (size == group_size) == chosen]
        shares = [forecast.shares[size] for size in shown]
        trace = _points([sizes.index(size) for size in shown], [s.value for s in shares], shares, name, colour, 9)
        trace["marker"]["symbol"] = "diamond" if chosen else "circle"
        trace["customdata"] = [
            f"G = {size}: {share.value:.0%} ({share.low:.0%}–{share.high:.0%})"
            for size, share in zip(shown, shares, strict=True)
        ]
        trace["hovertemplate"] = "%{customdata}<extra></extra>"
        traces.append(trace)
    figure = figure_of(traces, "completions per prompt, G", "share of groups")
    ticks = {"tickvals": list(range(len(sizes))), "ticktext": [str(size) for size in sizes]}
    figure["layout"]["xaxis"] |= ticks | {"range": [-0.5, len(sizes) - 0.5]}
    figure["layout"]["yaxis"] |= {"range": [-0.03, 1.03], "tickformat": ".0%"}
    figure["layout"]["hovermode"] = "closest"
    return Chart("preflight-dead", title, FORECAST_LOOK_FOR, figure, HEIGHT, wide=True)


def _points(
    x: Sequence[float], y: Sequence[float], intervals: Sequence[Interval], name: str, colour: str, size: int
) -> Trace:
    """Markers with their intervals as bars."""
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": list(x), "y": list(y),
        "marker": {"color": colour, "size": size},
        "error_y": {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 4, "color": colour,
            "array": [at.high - value for at, value in zip(intervals, y, strict=True)],
            "arrayminus": [value - at.low for at, value in zip(intervals, y, strict=True)],
        },
    }  # fmt: skip
