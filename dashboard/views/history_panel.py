"""This prompt over time: every step that used it, what the model said then and now, and the same prompt in other runs.

A task with unlimited examples hardly asks a prompt twice. What is asked again and again there is the held-out prompts,
so their answers stand here, too.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.history_charts import held_out_course, prompt_charts
from dashboard.live_plot import Click, live_charts
from dashboard.text import one_line
from dashboard.views.group_rows import distinct_parts
from dashboard.views.row_places import picked_place
from dashboard.views.shown_group import ShownGroup
from dashboard.views.then_now import Occasion, then_and_now
from dashboard.wording import percent, plural
from engine.runs.imported import NOT_RECORDED
from engine.runs.paths import runs_root
from engine.runs.prompt_runs import MOST_RUNS, PromptInRun, prompt_in_other_runs
from engine.runs.prompts import thinned
from engine.runs.reader import RunReader

MOST = 200  # occasions that are drawn and offered
MOST_EVALUATIONS = 30
UNKNOWN_DATA = "The data of this run are not recorded, so it is not known which runs have the same."


def history_panel(shown: ShownGroup) -> None:
    """The course of the shown group's prompt in this run, held-out prompts beside it, and other runs."""
    course = shown.reader.prompt_course(shown.group["prompt_id"])
    here = int(course.index[(course["step"] == shown.step) & (course["group_index"] == shown.index)][0])
    st.caption(course_words(course))
    if len(course) > 1:
        _of_the_run(shown, thinned(course, MOST, keep=here))
    with st.expander(
        "Held-out prompts, asked again at each evaluation", icon=":material/quiz:", expanded=len(course) == 1,
        key=f"history_held_out_{len(course) == 1}", on_change="rerun",
    ) as held_out:  # fmt: skip
        if held_out.open:
            _held_out(shown.reader, shown.step)
    with st.expander(
        "The same prompt in other runs", icon=":material/list:", key="history_runs", on_change="rerun"
    ) as other:
        if other.open:
            _other_runs(shown)


def course_words(course: pd.DataFrame) -> str:
    """How often a prompt was asked, and how it went first and last."""
    steps = course["step"]
    if len(course) == 1:
        return (
            f"This run has asked this prompt once so far, in step {steps.iloc[0]:,}. A prompt that was asked again, "
            "such as a held-out one, shows what has changed."
        )
    first, last = course["pass_rate"].iloc[0], course["pass_rate"].iloc[-1]
    known = first == first and last == last
    right = f": right {percent(first)} of the time at first, {percent(last)} at last" if known else ""
    thin = " The dotted line is the shown step; a click on a point opens its group."
    thin += f" {MOST} of them, evenly spaced, are drawn." if len(course) > MOST else ""
    return f"Asked {plural(len(course), 'time')}, in steps {steps.iloc[0]:,} to {steps.iloc[-1]:,}{right}.{thin}"


def _of_the_run(shown: ShownGroup, course: pd.DataFrame) -> None:
    def go(click: Click) -> None:
        if click.x >= 1 and click.data:
            state.show(int(click.x), int(click.data[0]))

    live_charts(prompt_charts(course, shown.step), key="history_charts", on_click=go)
    asked = Counter(course["step"])
    occasions = [
        Occasion(step, _when(step, group, rate, asked), partial(shown.reader.completions, step, group), group)
        for step, group, rate in zip(course["step"], course["group_index"], course["pass_rate"], strict=True)
    ]
    places = list(zip(course["step"], course["group_index"], strict=True))
    then_and_now(occasions, places.index((shown.step, shown.index)), key="run", prompt=shown.group["prompt_id"])


def _when(step: int, group: int, rate: float, asked: Mapping[int, int]) -> str:
    """The step, its group where it has asked the prompt more than once, and how it went."""
    which = f", group {group + 1}" if asked[step] > 1 else ""
    return f"step {step:,}{which} · {percent(rate)} right"


