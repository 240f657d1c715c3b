"""Whether the reward keeps the convention: it loads, finds its columns, and gives a value to whatever is written."""

from collections.abc import Iterator, Sequence

from engine.data.answers import NUMERIC
from engine.reward_check.bench import Bench, evidence_of
from engine.reward_check.probe import Answers, Sample
from engine.reward_check.types import MAX_EVIDENCE, Evidence, Finding, shown
from engine.rewards.python_file import PythonFileParams, target_of
from engine.rewards.registry import function_of, needs_answer
from engine.rewards.worker.client import describe_file
from engine.rewards.worker.types import CallableInfo, FileInfo

LONG, BRIEF = 10_000, 90  # characters: of an odd text, of a reason in a sentence


def odd_texts(gold: str) -> list[tuple[str, str]]:
    """(what it is, the text): what models write now and then, and what breaks parsers."""
    return [
        ("empty", ""),
        ("blank", " \n\t \n"),
        (f"{LONG:,} characters of words", ("so on and on " * LONG)[:LONG]),
        (f"{LONG:,} digits", "1" * LONG),
        ("odd Unicode", "\u202e٤٢\u200d 👩\u200d👩\u200d👧 e\u0301\u0301\u0301 \ufffd \U0001d7dc ½ ∞"),
        ("nested tags", f"<answer><answer>{gold}</answer><think><answer></think></answer></answer>"),
        ("an open tag", f"<think>so <answer>{gold}"),
        ("open braces", "\\boxed{\\boxed{\\frac{1}{" * 20),
        ("a NUL character", f"{gold}\x00{gold}"),
        ("control characters", f"\x1b[31m{gold}\x07\r\x85"),
    ]


def loads(bench: Bench) -> tuple[Finding, CallableInfo | None]:
    """What the reward is; of a file, what was recognised."""
    if bench.info.params is not PythonFileParams:
        reason = bench.info.unavailable()
        text = reason or f"{bench.info.label}, of the library, with its settings as they are here."
        return Finding("loads", "Loads", "failed" if reason else "ok", text), None
    params = PythonFileParams.model_validate(bench.spec.params)
    found = describe_file(target_of(params, bench.copies).path)
    chosen = next((one for one in found.callables if one.name == (params.callable or found.chosen)), None)
    if found.problem or chosen is None:
        return Finding("loads", "Loads", "failed", found.problem or _unclear(found, params.callable)), None
    if chosen.convention is None and params.convention == "auto":
        return Finding("loads", "Loads", "failed", f"{chosen.name} cannot be a reward. {chosen.why}"), None
    called = (
        f"Recognised: {chosen.why}"
        if params.convention == "auto"
        else f"Called as {params.convention}, as its settings say."
    )
    text = f"{chosen.name}{chosen.signature} was found. {called}"
    if found.warnings:
        return Finding("loads", "Loads", "warning", f"{text} Look at: {'; '.join(found.warnings[:5])}."), chosen
    return Finding("loads", "Loads", "ok", text), chosen


def _unclear(found: FileInfo, wanted: str) -> str:
    names = ", ".join(one.name for one in found.callables) or "none"
    if wanted:
        return f"The file has no function {wanted!r}; it has: {names}."
    return f"The file has several functions that can be the reward: {names}. Name one of them."


def columns(bench: Bench, chosen: CallableInfo | None) -> Finding:
    """Whether the data have what the reward compares with."""
    there = ", ".join(sorted(bench.data_columns)[:12]) or "none"
    if chosen is None:
        if not needs_answer(bench.spec):
            return Finding("columns", "Columns", "ok", "It needs no column of the data.")
        return _needs_answer(bench)
    absent = [name for name in chosen.columns if name not in bench.data_columns]
    if absent:
        text = f"It takes {', '.join(absent)}, which {bench.data_name} does not have; there are: {there}."
        return Finding("columns", "Columns", "failed", text)
    optional = [name for name in chosen.optional if name not in bench.data_columns]
    if chosen.convention == "verl" and "ground_truth" not in bench.data_columns:
        text = "Its ground_truth is the reference answer, its extra_info all columns of the row."
        return Finding("columns", "Columns", "ok", text) if bench.has_gold else _needs_answer(bench)
    used = ", ".join((*chosen.columns, *(name for name in chosen.optional if name in bench.data_columns)))
    text = f"It takes {used or 'no column by name'}{', and all others' if chosen.reads_all else ''}."
    without = f" Not in the data, and not needed: {', '.join(optional)}." if optional else ""
    return Finding("columns", "Columns", "ok", text + without)


