"""What-if: the shown group, and the whole run, under other settings, computed again from what is stored."""

from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import state
from dashboard.live_plot import Kpi, kpi_row, live_charts
from dashboard.text import as_label
from dashboard.views.form_model import Control, from_widget, to_widget
from dashboard.views.form_sections import CONTROL
from dashboard.views.shown_group import ShownGroup
from dashboard.views.what_if_state import WhatIfState
from dashboard.views.what_if_table import GroupChange, Pair, what_if_table
from dashboard.views.what_if_words import (
    direction,
    epsilon_words,
    group_size_words,
    group_words,
    late_words,
    share_change,
    weight_words,
)  # fmt: skip
from dashboard.what_if import what_if_run
from dashboard.what_if_charts import dead_course, push_chart
from dashboard.wording import number, percent
from engine.analysis.late_weights import LateWeights, late_weights
from engine.analysis.what_if import DRAWS, Settings, judge, stored_steps
from engine.analysis.what_if_run import Summary, push_by_length, summary
from engine.config import RunConfig
from engine.config_loss import LossConfig, updates_per_batch
from engine.errors import ConfigError
from engine.glossary import METRICS
from engine.runs.imported import is_imported, read_imported
from engine.runs.scores import read_scores

WEIGHT_WIDTH, FIELD_WIDTH = 210, 150  # pixels; narrower ones cut labels
SHORT_WORDS = {"sum_then_normalize": "sum, then compare", "normalize_then_sum": "compare, then sum (GDPO)"}
FLIP_HELP = "Of the advantages that are not 0 before and after: how many change from push up to push down, or back."
NO_RULE = (
    "How TRL made these advantages from the rewards is not known, so nobody can say what other settings would give."
)
NO_LENGTHS = "TRL does not record how many tokens a completion has, so weights per token are not known."
BEST_HELP = "Of the groups with signal before and after: in how many another completion has the highest total."


def what_if_panel(shown: ShownGroup) -> None:
    """Controls, what they change in this group, and what they change in the run."""
    imported = read_imported(shown.paths)
    if imported is not None and not imported.exact:
        st.caption(NO_RULE)
        return
    tried = WhatIfState(shown.paths, shown.config)
    st.caption(
        "Change a setting and see what this group, and the run, would have taught. All is computed again from stored "
        "rewards; the completions stay those that were sampled."
    )
    _reward_controls(tried)
    _loss_controls(tried)
    try:
        after = tried.after()
    except ConfigError as error:
        for problem in error.problems:
            st.error(as_label(str(problem), 500), icon=":material/error:")
        _buttons(tried, None, can_start=imported is None)
        return
    is_known = imported is None or imported.has_settings  # else nobody knows how many updates a batch had
    if is_known and (note := epsilon_words(after.loss)):
        st.caption(note)
    _buttons(tried, after, can_start=imported is None)
    _group(shown, after)
    _run(shown, after)


def _reward_controls(tried: WhatIfState) -> None:
    """The weight of each reward function, with its half and nothing of it one click away."""
    grid = st.grid("auto", min_column_width=WEIGHT_WIDTH, gap="small")
    for index, spec in enumerate(tried.config.rewards):
        path = f"rewards[{index}].weight"
        with grid.cell(), st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
            monitor = " (at first)" if spec.final_weight is not None else "" if spec.weight else " (monitor)"
            st.number_input(
                f"{as_label(spec.name)} ×{monitor}", -100.0, 100.0, float(tried.value(path)), 0.1, format="%g",
                key=tried.key(path), on_change=tried.take(path),
                help="Its share in the total reward. 0: recorded, but not trained on.",
            )  # fmt: skip
            _reward_buttons(tried, path)


def _reward_buttons(tried: WhatIfState, path: str) -> None:
    weight = float(tried.value(path))
    st.button(
        "½", key=tried.name(f"{path}.half"), disabled=weight == 0, help="Halve this weight.",
        on_click=tried.put, args=(path, weight / 2),
    )  # fmt: skip
    if weight:
        st.button("0", key=tried.name(f"{path}.drop"), help="Drop this reward.", on_click=tried.put, args=(path, 0.0))
    else:
        own = float(tried.own(path)) or 1.0
        st.button(
            f"{own:g}", key=tried.name(f"{path}.use"), help="Train on this reward.", on_click=tried.put,
            args=(path, own),
        )  # fmt: skip


def _loss_controls(tried: WhatIfState) -> None:
    """The settings of the loss and the group size. What does not apply is disabled, and says without what."""
    grid = st.grid("auto", min_column_width=FIELD_WIDTH, gap="small")
    for path in ("loss.loss_type", "loss.scale_rewards", "loss.multi_objective_aggregation", "loss.baseline"):
        control = CONTROL[path]
        with grid.cell():
            st.selectbox(
                control.label, control.choices, control.choices.index(tried.value(path)),
                format_func=partial(_word, control), key=tried.key(path), on_change=tried.take(path),
                help=control.help, disabled=not tried.applies(path),
            )  # fmt: skip
    with grid.cell():
        _group_size(tried)
    for path in ("loss.epsilon", "loss.epsilon_high"):
        control = CONTROL[path]
        with grid.cell():
            st.text_input(
                control.label, to_widget(control, tried.value(path)), placeholder=control.empty or None,
                key=tried.key(path), on_change=tried.take(path, partial(from_widget, control)), help=control.help,
                disabled=not tried.applies(path),
            )  # fmt: skip
    if not tried.applies("loss.scale_rewards"):
        st.caption("Compare each, then sum (GDPO) divides by the spreads itself, so “Scale rewards” does not matter.")


