"""Held-out evaluations of runs as a table with intervals, and the differences between runs, tested."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import streamlit as st

from dashboard import state
from dashboard.text import as_html, as_label
from dashboard.views.compare_runs import ComparedRun, line_html
from dashboard.wording import plural
from engine.analysis.difference import Difference, difference, holm, prompt_values
from engine.analysis.evaluation import UNDECIDED, Estimate, undecided_words
from engine.analysis.gains import measure_words
from engine.errors import StoreError
from engine.glossary import TERMS
from engine.runs.best import read_best
from engine.runs.reader import RunReader

MOMENTS = {"last": "last evaluation", "best": "best evaluation", "first": "first evaluation"}
MEASURE_KEY, MOMENT_KEY = "compare_measure", "compare_moment"
MEASURE, MOMENT = "measure", "moment"  # in the URL
SIGNIFICANT = 0.05
NOT_THERE = "not measured"


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of a run: the step, its metrics, and how many prompts with how many completions each."""

    step: int
    metrics: Mapping[str, Estimate]
    num_prompts: int
    num_generations: int


@dataclass(frozen=True)
class RunEvaluations:
    """The first, the best and the last evaluation of a run; all None when there is none."""

    run: ComparedRun
    first: Evaluated | None
    best: Evaluated | None
    last: Evaluated | None

    def at(self, moment: str) -> Evaluated | None:
        return {"first": self.first, "best": self.best, "last": self.last}[moment]


def evaluations_view(runs: Sequence[ComparedRun]) -> None:
    """The table of all measures, and the tested differences of one of them."""
    found = [read_evaluations(run) for run in runs]
    measures = measures_of(found)
    if not measures:
        st.info("None of these runs has finished an evaluation so far.", icon=":material/hourglass_top:")
        return
    st.html(table_html(found, measures))
    st.caption(
        "Best: by pass@1, or by reward where nothing decides what is right. "
        f"In brackets the {TERMS['eval/interval'].label}. {TERMS['eval/interval'].look_for}"
    )
    if sentences := undecided_sentences(found):
        st.caption(" ".join(sentences))
    measure, moment = shown_measure(measures), shown_moment()
    st.subheader(f"Differences in {measure_words(measure)}, {MOMENTS[moment]}", anchor=False)
    pairs = differences(found, measure, moment)
    for sentence in difference_words(found, pairs, measure, moment):
        st.markdown(f"- {sentence}")
    st.caption(method_words([d for _, _, d in pairs if d is not None], moment))


def evaluation_choices(runs: Sequence[ComparedRun]) -> None:
    """Which measure is tested, and at which evaluation."""
    measures = measures_of([read_evaluations(run) for run in runs])
    if not measures:
        return
    left, right = st.columns(2)
    st.session_state[MEASURE_KEY], st.session_state[MOMENT_KEY] = shown_measure(measures), shown_moment()

    def choose() -> None:
        state.set_in_url(**{MEASURE: st.session_state[MEASURE_KEY], MOMENT: st.session_state[MOMENT_KEY]})

    with left:
        st.segmented_control(
            "Test the difference in", measures, key=MEASURE_KEY, required=True, on_change=choose,
            format_func=lambda key: as_label(measure_words(key)),
        )  # fmt: skip
    with right:
        st.segmented_control(
            "at the", list(MOMENTS), key=MOMENT_KEY, required=True, on_change=choose, format_func=MOMENTS.__getitem__
        )


def shown_measure(measures: Sequence[str]) -> str:
    asked = st.query_params.get(MEASURE, "")
    return asked if asked in measures else measures[0]


def shown_moment() -> str:
    asked = st.query_params.get(MOMENT, "")
    return asked if asked in MOMENTS else "last"