def _needs_answer(bench: Bench) -> Finding:
    total = len(bench.rows)
    lacking = [place for place, (_, example) in enumerate(bench.rows) if not (example.answer or "").strip()]
    if lacking:
        text = (
            f"{len(lacking)} of {total} rows have no reference answer to compare with, as {bench.rows[lacking[0]][0]}."
        )
        return Finding("columns", "Columns", "failed" if len(lacking) == total else "warning", text)
    kind = "numbers" if function_of(bench.spec) in NUMERIC else "answers"
    return Finding("columns", "Columns", "ok", f"It compares with the reference {kind}; all {total} rows have one.")


def returns(samples: Sequence[Sample], answers: Answers) -> Finding:
    """Whether an ordinary batch has a number or None for each completion."""
    total, failed = len(samples), [place for place, bad in enumerate(answers.failed) if bad]
    none = [place for place, value in enumerate(answers.values) if value is None and not answers.failed[place]]
    if failed:
        text = f"{len(failed)} of {total} ordinary completions have no value: it {_why(answers.reasons[failed[0]])}."
        return Finding("returns", "Returns", "failed", text, evidence_of(samples, answers, failed[:MAX_EVIDENCE]))
    if none:
        reason = f" ({answers.reasons[none[0]]})" if answers.reasons[none[0]] else ""
        text = f"{len(none)} of {total} ordinary completions get None{reason}, and do not count then."
        return Finding("returns", "Returns", "warning", text, evidence_of(samples, answers, none[:MAX_EVIDENCE]))
    values = sorted({value for value in answers.values if value is not None})
    text = f"{total} values for {total} completions, all finite: {', '.join(f'{value:g}' for value in values[:6])}."
    return Finding("returns", "Returns", "ok", text)


def shapes(bench: Bench, samples: Sequence[Sample]) -> Finding:
    """Whether it takes completions as strings and as chat messages."""
    found = {chat: bench.probe.ask(samples, chat=chat) for chat in (False, True)}
    broken = {
        chat: next((r for r, bad in zip(a.reasons, a.failed, strict=True) if bad), None) for chat, a in found.items()
    }
    words, used = {False: "strings", True: "chat messages"}, bench.probe.chat
    if broken[False] is None and broken[True] is None:
        same = found[False].values == found[True].values
        if same:
            text = "It takes completions as strings and as chat messages, with the same values."
            return Finding("shapes", "Strings and chat", "ok", text)
        text = f"It gives other values to the same completions as {words[not used]} than as {words[used]}."
        sure = bench.chat_known and not used
        known = f" This run passes {words[used]}." if bench.chat_known else ""
        return Finding("shapes", "Strings and chat", "ok" if sure else "warning", text + known)
    failing = used if broken[used] is not None else not used
    text = f"With completions as {words[failing]} it {_why(broken[failing] or '')}."
    if broken[used] is not None:
        text += f" This run passes {words[used]}."
        if broken[not used] is None:
            text += f" With {words[not used]} it works."
        return Finding("shapes", "Strings and chat", "failed", text)
    known = f" This run passes {words[used]}, with which it works." if bench.chat_known else ""
    return Finding("shapes", "Strings and chat", "ok" if bench.chat_known else "warning", text + known)


def odd(bench: Bench) -> Finding:
    """Whether it survives what models write now and then. Each text is asked alone, so that it costs only itself."""
    texts = odd_texts(bench.row(0).gold or "42")
    found = list(_odd_failures(bench, texts))
    if not found:
        names = ", ".join(name for name, _ in texts)
        return Finding(
            "odd", "Odd texts", "ok", f"It gives a value, or None, to each of {len(texts)} odd texts: {names}."
        )
    words = "; ".join(f"{name}: it {_brief(_why(one.note))}" for name, one in found[:4])
    verb = "leaves its" if len(found) == 1 else "leave their"
    text = f"{len(found)} of {len(texts)} odd texts {verb} value missing. {words}."
    return Finding("odd", "Odd texts", "failed", text, tuple(one for _, one in found[:MAX_EVIDENCE]))


def _odd_failures(bench: Bench, texts: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Evidence]]:
    for name, text in texts:
        samples = [bench.sample(0, text)]
        answers = bench.probe.ask(samples)
        if answers.failed[0]:
            yield name, evidence_of(samples, answers, [0])[0]


def _brief(text: str) -> str:
    """So that several fit into a sentence; the rows below it have all."""
    return text if len(text) <= BRIEF else f"{text[: BRIEF - 1]}…"


def _why(reason: str) -> str:
    """A reason as the end of "it …"."""
    return shown(reason).rstrip(".") or "gave no value"
