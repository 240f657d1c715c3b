"""What each run answered to the same prompt at the same step, beside each other; and to held-out prompts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.text import as_html, as_label, one_line
from dashboard.views.box import text_box
from dashboard.views.compare_runs import ComparedRun, line_html
from dashboard.views.comparison import Side, comparison
from dashboard.views.completion_table import by_reward, verdict_html
from dashboard.views.group_rows import distinct_parts
from dashboard.views.held_out_answers import TEXT_LIMIT, answers
from dashboard.views.then_now import WHICH, picked
from dashboard.wording import number, percent, plural, signed
from engine.runs.reader import RunReader
from engine.runs.shared_prompts import SharedPrompt, newest_common_step, shared_prompt, shared_prompts

STEP_KEY, PROMPT_KEY, PAIR_KEY = "compare_step", "compare_prompt", "compare_pair"
ABREAST: Final = 3  # runs in one row
SHOWN = 16  # different answers of a group
NAME_LIMIT = 100  # characters of a run's label, which has at most LABEL_LIMIT of its name and the end of its id
TEXT = 600  # characters of an answer
DATA_WORDS = (
    "Runs ask the same prompts at the same steps when they have the same data, seed and number of prompts per step."
)


def answers_view(runs: Sequence[ComparedRun]) -> None:
    """Choose a step and one of the prompts that all runs asked, and read what each answered."""
    readers = [run.reader for run in runs]
    steps = [reader.last_step() for reader in readers]
    if without := [run for run, step in zip(runs, steps, strict=True) if step == 0]:
        st.info(f"{as_label(without[0].look.label)} has finished no step so far.", icon=":material/hourglass_top:")
        return
    left, right = st.columns([1, 4], vertical_alignment="bottom")
    with left:
        step = _choose_step(newest_common_step(readers), max(steps))
    offered = shared_prompts(readers, step)
    with right:
        shown = _choose_prompt(readers, step, offered)
    if shown is None:
        st.info(f"No prompt was asked by all of these runs up to step {step:,}. {DATA_WORDS}", icon=":material/info:")
    else:
        _answers(runs, readers, shown)
    _held_out(runs, step)


def _choose_step(common: int, last: int) -> int:
    """The step of the URL, at most the newest of any run; without one the newest that all have come to."""
    asked = state.number_in_url(state.STEP)
    st.session_state[STEP_KEY] = shown = min(asked or common, last)

    def choose() -> None:
        state.set_in_url(step=int(st.session_state[STEP_KEY]), prompt=None)

    st.number_input("Step", 1, last, key=STEP_KEY, on_change=choose, help=f"All runs have come to step {common:,}.")
    return shown


def _choose_prompt(readers: Sequence[RunReader], step: int, offered: list[SharedPrompt]) -> SharedPrompt | None:
    """The prompt of the URL if all runs asked it by this step, else the one where the runs differ most."""
    by_id = {one.prompt_id: one for one in offered}
    asked = st.query_params.get(state.PROMPT)
    if asked and asked not in by_id and (found := shared_prompt(readers, asked, step)) is not None:
        by_id = {asked: found, **by_id}
    if not by_id:
        return None
    st.session_state[PROMPT_KEY] = current = asked if asked in by_id else next(iter(by_id))

    def choose() -> None:
        state.set_in_url(prompt=st.session_state[PROMPT_KEY])

    parts = distinct_parts([one.prompt for one in by_id.values()])
    labels = {
        name: f"{place} · {_prompt_label(part, by_id[name])}"
        for place, (name, part) in enumerate(zip(by_id, parts, strict=True), start=1)
    }
    st.selectbox(
        f"Prompt: {plural(len(offered), 'shared one')}, those first where the runs differ most", list(by_id),
        key=PROMPT_KEY, on_change=choose, format_func=labels.__getitem__,
    )  # fmt: skip
    return by_id[current]


def _prompt_label(part: str, shared: SharedPrompt) -> str:
    """What tells the prompt from the others, and how often each run was right, or its mean reward."""
    rates = [percent(one.pass_rate) for one in shared.asked]
    decided = all(one.pass_rate == one.pass_rate for one in shared.asked)
    values = rates if decided else [number(one.mean) for one in shared.asked]
    return f"{one_line(part, 80)} · {' / '.join(values)} {'right' if decided else 'mean reward'}"


def _answers(runs: Sequence[ComparedRun], readers: Sequence[RunReader], shown: SharedPrompt) -> None:
    left, right = st.columns([3, 1])
    with left:
        text_box("Prompt", shown.prompt)
    with right:
        text_box("Reference answer", shown.reference if shown.reference is not None else "(none)")
    groups = [
        by_reward(reader.completions(one.step, one.group_index))
        for reader, one in zip(readers, shown.asked, strict=True)
    ]
    if len({one.step for one in shown.asked}) > 1:
        st.caption("Not all asked it at the chosen step: each is shown at the nearest step before.")
    texts = Counter(text for group in groups for text in set(group["text"]))
    for first in range(0, len(runs), ABREAST):
        columns = st.columns(min(ABREAST, len(runs)), gap="medium")
        for place, column in zip(range(first, min(first + ABREAST, len(runs))), columns, strict=False):
            with column:
                st.html(group_html(runs[place], shown, place, groups[place], texts, len(runs)))
                at = shown.asked[place]
                link = {state.RUN: runs[place].run_id, state.STEP: str(at.step), state.GROUP: str(at.group_index + 1)}
                st.page_link(state.GROUPS_PAGE, label="Open this group", icon=":material/grid_view:", query_params=link)
    st.caption(
        "Best reward first; the same answer with the same reward stands once, with how often it came. A blue bar and "
        "“only here”: no other of these runs gave this answer here."
    )
    _word_by_word(runs, groups)


def group_html(
    run: ComparedRun, shown: SharedPrompt, place: int, group: pd.DataFrame, texts: Mapping[str, int], num_runs: int
) -> str:
    """A run's group as a column: where it stands, and its answers. texts: in how many of the runs each text came."""
    at = shown.asked[place]
    facts = f"step {at.step:,}, group {at.group_index + 1} · mean reward {number(at.mean)}"
    if at.pass_rate == at.pass_rate:
        facts += f" · {percent(at.pass_rate)} right"
    head = (
        f'<div class="lab-run">{line_html(run.look)}<span class="lab-run-name">{as_html(run.look.label)}</span></div>'
        f'<div class="lab-small">{facts}</div>'
    )
    if group.empty:
        return f'{head}<p class="lab-muted">The completions are not stored.</p>'
    alike = group.groupby(["text", "total", "advantage", "passed"], dropna=False, sort=False)
    entries = [_answer(dict(zip(alike.keys, key, strict=True)), len(rows), texts, num_runs) for key, rows in alike]
    more = len(entries) - SHOWN
    rest = f'<div class="lab-small">{more} more different answers; all in the group.</div>' if more > 0 else ""
    return head + "".join(entries[:SHOWN]) + rest