def read_evaluations(run: ComparedRun) -> RunEvaluations:
    """The first, best and last one. Best: the one whose checkpoint is kept for its score, else the highest pass@1, or
    reward where nothing decides; of equal ones the first.
    """
    frame = run.reader.evaluations()
    every = [
        Evaluated(int(row.step), row.metrics, int(row.num_prompts), int(row.num_generations))
        for row in frame.itertuples()
    ]
    if not every:
        return RunEvaluations(run, None, None, None)
    kept = read_best(run.paths.checkpoints)
    best = next((one for one in every if kept is not None and one.step == kept.step), None)
    return RunEvaluations(run, every[0], best or max(every, key=_score), every[-1])


def _score(one: Evaluated) -> float:
    found = one.metrics.get("pass_at_1") or one.metrics.get("reward")
    return -math.inf if found is None or math.isnan(found.value) else found.value


def measures_of(found: Sequence[RunEvaluations]) -> list[str]:
    """What any of the runs has measured last: pass@1, pass@k, majority@k, reward. Single functions are left out."""
    shown = (key for run in found if run.last for key in run.last.metrics)
    keys = dict.fromkeys(key for key in shown if key != UNDECIDED and not key.startswith("rewards/"))
    order = {"pass": 0, "majority": 1, "reward": 2}
    return sorted(keys, key=lambda key: (order.get(key.partition("_")[0], 3), len(key), key))


def undecided_sentences(found: Sequence[RunEvaluations]) -> list[str]:
    """For each run and each of its shown evaluations how many completions are left out, as Markdown, where any are."""
    sentences = []
    for run in found:
        shown = {one.step: one for one in (run.first, run.best, run.last) if one is not None}
        for step, one in sorted(shown.items()):
            if words := undecided_words(one.metrics, one.num_prompts, one.num_generations):
                sentences.append(f"**{as_label(run.run.look.label, 80)}**, {_when(step)}: {words}")
    return sentences


