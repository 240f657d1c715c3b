"""What a pre-flight found, as the New-run page shows it: advice, charts, costs, rewards, and the groups themselves."""

from typing import Final

import streamlit as st

from dashboard.live_plot import live_charts
from dashboard.preflight_charts import dead_forecast, pass_rates
from dashboard.state import GROUPS_PAGE, RUN, STEP, go
from dashboard.text import as_html, as_label, visible
from dashboard.views.form_state import FormState, collect
from dashboard.views.group_rows import Pick, advantage_reach, group_row_list, group_rows
from dashboard.views.step_groups import counts_in_words
from dashboard.wording import MISSING, duration, number, percent, plural, size
from engine.config_loss import has_scaled_advantages
from engine.errors import ConfigError
from engine.preflight.advice import Advice, advise
from engine.preflight.result import Costs, Phase, Preflight
from engine.runs.paths import RunPaths, read_config
from engine.runs.reader import RunReader

GROUPS_HEIGHT: Final = 420
STEP_SHOWN: Final = 1  # a pre-flight is stored as the only step of a run
PHASES: Final[dict[Phase, str]] = {"rollout": "sampling", "reward": "scoring", "update": "update"}
PEAKS: Final[dict[Phase, str]] = {"loading": "loading", "rollout": "sampling and scoring", "update": "update"}
NBSP: Final = "&nbsp;"
TABLE: Final = "border-spacing:.75rem .15rem;margin-left:-.75rem"
NUMBER_CELL = "<td class='lab-num' style='text-align:right'>"


def draw_result(form: FormState, paths: RunPaths, result: Preflight) -> None:
    draw_advice(form, advise(result))
    st.caption(
        f"{plural(len(result.prompts), 'prompt')} × {result.group_size} completions of the model before training. "
        "A look ahead, and not a run: nothing was trained."
    )
    live_charts(
        [dead_forecast(result.forecast, result.group_size), pass_rates(result.prompts)],
        key="preflight_charts", on_click=lambda _: None,
    )  # fmt: skip
    st.html(facts_table(result))
    st.html(rewards_table(result))
    draw_reasons(result)
    draw_groups(paths, result)


def draw_advice(form: FormState, advice: Advice) -> None:
    if advice.rule == "ready":
        st.success(as_label(advice.sentence, 1000), icon=":material/check:")
        return
    st.warning(as_label(advice.sentence, 1000), icon=":material/lightbulb:")
    if advice.group_size is not None:
        st.button(
            f"Use G = {advice.group_size}", key="new_run.preflight_use", icon=":material/auto_fix_high:",
            on_click=use_group_size, args=(form, advice.group_size),
        )  # fmt: skip


def use_group_size(form: FormState, group_size: int) -> None:
    collect(form)
    try:
        form.change({"rollout.num_generations": group_size})
    except ConfigError as error:
        form.failure = str(error)


def facts_table(result: Preflight) -> str:
    """Right, cut off, seconds and memory, as HTML."""
    rows = [("Right", *_right(result)), ("Cut off", *_cut_off(result)), ("A step", *_step(result.costs, result))]
    rows.append(("Memory", *_memory(result.costs)))
    lines = "".join(
        f"<tr><td>{as_html(name)}</td>{NUMBER_CELL}<b>{as_html(value).replace(' ', NBSP)}</b></td>"
        f"<td class='lab-muted'>{as_html(more)}</td></tr>"
        for name, value, more in rows
    )
    return f"<table style='{TABLE}'>{lines}</table>"


def _right(result: Preflight) -> tuple[str, str]:
    if result.pass_reward is None:
        return MISSING, "no reward decides"
    return percent(result.pass_rate), f"of {result.completions:,} completions, by {result.pass_reward}"


def _cut_off(result: Preflight) -> tuple[str, str]:
    counts = f"{result.truncated:,} of {result.completions:,} at {plural(result.limit, 'token')}"
    return percent(result.truncated / result.completions), f"{counts}; {number(result.mean_length, 1)} on average"


def _step(costs: Costs, result: Preflight) -> tuple[str, str]:
    phases = ", ".join(f"{word} {seconds(costs.seconds[phase])}" for phase, word in PHASES.items())
    is_whole = costs.measured_prompts == result.prompts_per_step
    scaled = "" if is_whole else f", scaled from {plural(costs.measured_prompts, 'prompt')}"
    return seconds(costs.step_seconds), phases + scaled


def _memory(costs: Costs) -> tuple[str, str]:
    peaks = ", ".join(f"{word} {size(costs.memory[phase])}" for phase, word in PEAKS.items() if phase in costs.memory)
    where = "" if costs.device == "cpu" else f", on {costs.device}"
    return size(costs.peak_bytes), f"{peaks}{where}; evaluations not measured"


def seconds(value: float) -> str:
    """0.31 s, 12 s, 3:05 from a minute on."""
    return duration(value) if value >= 60 else f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def rewards_table(result: Preflight) -> str:
    """Mean and missing values of each reward, as HTML."""
    lines = "".join(
        f"<tr><td>{as_html(reward.name)}{' (monitor)' if reward.weight == 0 else f' × {reward.weight:g}'}</td>"
        f"{NUMBER_CELL}{number(reward.mean)}</td>"
        f"{NUMBER_CELL}{_missing(reward.missing, result.completions)}</td></tr>"
        for reward in result.rewards
    )
    head = "<tr class='lab-muted'><td>Reward</td><td style='text-align:right'>mean</td><td>missing</td></tr>"
    return f"<table style='{TABLE}'>{head}{lines}</table>"


def _missing(count: int, completions: int) -> str:
    return "none" if count == 0 else f"{count:,} of {completions:,}"


def draw_reasons(result: Preflight) -> None:
    """Why values are missing."""
    for reward in result.rewards:
        for reason, count in reward.reasons:
            st.text(visible(f"{reward.name}, {count:,} times missing: {reason[:300]}"))


def draw_groups(paths: RunPaths, result: Preflight) -> None:
    """The groups as the inspector lists them; a click opens one there."""
    reader, config = RunReader(paths.db), read_config(paths)
    groups, completions = reader.groups(STEP_SHOWN), reader.completions(STEP_SHOWN)
    if groups.empty:
        return
    st.caption(f"{counts_in_words(groups['kind'], 0)} A click opens a group.")
    reach = advantage_reach(completions["advantage"], scaled=has_scaled_advantages(config.loss))
    order = groups.sort_values("mean", kind="stable")
    with st.container(height=GROUPS_HEIGHT, border=False):
        group_rows(
            group_row_list(order, completions, reach), key="preflight_groups", step=STEP_SHOWN,
            on_pick=lambda pick: _open(paths, pick),
        )  # fmt: skip
    st.page_link(
        GROUPS_PAGE, label="Open the groups in the inspector", icon=":material/grid_view:",
        query_params={RUN: paths.run_id, STEP: str(STEP_SHOWN)},
    )  # fmt: skip


def _open(paths: RunPaths, pick: Pick) -> None:
    go(GROUPS_PAGE, run=paths.run_id, step=pick.step, group=pick.group)
