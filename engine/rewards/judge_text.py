"""What a judge reads: the rubric with a row's texts, as tokens. No text of a row can become a turn of its chat.

The chat template is rendered around a placeholder, so that its markers come from it alone. The text that stands there
is cut into tokens by itself, and a marker in it is taken apart into ordinary letters. Where a template marks turns with
plain words, as [INST] of old models, there is nothing to take apart: a text can imitate them.
"""

import re
from collections.abc import Iterator
from typing import Any

from engine.rewards.protocol import Failed

PLACES = ("{prompt}", "{completion}", "{answer}")
PLACEHOLDER = "\ue000text\ue001"  # of a private area: no template has it


def filled(rubric: str, prompt: str, completion: str, answer: str | None) -> str | None:
    """The rubric with the row's texts; None where it asks for an answer that the row lacks. What a text contains is
    never filled in again."""
    if "{answer}" in rubric and answer is None:
        return None
    texts = dict(zip(PLACES, (prompt, completion, answer or ""), strict=True))
    parts = [rubric]
    for place in PLACES:
        parts = [piece for part in parts for piece in _split_around(part, place)]
    return "".join(texts.get(part, part) for part in parts)


def _split_around(part: str, place: str) -> list[str]:
    if part in PLACES:
        return [part]
    pieces = part.split(place)
    return [piece for index, text in enumerate(pieces) for piece in ((place, text) if index else (text,))]


def question_ids(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a chat in which the user says this text and the assistant is to answer; without a template, of the
    text. Raises ValueError where the template does not show what the user says once, and Failed as plain_ids does.
    """
    if not tokenizer.chat_template:
        return open_ids(tokenizer, text)
    message = [{"role": "user", "content": PLACEHOLDER}]
    asked = str(tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False))
    if asked.count(PLACEHOLDER) != 1:
        raise ValueError("the judge's chat template does not show the user's message as it is, once")
    before, after = (tokenizer.encode(part, add_special_tokens=False) for part in asked.split(PLACEHOLDER))
    return [*before, *plain_ids(tokenizer, text), *after]


def open_ids(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a text that goes on: after what the tokenizer begins texts with, and at least one to go on from."""
    opening = list(tokenizer.encode(""))
    opening = opening[:-1] if opening and opening[-1] == tokenizer.eos_token_id != tokenizer.bos_token_id else opening
    start = next(token for token in (tokenizer.bos_token_id, tokenizer.eos_token_id, 0) if token is not None)
    return [*opening, *plain_ids(tokenizer, text)] or [start]


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a text of which none is a marker: its special tokens, and added ones that its template writes.

    Raises Failed where one comes up all the same, as with a tokenizer that finds markers in other letters.
    """
    markers = _markers(tokenizer)
    pieces = _without(text, set(markers))
    ids = [token for piece in pieces for token in tokenizer.encode(piece, add_special_tokens=False)]
    left = set(ids) - {tokenizer.unk_token_id}  # that is what any letter may be that the tokenizer does not know
    if found := sorted(name for name, token in markers.items() if token in left):
        raise Failed(f"the text holds {found[0]!r}, a marker of the judge's own that cannot be taken apart")
    return ids


def _markers(tokenizer: Any) -> dict[str, int]:
    template = str(tokenizer.chat_template or "")
    special = set(tokenizer.all_special_ids)
    return {
        added.content: token
        for token, added in tokenizer.added_tokens_decoder.items()
        # Line breaks are tokens of their own in some tokenizers, and in every template: they open no turn.
        if added.special or token in special or (added.content.strip() and added.content in template)
    }


def _without(text: str, markers: set[str]) -> Iterator[str]:
    """The text in pieces, cut after the first letter of each marker in it."""
    longest_first = sorted(markers, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
    start = 0
    while found := pattern.search(text, start):
        yield text[start : found.start() + 1]
        start = found.start() + 1
    yield text[start:]
