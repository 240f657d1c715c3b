"""Looks at a folder's tokenizer files before a library reads them: sizes, patterns and replacements that would blow up.

Tokenizers are data that acts as a program: a pattern may take exponential time, and replacements may double a text
again and again. What no tokenizer of a real model has is refused here; light, JSON only.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import ModelError

MAX_FILE_BYTES = 64 * 2**20  # the largest tokenizer.json of known models, with 262,144 tokens, has 35 MB
MAX_ADDED_TOKENS = 20_000  # known models have up to 7,000
MAX_ADDED_CHARACTERS = 1000  # of one added token
MAX_PATTERN = 5000  # characters; GPT-4's, the longest in wide use, has 300
MAX_GROWTH = 64  # of a text, by all replacements together; known ones put one character for one

_SUFFIXES = (".json", ".txt", ".model", ".jinja")
# A group that repeats without end, around something that does: (a+)+ tries every way to cut a text into pieces.
_OPEN_REPEAT = re.compile(r"[*+]|\{\d+,\}")


def check_tokenizer(folder: Path) -> None:
    """Raises ModelError for the first thing in the tokenizer's files that would take memory or time without bound."""
    for path in sorted(folder.iterdir()):
        if path.suffix in _SUFFIXES and path.is_file() and path.stat().st_size > MAX_FILE_BYTES:
            raise _refused(path, f"it has {path.stat().st_size:,} bytes, and at most {MAX_FILE_BYTES:,} are read")
    path = folder / "tokenizer.json"
    if not path.is_file():
        return
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"it does not hold valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise _refused(path, "it does not hold a JSON object")
    _check_added_tokens(path, content.get("added_tokens"))
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        _check_steps(path, part, list(_objects(content.get(part))))


def _check_added_tokens(path: Path, tokens: Any) -> None:
    tokens = tokens if isinstance(tokens, list) else []
    if len(tokens) > MAX_ADDED_TOKENS:
        raise _refused(path, f"it adds {len(tokens):,} tokens")
    for token in tokens:
        text = token.get("content") if isinstance(token, dict) else None
        if isinstance(text, str) and len(text) > MAX_ADDED_CHARACTERS:
            raise _refused(path, f"it adds a token of {len(text):,} characters")


def _check_steps(path: Path, part: str, steps: list[dict[str, Any]]) -> None:
    growth = 1
    for step in steps:
        pattern = step.get("Regex")
        if isinstance(pattern, str) and (len(pattern) > MAX_PATTERN or repeats_in_repeats(pattern)):
            raise _refused(path, f"the pattern {pattern[:60]!r} of its {part} may take exponential time")
        text = step.get("content" if step.get("type") == "Replace" else "prepend")
        growth *= max(1, len(text)) if isinstance(text, str) else 1
        if growth > MAX_GROWTH:
            raise _refused(path, f"its {part} makes a text more than {MAX_GROWTH} times as long")


def repeats_in_repeats(pattern: str) -> bool:
    """Whether a group of the pattern repeats without end, and something inside it does too.

    Reads escapes and character classes as such; what else the pattern says does not matter.
    """
    plain = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "x", pattern, flags=re.S)
    opened: list[int] = []
    for place, character in enumerate(plain):
        if character == "(":
            opened.append(place)
        elif character == ")" and opened:
            inside = plain[opened.pop() + 1 : place]
            if _OPEN_REPEAT.match(plain, place + 1) and _OPEN_REPEAT.search(inside):
                return True
    return False


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a parsed JSON value, from the outside in."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            yield here
            waiting += here.values()
        elif isinstance(here, list):
            waiting += here


def _refused(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path} cannot be used: {reason}.", hint="Use the tokenizer that belongs to the model.")
