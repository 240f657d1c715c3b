"""Does a prompt show its answer? A rule that knows that short answers occur in prompts by themselves.

An answer of at least LONG characters or LONG_WORDS words counts wherever it stands, between characters that are neither
letters nor digits. A shorter one, such as 2 or "yes", counts only after words that announce an answer: "answer: 2",
"the answer is 2", "#### 2", "\\boxed{2}", "<answer>2</answer>". So the 2 in "12 + 2" is no leak, nor is it in "a 2".
A choice gives nothing away: "Answer yes or no", "Answer: A, B or C", "answer: true/false".
"""

import re

LONG, LONG_WORDS = 24, 4
_ANNOUNCED = r"(?:\banswer(?:\s+is\s*[:=]?|\s*[:=])|####|\\boxed\{|<answer>)"
_CHOICE = r"(?![\"'`$*]* ?(?:[/|]|,[^.?!]{0,80}\bor\b|or\b))"  # one of several, which go on after it
_SPACE = re.compile(r"\s+")


def shows_answer(question: str, answer: str | None) -> bool:
    """Whether the question gives its answer away."""
    if answer is None:
        return False
    text, wanted = _flat(question), _flat(answer)
    if not wanted or wanted not in text:
        return False
    before, after = r"(?<!\w)" if wanted[0].isalnum() else "", r"(?![\w]|[.,]\d)" if wanted[-1].isalnum() else ""
    there = f"{before}{re.escape(wanted)}{after}"
    if len(wanted) >= LONG or len(wanted.split(" ")) >= LONG_WORDS:
        return re.search(there, text) is not None
    return re.search(f"{_ANNOUNCED} ?[\"'`$*]*{there}{_CHOICE}", text) is not None


def _flat(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold()