def _held_out(reader: RunReader, step: int) -> None:
    """The answers to one held-out prompt at the evaluations of the run, as far as they are kept to read."""
    steps = reader.evaluations()[["step", "at"]]
    if steps.empty:
        st.caption("No evaluation is finished yet.")
        return
    drawn = thinned(steps, MOST_EVALUATIONS)
    kept = [
        (evaluated, _samples(str(reader.path), evaluated, at))
        for evaluated, at in zip(drawn["step"].tolist(), drawn["at"].tolist(), strict=True)
    ]
    prompts = list(dict.fromkeys(sample["prompt"] for sample in kept[-1][1]))
    if not prompts:
        st.caption("The evaluations of this run keep no answers to read.")
        return
    parts = distinct_parts(prompts)
    chosen = st.selectbox(
        "Held-out prompt", range(len(prompts)), key="history_prompt",
        format_func=lambda place: f"{place + 1} · {one_line(parts[place], 120)}",
    )  # fmt: skip
    answers = [(at, sample) for at, samples in kept for sample in samples if sample["prompt"] == prompts[chosen]]
    frames = [_answers(sample) for _, sample in answers]
    when = [at for at, _ in answers]
    chart = held_out_course(when, [frame["passed"].mean() for frame in frames])
    live_charts([chart], key="history_held", on_click=lambda _: None)
    if len(answers) < 2:
        st.caption("Asked once so far; the next evaluation asks again.")
        return
    occasions = [
        Occasion(at, ("before training" if at == 0 else f"after step {at:,}"), lambda f=frame: f)  # type: ignore[misc]
        for at, frame in zip(when, frames, strict=True)
    ]
    newest = max(place for place, at in enumerate(when) if at <= step or place == 0)
    name = blake2b(prompts[chosen].encode("utf-8", "replace"), digest_size=8).hexdigest()  # it has no id
    then_and_now(occasions, newest, key="held_out", prompt=name)


@st.cache_resource(max_entries=4 * MOST_EVALUATIONS, show_spinner=False)
def _samples(db: str, step: int, at: float) -> list[dict]:  # type: ignore[type-arg]
    """What an evaluation keeps to read; nobody changes it. at: when it was made, as a replay makes it again."""
    found = RunReader(Path(db)).evaluation_details(step)
    return [] if found is None else found[1]


def _answers(sample: dict) -> pd.DataFrame:  # type: ignore[type-arg]
    """The answers of a sample, with the columns of `completions` that they have."""
    frame = pd.DataFrame(sample["completions"])
    numbers = {name: pd.to_numeric(frame[name], errors="coerce").astype(float) for name in ("total", "passed")}
    return frame.assign(completion_index=range(len(frame)), **numbers)


def _other_runs(shown: ShownGroup) -> None:
    found = prompt_in_other_runs(runs_root(), shown.paths, shown.group["prompt_id"], shown.config.data.source)
    if not found:
        none = f"None of the {MOST_RUNS} newest runs with the same data has asked this prompt."
        st.caption(UNKNOWN_DATA if shown.config.data.source == NOT_RECORDED else none)
        return
    st.caption(f"Among the {MOST_RUNS} newest runs. A row opens the newest group of this prompt there.")
    key = f"history_runs_{shown.paths.run_id}_{shown.step}_{shown.index}"  # a choice is about this group alone
    event = st.dataframe(
        runs_frame(found), hide_index=True, width="stretch", on_select="rerun", key=key,
        selection_mode="single-row", alt="The same prompt in other runs",
    )  # fmt: skip
    newest = [(run.paths.run_id, run.course.iloc[-1]) for run in found]
    places = [(run_id, int(row["step"]), int(row["group_index"])) for run_id, row in newest]
    if place := picked_place(event, places, key=key):
        run_id, step, index = place
        state.show(step, index + 1, run=run_id)
        st.rerun()


def runs_frame(found: list[PromptInRun]) -> pd.DataFrame:
    """A row for each run: its name, when it asked the prompt, and how it went."""
    return pd.DataFrame(
        [
            {
                "run": one_line(run.name, 80),
                "asked": plural(len(run.course), "time"),
                "steps": f"{run.course['step'].iloc[0]:,}–{run.course['step'].iloc[-1]:,}",
                "right": percent(run.course["pass_rate"].mean()),
                "right, newest": percent(run.course["pass_rate"].iloc[-1]),
                "mean reward": round(float(run.course["mean"].mean()), 3),
                "folder": run.paths.run_id,
            }
            for run in found
        ]
    )
