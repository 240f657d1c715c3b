"""Turns examples into what the model reads: chat template or plain text, as tokens. Needs a tokenizer, so not light."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import FrameType
from typing import Any

from engine.config import ModelConfig
from engine.data.example import Dataset, Example
from engine.data.filters import TOO_LONG
from engine.data.table import Faults
from engine.errors import DatasetError, ModelError
from engine.machine import memory_limit

BATCH = 1000  # prompts tokenized at once
TEMPLATE_LIMIT_S = 5.0  # for one prompt; templates take microseconds, and one that loops would hang the run
TEMPLATE_LIMIT_BYTES = 2**30  # on top of what the process has; 'a' * 10**10 is a template, too
MAX_RENDERED = 4_000_000  # characters of one prompt, with a million tokens
ADDED_TOKENS = 8  # more than any tokenizer puts around a text


@dataclass(frozen=True)
class Rendered:
    """A prompt as the model reads it. `messages` is the conversation, None when no chat template is used."""

    text: str
    ids: list[int]
    messages: list[dict[str, str]] | None


class Renderer:
    """Renders prompts with a tokenizer; the chat template is used when the settings ask for it or it is there."""

    def __init__(self, tokenizer: Any, model: ModelConfig) -> None:
        """`tokenizer` is a transformers tokenizer. Raises ModelError when a chat template is needed and missing."""
        has_template = bool(tokenizer.chat_template)
        self._tokenizer = tokenizer
        self._system_prompt = model.system_prompt
        self.uses_chat_template = has_template if model.chat_template is None else model.chat_template
        if self.uses_chat_template and not has_template:
            raise ModelError(
                "The chat template is on, but this model's tokenizer has none.",
                hint="Turn it off, or choose an instruct model.",
                field="model.chat_template",
            )
        if model.system_prompt and not self.uses_chat_template:
            raise ModelError(
                "There is a system prompt, but this model's tokenizer has no chat template to put it in.",
                hint="Put the text into the prompt template, or choose an instruct model.",
                field="model.system_prompt",
            )

    def render(self, example: Example) -> Rendered:
        """Raises DatasetError when the prompt has no tokens, ModelError when the chat template fails."""
        return self.render_all([example])[0]

    def render_all(self, examples: Sequence[Example]) -> list[Rendered]:
        """Like `render`, for many examples at once."""
        messages = [self._messages(example) for example in examples]
        texts = [self._text(example, message) for example, message in zip(examples, messages, strict=True)]
        ids = self._tokens(texts)
        for example, tokens in zip(examples, ids, strict=True):
            if not tokens:
                raise DatasetError(f"The tokenizer finds no token in the prompt {example.prompt[:60]!r}.")
        return [Rendered(*parts) for parts in zip(texts, ids, messages, strict=True)]

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """Tokens of each prompt as the model reads it."""
        return [len(rendered.ids) for rendered in self.render_all(examples)]

    def surely_fits(self, example: Example, room: int) -> bool:
        """Whether the prompt cannot have more tokens than `room`, seen without tokenizing it.

        A character of ASCII makes at most one token; False says nothing.
        """
        text = self._text(example, self._messages(example))
        return len(text) + ADDED_TOKENS <= room and text.isascii()

    def unknown_share(self, examples: Sequence[Example]) -> float:
        """Share of the prompts' tokens that stand for something the tokenizer does not know."""
        tokenizer = self._tokenizer
        unknown = tokenizer.unk_token_id
        if unknown is None or unknown in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
            return 0.0
        tokens = [token for rendered in self.render_all(examples) for token in rendered.ids]
        return tokens.count(unknown) / max(len(tokens), 1)

    def answer_lengths(self, examples: Sequence[Example]) -> list[int]:
        """Tokens of each reference answer, where there is one."""
        answers = [example.answer for example in examples if example.answer is not None]
        ids: list[list[int]] = self._tokenizer(answers, add_special_tokens=False)["input_ids"] if answers else []
        return [len(tokens) for tokens in ids]

    def _messages(self, example: Example) -> list[dict[str, str]] | None:
        if not self.uses_chat_template:
            return None
        turns = [dict(turn) for turn in example.messages or ({"role": "user", "content": example.prompt},)]
        if not self._system_prompt or turns[0]["role"] == "system":  # what a conversation says itself goes first
            return turns
        return [{"role": "system", "content": self._system_prompt}, *turns]

    def _text(self, example: Example, messages: list[dict[str, str]] | None) -> str:
        if messages is None:
            return example.prompt
        try:
            with _time_limit(TEMPLATE_LIMIT_S), memory_limit(TEMPLATE_LIMIT_BYTES):
                text = str(self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
            return _require_length(text)
        except Exception as error:  # a template is a program from the model's folder: it may raise anything
            raise ModelError(
                f"The model's chat template failed: {_said(error)}.",
                hint="Some templates refuse a system prompt. Leave it empty, or turn the chat template off.",
                field="model.chat_template",
            ) from None

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        """Tokens of each text. A chat template writes its own special tokens; plain text gets the tokenizer's.

        An end token that the tokenizer appends is removed: a completion cannot follow the end.
        """
        ids: list[list[int]] = self._tokenizer(texts, add_special_tokens=not self.uses_chat_template)["input_ids"]
        end, end_text = self._tokenizer.eos_token_id, self._tokenizer.eos_token
        if self.uses_chat_template or end is None:
            return ids
        return [
            tokens[:-1] if tokens and tokens[-1] == end and not text.endswith(end_text) else tokens
            for text, tokens in zip(texts, ids, strict=True)
        ]


def _require_length(text: str) -> str:
    """Raises ValueError for a text whose tokens alone would fill the memory."""
    if len(text) > MAX_RENDERED:
        raise ValueError(f"it makes {len(text):,} characters of one prompt")
    return text


def _said(error: Exception) -> str:
    return "it takes too much memory for one prompt" if isinstance(error, MemoryError) else str(error)[:500]


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raises TimeoutError inside the block when it takes longer. Only the main thread can be interrupted so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_signum: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"it takes longer than {seconds:g} s for one prompt")

    before = signal.signal(signal.SIGALRM, ring)
    # Again and again: Jinja swallows what is raised while it folds constants, and then computes them once more.
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def drop_long(dataset: Dataset, renderer: Renderer, max_tokens: int | None) -> Dataset:
    """The dataset without prompts of more tokens. Raises DatasetError when too few are left."""
    if max_tokens is None:
        return dataset

    def keep(examples: Sequence[Example]) -> list[bool]:
        fits = [renderer.surely_fits(example, max_tokens) for example in examples]
        doubtful = [example for example, fit in zip(examples, fits, strict=True) if not fit]
        lengths = iter(renderer.lengths(doubtful) if doubtful else ())
        return [fit or next(lengths) <= max_tokens for fit in fits]

    return dataset.only(keep, TOO_LONG)


def check_lengths(renderer: Renderer, dataset: Dataset, context_length: int | None, max_completion_length: int) -> None:
    """Raises DatasetError naming the rows whose prompt leaves no room in the model's context for a whole completion.

    Looks at every row of a file. `context_length` None: the model names no limit.
    """
    if context_length is None:
        return
    room, faults = context_length - max_completion_length, Faults()
    doubtful = (row for row in dataset.examples() if not renderer.surely_fits(row[1], room))
    while batch := list(islice(doubtful, BATCH)):
        for (where, _), rendered in zip(batch, renderer.render_all([example for _, example in batch]), strict=True):
            if len(rendered.ids) > room:
                faults.add(
                    where,
                    f"the prompt has {len(rendered.ids):,} tokens; with {max_completion_length:,} for the completion "
                    f"that is more than the model's context of {context_length:,}.",
                )
    faults.raise_any("Shorten these prompts, lower the completion limit, or choose a model with a longer context.")