def _word(control: Control, choice: str) -> str:
    """What a choice is called where there is little room."""
    return SHORT_WORDS.get(choice) or (choice if control.path == "loss.loss_type" else control.word(choice))


def _group_size(tried: WhatIfState) -> None:
    path, own = "rollout.num_generations", tried.config.rollout.num_generations
    st.number_input(
        CONTROL[path].label, 2, own, int(tried.value(path)), 1, key=tried.key(path), on_change=tried.take(path),
        disabled=own == 2, help=f"Fewer of the {own} completions that are stored. More were never sampled.",
    )  # fmt: skip


def _buttons(tried: WhatIfState, after: RunConfig | None, *, can_start: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Reset", key=tried.name("reset"), icon=":material/restart_alt:", on_click=tried.reset,
            disabled=not tried.changes,
        )  # fmt: skip
        if not can_start:
            return
        # A link, and no button: a change of page from within a fragment that ticks may leave the new page empty.
        st.page_link(
            state.NEW_RUN_PAGE, label="Start a run with these settings", icon=":material/rocket_launch:",
            disabled=after is None, help="Opens the form for a new run: this run cloned, with these changes.",
            query_params={} if after is None else tried.in_url(after),
        )  # fmt: skip


def _group(shown: ShownGroup, after: RunConfig) -> None:
    """What changes in this group."""
    before = Settings.of(shown.config)
    stored = next(stored_steps(read_scores(shown.reader, [shown.step]), before.names))
    is_trained = bool(stored.trained[shown.index])
    old, new = judge(stored, before), judge(stored.with_trained(shown.index), Settings.of(after))
    change = GroupChange.of(old, new, shown.index, stored.group_size)
    st.html(group_words(change, old.live[shown.index], new.live[shown.index], is_trained))
    st.html(what_if_table(shown.completions["text"].tolist(), change))
    several = updates_per_batch(shown.config.loss) > 1 and not any(stored.steps)
    if is_trained and several and (words := _late(shown, change.advantages, after.loss)):
        st.caption(words)
    if words := group_size_words(Settings.of(after).group_size, stored.group_size):
        st.caption(words)
    st.caption(NO_LENGTHS if is_imported(shown.paths) else weight_words(after.loss, stepwise=any(stored.steps)))


def _late(shown: ShownGroup, advantages: Pair, after: LossConfig) -> str:
    """The last of several updates under both settings. advantages [G], in the order of sampling."""
    with shown.reader.snapshot() as moment:
        tokens = [moment.tokens(shown.step, shown.index, place) for place in range(len(advantages.before))]

    def weights(values: NDArray[np.float64], loss: LossConfig) -> LateWeights:
        samples = (
            (found.update_logprobs, found.logprobs, float(value))
            for found, value in zip(tokens, values, strict=True)
            if found is not None and found.update_logprobs is not None and found.logprobs is not None
        )
        return late_weights(samples, loss)

    return late_words(weights(advantages.before, shown.config.loss), weights(advantages.after, after), after)


def _run(shown: ShownGroup, after: RunConfig) -> None:
    """What changes in the run."""
    before, tried = Settings.of(shown.config), Settings.of(after)
    per_step = shown.config.rollout.prompts_per_step * shown.config.rollout.num_generations
    sample, changes = what_if_run(shown.paths).changes(before, tried, per_step)
    recorded = f"; completions of {len(changes):,} of them were recorded" if len(changes) < len(sample.steps) else ""
    st.markdown(f"**The whole run**, over {sample.words}{recorded if is_imported(shown.paths) else ''}")
    kpi_row(_kpis(summary(changes)), key="what_if_kpis")
    drawn = [dead_course(changes)]
    if not is_imported(shown.paths):
        drawn.append(push_chart(push_by_length(changes)))
    live_charts(drawn, key="what_if_charts", on_click=lambda _: None)
    if tried.group_size < before.group_size:
        st.caption(
            f"Groups of {tried.group_size}: the share without signal is that of all smaller groups which can be drawn "
            f"from the stored ones (counted; where rewards or steps are compared by themselves, among {DRAWS} drawn "
            "from each). Signs and pushes are those of the first completions."
        )
    if shown.config.rollout.dynamic_sampling:
        st.caption(
            "Groups without signal are counted among all that were sampled. Which ones dynamic sampling would have "
            "kept instead is not known: signs and pushes are of the groups that the run trained on."
        )


def _kpis(found: Summary) -> list[Kpi]:
    metric = METRICS["frac_reward_zero_std"]
    change, tone = share_change(found.dead_before, found.dead_after)
    return [
        Kpi(
            "dead", metric.label, percent(found.dead_after), change, tone, f"{percent(found.dead_before)} before",
            f"{metric.help} {metric.look_for}",
        ),
        Kpi("flips", "Changed signs", percent(found.flipped), note="of advantages", help=FLIP_HELP),
        Kpi("best", "Another best", percent(found.new_best), note="of groups with signal", help=BEST_HELP),
        Kpi(
            "push", "Sum of all pushes", f"× {number(found.push, 2)}", note=direction(found.push),
            help="The sum of the sizes of all weights per token, as a multiple of that before. AdamW evens out a "
            "common factor; but beside a stronger push the KL penalty weighs less, and gradients are clipped sooner.",
        ),
    ]  # fmt: skip
