"""Sampling from a causal language model: prefill each prompt once, then decode all its completions together.

Randomness is one uniform number per completion and position, drawn from a seed before decoding starts. A row's tokens
therefore depend neither on which other rows are still running nor on how many are sampled at once.

P prompts, G completions each, B = P·G rows in group order, T completion tokens, V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from engine.rollout.stop_strings import StopStrings
from engine.runs.records import FinishReason


@dataclass(frozen=True)
class SamplingParams:
    """How to sample; the names are those of RolloutConfig."""

    temperature: float
    max_completion_length: int
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0


@dataclass(frozen=True)
class Completions:
    """B completions in group order: `ids` without padding, end token included; `reasons` says what ended each."""

    ids: list[list[int]]
    reasons: list[FinishReason]

    @property
    def ended(self) -> list[bool]:
        """Whether each completion ended by itself, and was not cut off by the limit."""
        return [reason != "length" for reason in self.reasons]


@dataclass(frozen=True)
class Part:
    """What is sampled at once: `group_size` rows for each of these prompts; rows `first_row` and on of the batch."""

    prompts: Sequence[Sequence[int]]
    group_size: int
    first_row: int


@torch.no_grad()
def sample_completions(
    model: Any,
    prompts: Sequence[Sequence[int]],
    group_size: int,
    params: SamplingParams,
    *,
    eos_ids: frozenset[int],
    pad_id: int,
    seed: int,
    stop: StopStrings | None = None,
    max_batch_tokens: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Completions:
    """Draw `group_size` completions for each prompt (token ids), at most params.max_completion_length tokens long.

    A completion ends with a token of `eos_ids`, at a string of `stop`, or at the limit.
    At most `max_batch_tokens` tokens, padding included, are sampled at once, but always one row. Before each decoding
    step `progress` hears where sampling is, such as "token 3 of at most 64"; it may raise to stop.
    """
    device = model.get_input_embeddings().weight.device
    limit = params.max_completion_length
    uniforms = _uniforms(len(prompts) * group_size, limit, seed).to(device)
    parts = list(sampled_at_once(prompts, group_size, limit, max_batch_tokens))
    drawn: list[list[int]] = []
    reasons: list[FinishReason] = []
    for number, part in enumerate(parts):
        where = f", part {number + 1} of {len(parts)}" if len(parts) > 1 else ""

        def say(token: int, where: str = where) -> None:
            if progress is not None:
                progress(f"token {token + 1} of at most {limit}{where}")

        found = _sample_part(model, part, uniforms[part.first_row :], params, eos_ids, pad_id, stop, say)
        drawn += found.ids
        reasons += found.reasons
    return Completions(drawn, reasons)


def sampled_at_once(
    prompts: Sequence[Sequence[int]], group_size: int, completion_limit: int, max_tokens: int | None
) -> Iterator[Part]:
    """The batch in parts, in order, so that rows × (longest prompt + completion_limit) stay within max_tokens.

    A part is some whole groups, or, where one group is too large by itself, some rows of it: at least one.
    """
    pending: list[Sequence[int]] = []
    first = longest = 0
    for place, prompt in enumerate(prompts):
        together = (len(pending) + 1) * group_size * (max(longest, len(prompt)) + completion_limit)
        if pending and max_tokens is not None and together > max_tokens:
            yield Part(pending, group_size, first * group_size)
            pending, first, longest = [], place, 0
        alone = len(prompt) + completion_limit
        if max_tokens is not None and group_size * alone > max_tokens:
            most = max(max_tokens // alone, 1)
            for row in range(0, group_size, most):
                yield Part([prompt], min(most, group_size - row), place * group_size + row)
            first = place + 1
            continue
        pending, longest = [*pending, prompt], max(longest, len(prompt))
    if pending:
        yield Part(pending, group_size, first * group_size)


def _sample_part(
    model: Any, part: Part, uniforms: Tensor, params: SamplingParams, eos_ids: frozenset[int], pad_id: int,
    stop: StopStrings | None, say: Callable[[int], None],
) -> Completions:  # fmt: skip
    """uniforms [rows of the part or more, T]."""
    rows = len(part.prompts) * part.group_size
    state = _Decoding(model, part.prompts, part.group_size, pad_id, uniforms.device)
    eos = torch.tensor(sorted(eos_ids), device=uniforms.device)
    drawn: list[list[int]] = [[] for _ in range(rows)]
    reasons: list[FinishReason] = ["length"] * rows
    for position in range(params.max_completion_length):
        say(position)
        tokens = draw(state.logits, uniforms[state.rows, position], params)
        running = state.rows.tolist()
        for row, token, is_eos in zip(running, tokens.tolist(), torch.isin(tokens, eos).tolist(), strict=True):
            drawn[row].append(token)
            if is_eos:
                reasons[row] = "eos"
            elif stop is not None and stop.ended(drawn[row]):
                reasons[row] = "stop"
        keep = [reasons[row] == "length" for row in running]
        if not any(keep) or position + 1 == params.max_completion_length:
            break
        state.advance(tokens, keep=torch.tensor(keep, device=uniforms.device))
    return Completions(drawn, reasons)


@torch.no_grad()
def decoding_error(model: Any, prompt: Sequence[int], pad_id: int) -> float:
    """Largest difference in nats between cached decoding, as it is done here, and the whole model without a cache.

    Compares the distribution after one decoded token, for two prompts of different lengths. Architectures whose cache
    is of another kind give a large number, or raise.
    """
    device = model.get_input_embeddings().weight.device
    prompts = [list(prompt), list(prompt[-1:])]
    state = _Decoding(model, prompts, 1, pad_id, device)
    token = prompt[0]
    state.advance(torch.tensor([token, token], device=device), torch.tensor([True, True], device=device))
    found = state.logits.float().log_softmax(dim=-1)
    worst = 0.0
    for row, ids in enumerate(prompts):
        whole = model(input_ids=torch.tensor([[*ids, token]], device=device), use_cache=False).logits[0, -1].float()
        worst = max(worst, float((found[row] - whole.log_softmax(dim=-1)).abs().max()))
    return worst


def draw(logits: Tensor, uniforms: Tensor, params: SamplingParams) -> Tensor:
    """One token per row by inverting the cumulative distribution at `uniforms`.

    logits [B, V], uniforms [B] in [0, 1); returns ids [B]. torch.multinomial gives the same distribution, and takes
    22 ms a call on a vocabulary of 49k where this takes under 1.
    """
    probabilities = torch.softmax(_filtered(logits.float() / params.temperature, params), dim=-1)
    cumulative = probabilities.cumsum(dim=-1)
    # Rounding leaves the last value near 1, not at it: scale the threshold rather than the distribution.
    last = cumulative[:, -1:]
    # Below the last value even after rounding, so that no token without probability is drawn at the end.
    threshold = torch.minimum(uniforms[:, None] * last, torch.nextafter(last, torch.zeros_like(last)))
    return torch.searchsorted(cumulative, threshold, right=True)[:, 0]


def _filtered(logits: Tensor, params: SamplingParams) -> Tensor:
    """Logits with what top-k, min-p and top-p leave out at −inf. The likeliest token always stays."""
    if params.top_k:
        kth = logits.topk(min(params.top_k, logits.shape[-1]), dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < kth, -torch.inf)
    if params.min_p:
        floor = logits.amax(dim=-1, keepdim=True) + torch.tensor(params.min_p).log()
        logits = logits.masked_fill(logits < floor, -torch.inf)
    if params.top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True)
        before = torch.softmax(ordered, dim=-1).cumsum(dim=-1) - torch.softmax(ordered, dim=-1)
        dropped = torch.zeros_like(before, dtype=torch.bool).scatter(1, order, before >= params.top_p)
        logits = logits.masked_fill(dropped, -torch.inf)
    return logits


def _uniforms(rows: int, length: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(rows, length, generator=generator, dtype=torch.float32)


class _Decoding:
    """The running rows of a batch: their KV cache, attention mask and next-token logits. Finished rows leave it."""

    def __init__(
        self, model: Any, prompts: Sequence[Sequence[int]], group_size: int, pad_id: int, device: torch.device
    ) -> None:
        self.model = model
        ids, mask = _left_padded(prompts, pad_id, device)
        self.cache = DynamicCache(config=model.config)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        output = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.cache.batch_repeat_interleave(group_size)
        self.logits = output.logits[:, -1].repeat_interleave(group_size, dim=0)
        self.mask = mask.repeat_interleave(group_size, dim=0)
        self.position = positions[:, -1].repeat_interleave(group_size) + 1
        self.rows = torch.arange(len(prompts) * group_size, device=device)

    def advance(self, tokens: Tensor, keep: Tensor) -> None:
        """Feed the drawn tokens of the rows in `keep` ([rows] bool), and drop the others."""
        if not bool(keep.all()):
            index = keep.nonzero()[:, 0]
            self.cache.batch_select_indices(index)
            tokens, self.mask, self.rows = tokens[index], self.mask[index], self.rows[index]
            self.position = self.position[index]
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        output = self.model(
            input_ids=tokens[:, None],
            attention_mask=self.mask,
            position_ids=self.position[:, None],
            past_key_values=self.cache,
            use_cache=True,
        )
        self.position = self.position + 1
        self.logits = output.logits[:, -1]


def _left_padded(prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Prompts [P, L] aligned at their ends, and the mask of real tokens."""
    length = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), length), pad_id, dtype=torch.long)
    mask = torch.zeros(len(prompts), length, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, length - len(prompt) :] = torch.tensor(prompt, dtype=torch.long)
        mask[row, length - len(prompt) :] = 1
    return ids.to(device), mask.to(device)