def table_html(found: Sequence[RunEvaluations], measures: Sequence[str]) -> str:
    """A block per measure, a row per run: before, best and last."""
    rows = "".join(_block(found, key) for key in measures)
    heads = "".join(
        f'<th scope="col">{head}</th>' for head in ("Run", "First evaluation", "At the best evaluation", "Last")
    )
    return (
        f'<div class="lab-scroll"><table class="lab-table lab-compare" aria-label="Evaluations of the runs">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _block(found: Sequence[RunEvaluations], key: str) -> str:
    head = f'<tr data-head><td colspan="4">{as_html(measure_words(key))}</td></tr>'
    rows = "".join(
        f"<tr><td>{line_html(one.run.look)} {as_html(one.run.look.label)}</td>"
        f"<td>{_cell(one.first, key)}</td><td>{_cell(one.best, key)}</td><td>{_cell(one.last, key)}</td></tr>"
        for one in found
    )
    return head + rows


def _cell(one: Evaluated | None, key: str) -> str:
    if one is None or key not in one.metrics or math.isnan(one.metrics[key].value):
        return f'<span class="lab-muted">{NOT_THERE}</span>'
    estimate = one.metrics[key]
    interval = "" if math.isnan(estimate.low) else f" ({_value(key, estimate.low)} to {_value(key, estimate.high)})"
    return f'<b>{_value(key, estimate.value)}</b>{interval}<div class="lab-small">{_when(one.step)}</div>'


def _when(step: int) -> str:
    return "before training" if step == 0 else f"step {step:,}"


def _value(key: str, value: float) -> str:
    """Shares as per cent with a decimal, rewards with three."""
    return f"{value:.3f}".replace("-", "−") if key == "reward" else f"{100 * value:.1f} %"


Pair = tuple[int, int, Difference | None]


def differences(found: Sequence[RunEvaluations], key: str, moment: str) -> list[Pair]:
    """Every pair of runs (places in `found`), with the difference of a measure between their evaluations."""
    values = [_prompt_values(one, key, moment) for one in found]
    pairs: list[Pair] = []
    for a, b in combinations(range(len(found)), 2):
        of_a, of_b = (_estimate(found[place], key, moment) for place in (a, b))
        shares = key != "reward"
        pairs.append((a, b, _tested(values[a], values[b], of_a, of_b, shares)))
    return pairs


@st.cache_data(max_entries=256, show_spinner=False)
def _tested(
    a: Mapping[str, float], b: Mapping[str, float], of_a: Estimate, of_b: Estimate, shares: bool
) -> Difference | None:
    return difference(a, b, of_a, of_b, shares=shares)


def _estimate(one: RunEvaluations, key: str, moment: str) -> Estimate:
    evaluated = one.at(moment)
    unknown = Estimate(math.nan)
    return unknown if evaluated is None else evaluated.metrics.get(key, unknown)


def _prompt_values(one: RunEvaluations, key: str, moment: str) -> dict[str, float]:
    evaluated = one.at(moment)
    if evaluated is None:
        return {}
    return _stored_values(str(one.run.paths.db), evaluated.step, evaluated.num_generations, key)


def _stored_values(db: str, step: int, num_generations: int, key: str) -> dict[str, float]:
    details = RunReader(Path(db)).evaluation_details(step)
    try:
        return {} if details is None else prompt_values(details[0], num_generations, key)
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{db}: {error}.", hint="The evaluation is damaged and cannot be compared.") from error


def difference_words(
    found: Sequence[RunEvaluations], pairs: Sequence[Pair], key: str, moment: str
) -> list[str]:  # fmt: skip
    """A sentence per pair, as Markdown: how far apart, the interval, over what, and whether that may be chance."""
    known = [d for _, _, d in pairs if d is not None]
    adjusted = iter(holm([d.p for d in known]))
    names = [as_label(one.run.look.label, 80) for one in found]
    return [
        f"**{names[a]}** and **{names[b]}**: {measure_words(key)} was not measured in both."
        if d is None
        else _sentence(names[a], names[b], d, key, next(adjusted), len(known))
        for a, b, d in pairs
    ]


def _sentence(a: str, b: str, d: Difference, key: str, adjusted: float, num_tests: int) -> str:
    if d.value < 0:  # the better one first
        a, b = b, a
        d = Difference(-d.value, -d.high, -d.low, d.p, d.num_other, d.paired, d.num_prompts, d.exact)
    unit = "" if key == "reward" else " points"
    how_far = f"is {_points(key, d.value)}{unit} above" if d.value > 0 else "is exactly as good as"
    interval = "" if math.isnan(d.low) else f" ({_points(key, d.low)} to {_points(key, d.high)})"
    if d.paired:
        over = f"paired over {plural(d.num_prompts, 'prompt')}"
    else:
        over = f"**not paired**, since they were asked different prompts ({d.num_prompts:,} and {d.num_other:,})"
    chance = f"p {_p(d.p)}"
    if num_tests > 1:
        chance += f", {_p(adjusted)} after Holm for {num_tests} comparisons"
    verdict = "more than chance" if adjusted < SIGNIFICANT else "this may be chance"
    return f"**{a}** {how_far} **{b}**{interval}, {over}, {chance}: {verdict}."


def _points(key: str, value: float) -> str:
    text = f"{value:.3f}" if key == "reward" else f"{100 * value:.1f}"
    return text.replace("-", "−")


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def method_words(known: Sequence[Difference], moment: str) -> str:
    """How it was tested, and what it does not say."""
    if not known:
        return ""
    words = ["In brackets the 95 % interval of the difference; p decides."]
    if any(d.paired for d in known):
        words.append(
            "Paired: each prompt's values are compared with each other (sign-flip test; for shares the interval of "
            "Agresti and Min 2005, else Student's t)."
        )
    if any(not d.paired for d in known):
        words.append("Not paired: permutation test, and Newcombe's interval from those of the two runs.")
    if len(known) > 1:
        words.append(
            "Several pairs are tested, so p is given after Holm's correction, too; intervals are not adjusted."
        )
    if moment == "best":
        words.append("The best evaluation was chosen by these same prompts, so it looks a little better than it is.")
    words.append("All of this is about these two policies; another seed of the same settings may differ by more.")
    return " ".join(words)
