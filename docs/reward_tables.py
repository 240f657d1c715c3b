"""The generated parts of docs/rewards.md: every reward, and how the two matches judge the table of cases.

`python docs/reward_tables.py` writes them. With math-verify installed, `--math-verify` also judges the table with it
and keeps its verdicts in docs/math_verify_verdicts.json, so that the page needs no such package.
"""

import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config_section import Section
from engine.rewards.info import Example, RewardInfo
from engine.rewards.registry import REWARDS
from tests.unit.rewards.match_cases import EXACT, NUMERIC

PAGE = Path(__file__).parent / "rewards.md"
VERDICTS = Path(__file__).parent / "math_verify_verdicts.json"
MARK = re.compile(r"(<!-- part: (\w+) -->\n).*?(<!-- end -->)", re.S)
EXACT_PARAMS = {"extract": "auto", "ignore_case": True, "ignore_punctuation": True}
WHERE = {"engine": "the engine", "worker": "a worker process", "model": "the engine, with a second model"}


def verdicts() -> list[tuple[str, str, str, bool, bool]]:
    """(class, completion, reference, right or not, what our match says) of every case."""
    found = []
    for table, name, params in ((NUMERIC, "numeric_match", {}), (EXACT, "exact_match", EXACT_PARAMS)):
        info = REWARDS[name]
        match = info.make(info.params(**params))
        for kind, rows in table.items():
            for completion, reference, is_right in rows:
                (value,) = match(completions=[completion], answer=[reference])
                found.append((kind, completion, reference, is_right, value == 1.0))
    return found


def case_table() -> str:
    """A row for each class: cases, false positives and negatives of our match and of math-verify."""
    theirs = json.loads(VERDICTS.read_text())
    ours = verdicts()
    rows = []
    for kind in (*NUMERIC, *EXACT):
        mine = [(right, said) for of, _, _, right, said in ours if of == kind]
        other = [(right, theirs[f"{c}\0{r}"]) for of, c, r, right, _ in ours if of == kind and of in NUMERIC]
        rows.append((kind, *_counts(mine), *(_counts(other)[1:] if other else ("", ""))))
    total = ("**all numbers**", *(str(sum(int(row[i]) for row in rows[:-1])) for i in range(1, 6)))
    head = ("Class", "Cases", "Wrongly right", "Wrongly wrong", "math-verify: wrongly right", "wrongly wrong")
    return _table(head, [*rows[:-1], total, rows[-1]])


def _counts(pairs: list[tuple[bool, bool]]) -> tuple[str, str, str]:
    positive = sum(said and not right for right, said in pairs)
    negative = sum(right and not said for right, said in pairs)
    return str(len(pairs)), str(positive), str(negative)


def still_wrong() -> str:
    """The cases that our match judges otherwise than a person."""
    rows = [
        (kind, _code(completion), _code(reference), "right" if right else "wrong")
        for kind, completion, reference, right, said in verdicts()
        if said != right
    ]
    return _table(("Class", "Completion", "Reference", "A person says"), rows)


def overview() -> str:
    """A row for each reward."""
    rows = [
        (f"[`{name}`](#{name})", info.help, info.kind, _range(info), _extra(info)) for name, info in REWARDS.items()
    ]  # fmt: skip
    return _table(("Reward", "What it gives", "Kind", "Range", "Needs"), rows)


def library() -> str:
    """A section for each reward."""
    return "\n".join(_section(info) for info in REWARDS.values())


def _section(info: RewardInfo) -> str:
    answer = "needs a reference answer" if info.needs_answer else "needs no reference answer"
    parts = [
        f"### {info.name}\n",
        f"**{info.label}** · {info.kind} · {_range(info)} · {answer} · runs in {WHERE[info.where]}\n",
        f"{info.explanation}\n",
    ]
    settings = list(_settings(info.params))
    parts += [_table(("Setting", "Default", "What it does"), settings)] if settings else []
    if info.examples:
        parts.append(_table(("Completion", "Reference, row and settings", "Value"), [*map(_example, info.examples)]))
    elif info.where == "model":
        parts.append("Its values are those of the model that you choose, so there are no examples.\n")
    return "\n".join(parts)


def _settings(params: type[Section]) -> Iterator[tuple[str, ...]]:
    for name, field in params.model_fields.items():
        extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        default = "required" if field.is_required() else _default(field.default, extra)
        words = "; ".join(f"`{choice}`: {word}" for choice, word in extra.get("words", {}).items())
        yield f"`{name}`", default, f"{field.description} {words}".strip()


def _default(value: Any, extra: dict[str, Any]) -> str:
    if value is None or value == "":
        return str(extra.get("empty") or "empty")
    return _code(value if len(str(value)) < 60 else str(value)[:57] + "…")


def _example(example: Example) -> tuple[str, ...]:
    row = [] if example.answer is None else [f"reference {_code(example.answer)}"]
    row += [f"prompt {_code(example.prompt)}"] if example.prompt else []
    row += [f"column {name} = {_code(json.dumps(cell))}" for name, cell in example.columns.items()]
    row += [f"others of its group: {', '.join(map(_code, example.others))}"] if example.others else []
    if isinstance(example.tokens, tuple):
        row.append("tokens " + " ".join(map(str, example.tokens)))
    elif example.tokens is not None:
        row.append(f"{example.tokens} tokens")
    row += [f"`{name}` = {_code(value)}" for name, value in example.params.items()]
    value = "missing" if example.value is None else f"{example.value:.3g}"
    return _code(example.completion), "; ".join(row), value


def _range(info: RewardInfo) -> str:
    low, high = info.value_range
    return "any number" if math.isinf(low) or math.isinf(high) else f"{low:g} to {high:g}"


def _extra(info: RewardInfo) -> str:
    if info.where == "model":
        return "a second model"
    return EXTRAS.get(info.name, "")


EXTRAS = {
    "math_equivalence": "math-verify", "reasoning_gym": "reasoning-gym", "language": "py3langid",
    "sentiment": "vaderSentiment",
}  # fmt: skip


def _code(value: object) -> str:
    """A value as code in a cell of a table: on one line, with what cannot be seen written out."""
    text = str(value).replace("\n", "⏎").replace("|", "\\|")
    text = "".join(c if c.isprintable() else f"⟨U+{ord(c):04X}⟩" for c in text)
    fence = "``" if "`" in text else "`"
    return f"{fence} {text} {fence}" if fence == "``" else f"`{text}`" if text else "(empty)"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(row) + " |\n" for row in rows]
    return "| " + " | ".join(head) + " |\n|" + "---|" * len(head) + "\n" + "".join(lines)


def updated(page: str) -> str:
    """The page with fresh parts between its markers. Raises KeyError for a marker that names no part."""
    parts = {"overview": overview, "library": library, "cases": case_table, "wrong": still_wrong}
    return MARK.sub(lambda match: match[1] + parts[match[2]]() + match[3], page)


def ask_math_verify() -> dict[str, bool]:
    """What math-verify says of the numeric cases, called as its users do: the gold as LaTeX, then the text."""
    from math_verify import parse, verify

    return {
        f"{completion}\0{reference}": bool(verify(parse(f"${reference}$"), parse(completion)))
        for rows in NUMERIC.values()
        for completion, reference, _ in rows
    }


if __name__ == "__main__":
    if "--math-verify" in sys.argv:
        VERDICTS.write_text(json.dumps(ask_math_verify(), indent=0, sort_keys=True) + "\n")
    PAGE.write_text(updated(PAGE.read_text()))
