"""The completions of one group next to each other: text, rewards with their weights, total, advantage and why.

A table in HTML, because a table widget cannot show bars and arithmetic. Everything that a model, a dataset or a file
wrote passes through as_html.
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard.text import as_html
from dashboard.wording import MISSING, number, percent, signed, verdict
from engine.analysis.arithmetic import (
    GDPO_WORDS,
    NO_STEP_WORDS,
    advantage_arithmetic,
    mean_of_others,
    steps_words,
    trained_steps,
)
from engine.analysis.groups import is_dead
from engine.config_loss import LossConfig

TEXT_LIMIT, TEXT_HEAD = (
    1500,
    900,
)  # characters shown of a text, and those of its beginning; all of it is below the table
STACK_FROM = 80  # characters; a group with a longer completion shows each text below its numbers, in the whole width
# Each with where it and its cells stand.
RIGHT, LEFT = "lab-right", ""
HEADINGS = (
    ("#", RIGHT), ("completion", LEFT), ("rewards: weight × value", LEFT), ("total", RIGHT), ("advantage", LEFT)
)  # fmt: skip
WIDE_HEADINGS = ("tokens", "end", "KL", "entropy")  # to the right; in a narrow table they stand below the text instead
NUM_COLOURS = 5  # --lab-f0 … in lab.css
RECORDED = "recorded by TRL; its arithmetic is not known"
END_WORDS = {"eos": "ended", "stop": "stop string", "length": "cut off"}


def by_reward(completions: pd.DataFrame) -> pd.DataFrame:
    """Best total first, missing ones last; equal ones in the order of sampling."""
    return completions.sort_values("total", ascending=False, na_position="last", kind="stable")


def are_long(completions: pd.DataFrame) -> bool:
    """Whether a text is too long for a cell of the table."""
    return bool(completions["text"].str.len().max() > STACK_FROM)


def completion_cards(
    group: pd.Series, completions: pd.DataFrame, weights: Mapping[str, float], loss: LossConfig, *, exact: bool = True,
    chosen: int | None = None,
) -> str:  # fmt: skip
    """The same as `completion_table` as columns that scroll sideways: long texts can be read beside each other."""
    largest, rows = _prepared(group, completions, weights, loss, exact)
    cards = "".join(_card(row, weights, largest, why, _mark(row, chosen)) for row, why in rows)
    return f'{legend(weights)}<div class="lab-cards" tabindex="0" role="list" aria-label="Completions">{cards}</div>'


def completion_table(
    group: pd.Series, completions: pd.DataFrame, weights: Mapping[str, float], loss: LossConfig, *, exact: bool = True,
    chosen: int | None = None,
) -> str:  # fmt: skip
    """The table as HTML. group: a row of `groups`; completions: its rows of `completions`.

    exact: advantages follow from rewards by these weights and this loss; in an import it may be unknown how they do.
    chosen: the completion_index of the one that the panel below is about; it is marked.
    """
    largest, found = _prepared(group, completions, weights, loss, exact)
    stacked = are_long(completions)
    rows = "".join(_row(row, weights, largest, why, stacked, _mark(row, chosen)) for row, why in found)
    headings = "".join(f'<th scope="col" class="{side}">{heading}</th>' for heading, side in HEADINGS)
    headings += "".join(f'<th scope="col" class="lab-right lab-wide-only">{heading}</th>' for heading in WIDE_HEADINGS)
    return (
        f'{legend(weights)}<div class="lab-scroll">'
        '<table class="lab-table lab-completions" aria-label="Completions of this group">'
        f"<thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _prepared(
    group: pd.Series, completions: pd.DataFrame, weights: Mapping[str, float], loss: LossConfig, exact: bool
) -> tuple[float, list[tuple[dict[Any, Any], str]]]:
    """The longest bar, and each completion with why it has its advantage, best first."""
    totals = completions["total"].tolist()
    stepwise = any(trained_steps(steps, weights) for steps in completions.get("steps", ()))
    largest = max((_reach(rewards, weights) for rewards in completions["rewards"]), default=0.0) or 1.0
    rows = by_reward(completions).to_dict(orient="records")
    return largest, [(row, _why(row, group, totals, weights, loss, stepwise) if exact else RECORDED) for row in rows]


def legend(weights: Mapping[str, float]) -> str:
    """Which colour is which reward function, with its weight."""
    items = "".join(
        f'<span><i class="lab-swatch" style="background:var(--lab-f{place % NUM_COLOURS})"></i>{as_html(name)} '
        f"{f'× {weight:g}' if weight else '(monitor, not trained on)'}</span>"
        for place, (name, weight) in enumerate(weights.items())
    )
    return f'<div class="lab-legend">{items}</div>'


def _row(row: dict[Any, Any], weights: Mapping[str, float], largest: float, why: str, stacked: bool, mark: str) -> str:
    text = f'<div class="lab-mono">{_text(row["text"])}</div>'
    cells = (
        f'<td class="lab-right">{row["completion_index"] + 1}</td>',
        f'<td class="lab-text">{"" if stacked else text}{_about_text(row)}</td>',
        f"<td>{_bar(row['rewards'], weights, largest)}{_terms(row, weights)}</td>",
        f'<td class="lab-right"><b>{number(row["total"])}</b></td>',
        f"<td>{_advantage(row['advantage'], why)}</td>",
        *(f'<td class="lab-right lab-wide-only">{value}</td>' for value in _lengths_and_more(row)),
    )
    if not stacked:
        return f"<tr{mark}>{''.join(cells)}</tr>"
    below = f'<td></td><td class="lab-text" colspan="{len(cells) - 1}">{text}</td>'
    return f'<tr class="lab-above"{mark}>{"".join(cells)}</tr><tr{mark}>{below}</tr>'


def _mark(row: dict[Any, Any], chosen: int | None) -> str:
    return ' aria-current="true"' if row["completion_index"] == chosen else ""


def _card(row: dict[Any, Any], weights: Mapping[str, float], largest: float, why: str, mark: str) -> str:
    length, ended, kl, entropy = _lengths_and_more(row)
    return (
        f'<div class="lab-card" role="listitem"{mark}><div class="lab-card-head">'
        f"<span>#{row['completion_index'] + 1}</span><b>{number(row['total'])}</b></div>"
        f"{_verdict(row)}{_bar(row['rewards'], weights, largest)}"
        f'{_terms(row, weights)}<div class="lab-card-advantage">{_advantage(row["advantage"], why)}</div>'
        f'<div class="lab-card-text lab-mono">{_text(row["text"])}</div>'
        f'<div class="lab-small">{length} tokens, {ended}, KL {kl}, entropy {entropy}</div></div>'
    )


def _lengths_and_more(row: dict[Any, Any]) -> tuple[str, ...]:
    """The values below WIDE_HEADINGS."""
    ended = END_WORDS.get(row["finish_reason"], MISSING)
    return number(row["length"], 0), ended, number(row["mean_kl"]), number(row["mean_entropy"])


def _text(text: str) -> str:
    """The text, of a long one the beginning and the end: the answer often stands last."""
    if len(text) <= TEXT_LIMIT:
        return as_html(text) or "(empty)"
    left_out = f"{len(text) - TEXT_LIMIT:,} of {len(text):,} characters left out; all below"
    tail = text[TEXT_HEAD - TEXT_LIMIT :]
    return f'{as_html(text[:TEXT_HEAD])}<span class="lab-muted"> … {left_out} … </span>{as_html(tail)}'


def verdict_html(passed: float | None) -> str:
    """wording.verdict in its colour; "" where nothing decides."""
    words = verdict(passed)
    return words and f'<span class="{"lab-pass" if passed else "lab-fail"}">{words}</span>'


def _verdict(row: dict[Any, Any]) -> str:
    """Right or wrong, and what the reward read."""
    parsed = row["parsed"]
    read = ""
    if isinstance(parsed, str) and parsed.strip() != row["text"].strip():
        read = f'<span class="lab-muted">read as {as_html(parsed[:80])}</span>'
    return f'<div class="lab-small">{" ".join(filter(None, (verdict_html(row["passed"]), read)))}</div>'


def _about_text(row: dict[Any, Any]) -> str:
    """The verdict, and in a narrow table what else is known of the text."""
    length, ended, kl, entropy = _lengths_and_more(row)
    more = f"{length} tokens, {ended}, KL {kl}, entropy {entropy}"
    more = "" if {length, ended, kl, entropy} == {MISSING} else more
    return f'{_verdict(row)}<div class="lab-small lab-narrow-only">{more}</div>'


def _bar(rewards: Mapping[str, float | None], weights: Mapping[str, float], largest: float) -> str:
    """Weighted values as lengths from a zero line: to the right what adds, to the left what takes away."""
    parts = [(place, weight * (rewards.get(name) or 0.0)) for place, (name, weight) in enumerate(weights.items())]
    adding = "".join(_piece(place, value, largest) for place, value in parts if value > 0)
    taking = "".join(_piece(place, value, largest) for place, value in parts if value < 0)
    left = f'<span class="lab-bar-side lab-bar-minus">{taking}</span>' if taking else ""
    return f'<span class="lab-rewardbar" aria-hidden="true">{left}<span class="lab-bar-side">{adding}</span></span>'


def _piece(place: int, value: float, largest: float) -> str:
    width = 100 * abs(value) / largest
    return f'<i style="width:{width:.1f}%;background:var(--lab-f{place % NUM_COLOURS})"></i>'


def _terms(row: dict[Any, Any], weights: Mapping[str, float]) -> str:
    """The sum written out: "1 × 1 + 0.3 × 0.5"; with the reason where a value is missing."""
    terms, notes = [], []
    for name, weight in weights.items():
        value = row["rewards"].get(name)
        if value is None:
            why = row["errors"].get(name, "no value")
            notes.append(f'<div class="lab-fail">{as_html(name)} is missing: {as_html(str(why)[:200])}</div>')
        elif weight:
            terms.append(f"{weight:g} × {number(value)}")
        else:
            notes.append(f"<div>{as_html(name)}: {number(value)}</div>")
        if (given := (row.get("raw") or {}).get(name)) is not None:
            notes.append(f"<div>{as_html(name)} gave {number(given)}, and counts as {number(value)}</div>")
    return f'<div class="lab-small">{" + ".join(terms) or MISSING}{"".join(notes)}</div>'


def _advantage(advantage: float, why: str) -> str:
    shape, sign = ("▲", "+") if advantage > 0 else ("▼", "-") if advantage < 0 else ("●", "0")
    value = "0" if advantage == 0 else signed(advantage, 3)
    return f'<b class="lab-advantage" data-sign="{sign}">{shape} {value}</b><div class="lab-small">{as_html(why)}</div>'


def _why(
    row: dict[Any, Any], group: pd.Series, totals: list[float], weights: Mapping[str, float], loss: LossConfig,
    stepwise: bool,
) -> str:  # fmt: skip
    """How the completion came by its advantage. stepwise: the group has step scores, which count in its mean."""
    if isinstance(group["discarded"], str):
        return "the group was discarded, so advantage 0"
    if steps := trained_steps(row.get("steps"), weights):
        return steps_words(steps)
    if stepwise and math.isfinite(row["total"]):
        return NO_STEP_WORDS
    if loss.multi_objective_aggregation == "normalize_then_sum" and math.isfinite(row["total"]):
        return GDPO_WORDS
    scale = None if math.isnan(group["scale"]) else float(group["scale"])
    others = loss.baseline == "leave_one_out"
    baseline = mean_of_others(row["total"], totals) if others else group["mean"]
    scored = sum(math.isfinite(total) for total in totals)
    return advantage_arithmetic(row["total"], baseline, scale, row["advantage"], scored=scored, dead=is_dead(totals))


def _reach(rewards: Mapping[str, float | None], weights: Mapping[str, float]) -> float:
    """The longer side of a completion's bar."""
    parts = [weight * (rewards.get(name) or 0.0) for name, weight in weights.items()]
    return max(sum(part for part in parts if part > 0), -sum(part for part in parts if part < 0))


def pass_words(completions: pd.DataFrame) -> str:
    """How many were right, where a reward decides that."""
    known = completions["passed"].dropna()
    return f"{int(known.sum())} of {len(known)} right ({percent(known.mean())})" if len(known) else ""