def _answer(row: Mapping[str, Any], count: int, texts: Mapping[str, int], num_runs: int) -> str:
    text = str(row["text"])
    shown = as_html(text[:TEXT]) or "(empty)"
    if len(text) > TEXT:
        shown += f'<span class="lab-muted"> … {len(text) - TEXT:,} more characters</span>'
    only = num_runs > 1 and texts[text] == 1
    where = "only here" if only else "in every run" if texts[text] == num_runs else f"in {texts[text]} runs"
    sign = "+" if row["advantage"] > 0 else "-" if row["advantage"] < 0 else "0"
    facts = [
        verdict_html(row["passed"]), f"reward <b>{number(row['total'])}</b>",
        f'<span class="lab-advantage" data-sign="{sign}">advantage {signed(row["advantage"], 3)}</span>',
        f"× {count}" if count > 1 else "", where,
    ]  # fmt: skip
    return (
        f'<div class="lab-answer" data-only="{str(only).lower()}"><div class="lab-mono">{shown}</div>'
        f'<div class="lab-small">{" · ".join(filter(None, facts))}</div></div>'
    )


def _word_by_word(runs: Sequence[ComparedRun], groups: Sequence[pd.DataFrame]) -> None:
    """The word diff of one answer of each of two runs, when it is asked for."""
    with st.expander("Word by word", icon=":material/difference:", key="compare_words", on_change="rerun") as words:
        if not words.open:
            return
        left, right = st.columns(2, vertical_alignment="bottom")
        with left:
            one, two = _choose_pair(runs)
        with right:
            which = st.segmented_control(
                "Answer", list(WHICH), key="compare_which", default="best", required=True,
                help="By reward. Typical: the one in the middle.",
            )  # fmt: skip
        sides = [_side(runs[place], groups[place], str(which)) for place in (one, two)]
        if sides[0] is None or sides[1] is None:
            st.info("The completions of one of these groups are not stored.", icon=":material/info:")
            return
        comparison(sides[0], sides[1], key="compare")


