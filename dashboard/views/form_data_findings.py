"""What is odd about the data, and how long its prompts are, beside the first rows in the New-run form."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboard.text import as_html
from dashboard.views.form_data_look import Report
from dashboard.views.form_model import get_value, set_value
from dashboard.views.form_sections import CONTROL
from dashboard.views.form_state import FormState, collect
from dashboard.wording import percent, plural
from engine.check_client import Check
from engine.data.checks import Bin, Finding
from engine.data.tasks.registry import is_task

SIGNS: Final = {
    "error": ("✕", "var(--lab-bad)"), "warning": ("⚠", "var(--lab-warn)"), "note": ("ℹ", "var(--lab-muted)"),
}  # fmt: skip
ONE_CLICK: Final = ("data.drop_duplicates", "data.drop_leaks")
FILTERS: Final = {"drop_duplicates": "Drop duplicates", "drop_leaks": "Drop leaks", "pass_rates": "The pass rates"}
READS_ALL: Final = "reads all rows, looks for duplicates, leaks and the like, and "
BAR_HEIGHT: Final = 44  # pixels


def last_check(form: FormState) -> Check | None:
    """The check of exactly these settings, if there is one."""
    config = form.parsed()[0]
    return form.check if config is not None and form.check and form.is_checked(config) else None


def draw_findings(form: FormState, found: Report | None) -> None:
    """Counts, findings and lengths: of the check where it is about these settings, else of what was counted here."""
    check = last_check(form)
    if found is not None and not found.problem:
        st.text(rows_sentence(found))
    findings = check.findings if check is not None and check.findings else found.findings if found is not None else ()
    for finding in findings:
        draw_finding(form, finding)
    if check is not None and check.prompt_tokens:
        st.html(lengths_chart(check.prompt_tokens))
    elif check is None:
        unread = found is None and any(not is_task(source) for source in sources_of(form))
        st.caption(f"The button Check {READS_ALL if unread else ''}counts the tokens of the prompts.")


def sources_of(form: FormState) -> list[str]:
    """The sources that the draft names so far."""
    entries = [form.value("data"), *form.value("data.mixture", [])]
    return [source for entry in entries if (source := str(get_value({"at": entry}, "at.source") or ""))]


def draw_finding(form: FormState, finding: Finding) -> None:
    """One finding with its rows and what to do, and the switch that does it where there is one."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(finding_html(finding))
        if finding.field in ONE_CLICK and not form.value(finding.field):
            st.button(
                CONTROL[finding.field].label, key=form.key(f"fix.{finding.key}"), on_click=switch_on,
                args=(form, finding.field), width="content",
            )  # fmt: skip


def switch_on(form: FormState, path: str) -> None:
    collect(form)
    set_value(form.draft, path, True)
    form.redraw()


def finding_html(finding: Finding) -> str:
    sign, colour = SIGNS[finding.severity]
    more = "; …" if finding.count > len(finding.rows) else ""
    rows = f'<div class="lab-muted">{as_html("; ".join(finding.rows) + more)}</div>' if finding.rows else ""
    return (
        f'<div style="font-size:.9em;overflow-wrap:anywhere"><span style="color:{colour}">{sign}</span> '
        f"{as_html(finding.message)} <span class='lab-muted'>{as_html(finding.hint)}</span>{rows}</div>"
    )


def rows_sentence(found: Report) -> str:
    """What is left for training and for evaluation."""
    held_out = f"{found.held_out:,} held out"
    if found.train_size is None:
        return f"Prompts without end for training, {held_out}."
    left_out = "".join(f", {count:,} left out ({why})" for why, count in found.dropped.items())
    return f"{found.train_size:,} for training, {held_out}{left_out}."


def filters_sentence(form: FormState, found: Report) -> str:
    """What each filter leaves by itself, whether it is on or not."""
    parts = []
    for name, left in found.leaves.items():
        is_on = name == "pass_rates" or bool(form.value(f"data.{name}"))
        parts.append(f"{FILTERS[name]} {'leaves' if is_on else 'would leave'} {left:,} of {plural(found.rows, 'row')}.")
    if form.value("data.pass_rates") and found.rows:
        parts.append(f"{found.measured:,} of {plural(found.rows, 'row')} have a measured pass rate.")
    return " ".join(parts)


def lengths_chart(bins: Sequence[Bin]) -> str:
    """How long prompts are in tokens, as bars, and in words."""
    total, highest = sum(each.count for each in bins), max(each.count for each in bins)
    bars = "".join(
        f'<div title="{_range(each)}: {plural(each.count, "prompt")}" style="flex:1;background:var(--lab-soft-blue);'
        f'min-height:{1 if each.count else 0}px;height:{each.count / highest * BAR_HEIGHT:.1f}px"></div>'
        for each in bins
    )
    words = lengths_sentence(bins)
    return (
        f'<div role="img" aria-label="{as_html(words)}" style="display:flex;align-items:flex-end;gap:1px;'
        f'height:{BAR_HEIGHT}px;max-width:24rem">{bars}</div>'
        f'<div class="lab-muted" style="font-size:.85em">{as_html(words)} Of the first {plural(total, "prompt")}.</div>'
    )


def lengths_sentence(bins: Sequence[Bin]) -> str:
    """Shortest, longest, and the bin that holds the middle one."""
    total, so_far, middle = sum(each.count for each in bins), 0, bins[0]
    for middle in bins:
        so_far += middle.count
        if so_far * 2 >= total:
            break
    low, high = bins[0].low, bins[-1].high
    if len(bins) == 1 and low == high:
        return f"Every prompt has {plural(low, 'token')}."
    at_most = f"at least {percent(so_far / total)} of them at most {middle.high:,}"
    return f"Prompts have {low:,} to {high:,} tokens, {at_most}."


def _range(each: Bin) -> str:
    return plural(each.low, "token") if each.low == each.high else f"{each.low:,} to {each.high:,} tokens"
