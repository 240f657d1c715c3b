"""Whether reference answers, written the way the run asks for it, reach the maximum. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.reward_check.answers import FORM_WORDS, Asked, Form
from engine.reward_check.board import Range, Tried
from engine.reward_check.types import MAX_EVIDENCE, Finding
from engine.rewards.info import Kind

LEAST_SHARE = 0.95
NEAR_TOP = 0.02  # of the range: rewards that also weigh the length give a right answer a little less


@dataclass(frozen=True)
class Golds:
    """Reference answers in some forms, with what they earned. The form that was asked for has the most rows."""

    by_form: Mapping[Form, Sequence[Tried]]

    def share_at_top(self, form: Form, span: Range) -> float:
        tried = self.by_form[form]
        return sum(reaches(one, span) for one in tried) / len(tried) if tried else 0.0

    def values(self) -> list[float]:
        return [
            one.evidence.value for tried in self.by_form.values() for one in tried if one.evidence.value is not None
        ]


def reaches(one: Tried, span: Range) -> bool:
    return one.evidence.value is not None and span.is_top(one.evidence.value + NEAR_TOP * span.span)


def gold_finding(golds: Golds, asked: Asked, span: Range | None, kind: Kind) -> Finding:
    """For rewards that judge the form this is no test, unless they refuse the very form that the run asks for."""
    tried = golds.by_form.get(asked.form, ())
    if not tried:
        return _finding("not applicable", "The data have no reference answers.")
    if span is None or span.span == 0:
        return _finding("not applicable", "There is no range of values of which answers could reach the top.")
    share, total = golds.share_at_top(asked.form, span), len(tried)
    reached = round(share * total)
    text = f"{reached} of {total} reference answers, {FORM_WORDS[asked.form]} ({asked.why}), reach {span.high:g}."
    if share >= LEAST_SHARE:
        return _finding("ok", f"{text}{_others(golds, asked, span)}", *_failing(tried, span))
    if kind == "format":
        mean = sum(one.evidence.value or 0.0 for one in tried) / total
        return _finding("not applicable", f"It judges the form, not the answer. {text} Their mean is {mean:.2f}.")
    if kind == "penalty":
        return _finding("warning", f"{text} The others are penalised although they are right.", *_failing(tried, span))
    return _finding("failed", f"{text}{_reason(tried, span)}{_others(golds, asked, span)}", *_failing(tried, span))


def _finding(verdict: str, text: str, *failing: Tried) -> Finding:
    evidence = tuple(one.evidence for one in failing[:MAX_EVIDENCE])
    return Finding("gold", "Reference answers", verdict, text, evidence)  # type: ignore[arg-type]


def _failing(tried: Sequence[Tried], span: Range) -> list[Tried]:
    return [one for one in tried if not reaches(one, span)]


def _reason(tried: Sequence[Tried], span: Range) -> str:
    first = _failing(tried, span)[0].evidence
    value = "no value" if first.value is None else f"{first.value:g}"
    return f" {first.where}: {first.reference!r} gets {value}{f', it {first.note}' if first.note else ''}."


def _others(golds: Golds, asked: Asked, span: Range) -> str:
    """Which other forms reach it too, and which do not."""
    shares = {form: golds.share_at_top(form, span) for form in golds.by_form if form != asked.form}
    also = [FORM_WORDS[form] for form, share in shares.items() if share >= LEAST_SHARE]
    not_so = [FORM_WORDS[form] for form, share in shares.items() if share < LEAST_SHARE]
    words = f" Accepted too: {', '.join(also)}." if also else ""
    return words + (f" Not accepted: {', '.join(not_so)}." if not_so else "")