def _choose_pair(runs: Sequence[ComparedRun]) -> tuple[int, int]:
    pairs = [(one, two) for one in range(len(runs)) for two in range(one + 1, len(runs))]
    if len(pairs) == 1:
        return pairs[0]
    return st.selectbox(
        "Runs", pairs, key=PAIR_KEY,
        format_func=lambda pair: f"{pairs.index(pair) + 1} · {_named(runs[pair[0]])} and {_named(runs[pair[1]])}",
    )  # fmt: skip


def _named(run: ComparedRun) -> str:
    """The whole label, as the end of the id comes last in it."""
    return one_line(run.look.label, NAME_LIMIT)


def _side(run: ComparedRun, group: pd.DataFrame, which: str) -> Side | None:
    if group.empty:
        return None
    row = picked(group, which)
    label = f"{run.look.label}, #{int(row['completion_index']) + 1} ({number(row['total'])})"
    return Side(label, {str(name): value for name, value in row.to_dict().items()})


def _held_out(runs: Sequence[ComparedRun], step: int) -> None:
    """Held-out prompts with what each run answered at its last evaluation up to the step."""
    with st.expander(
        "Held-out answers up to this step", icon=":material/quiz:", key="compare_held_out", on_change="rerun"
    ) as held_out:
        if held_out.open:
            found = [_samples(run.reader, step) for run in runs]
            names = [
                f"{run.look.label}, step {at}" if at is not None else run.look.label
                for run, (at, _) in zip(runs, found, strict=True)
            ]
            frame = held_out_frame(names, [samples for _, samples in found])
            if frame.empty:
                st.caption("None of these runs has been evaluated up to this step.")
                return
            st.caption("✔ right, ✘ wrong, – not decided. Empty: the run stores no answer to this prompt.")
            st.dataframe(frame, hide_index=True, width="stretch", alt="Held-out prompts with the answers of each run")


def _samples(reader: RunReader, step: int) -> tuple[int | None, Sequence[Mapping[str, Any]]]:
    """The last evaluation up to a step, and what it stored of its prompts."""
    steps = [at for at in reader.evaluations()["step"].tolist() if at <= step]
    details = reader.evaluation_details(steps[-1]) if steps else None
    return (None, []) if details is None else (steps[-1], details[1])


def held_out_frame(names: Sequence[str], samples: Sequence[Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """A row per prompt and reference answer, a column per run. Prompts that several runs were asked come first."""
    rows: dict[tuple[str, str], dict[int, str]] = {}
    for place, found in enumerate(samples):
        for sample in found:
            key = (str(sample["prompt"]), str(sample["reference"] or "(none)"))
            rows.setdefault(key, {})[place] = answers(sample)
    ordered = sorted(rows.items(), key=lambda row: -len(row[1]))
    return pd.DataFrame(
        [
            {
                "prompt": one_line(prompt, TEXT_LIMIT), "reference answer": one_line(reference, TEXT_LIMIT),
                **{one_line(name, NAME_LIMIT): said.get(place, "") for place, name in enumerate(names)},
            }
            for (prompt, reference), said in ordered
        ]
    )  # fmt: skip
