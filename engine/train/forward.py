"""Teacher-forced log-probabilities of completions: each prompt is run once for all its completions.

The completions of a group attend to the keys and values of their shared prompt, with gradient; that is the same loss
with a fraction of the tokens. The head runs at completion tokens only.

P prompts of padded length L, b rows (completions), T completion tokens, N completion tokens of all rows, H hidden size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from engine.grpo.logprobs import TokenValues, selected_logprobs
from engine.models.policy import Policy

# Two ways to the same numbers differ by rounding, in nats: a 30-layer model in float32 by about 1e-4. bfloat16 keeps 8
# bits, so a logit of 20 is already rounded by 0.06; a wrong cache or head is off by several nats.
AGREEMENT = {torch.float32: 1e-2, torch.bfloat16: 0.5}


@dataclass(frozen=True)
class Row:
    """One completion, as token ids, with the prompt that its `group` shares; `index` is its place in the step."""

    index: int
    group: int
    prompt: Sequence[int]
    completion: Sequence[int]


@dataclass(frozen=True)
class MicroBatch:
    """Rows with their distinct prompts, both padded on the right.

    prompt_ids, prompt_mask [P, L]; completion_ids, mask [b, T]; owner [b]: the prompt of each row.
    """

    rows: Sequence[Row]
    prompt_ids: Tensor
    prompt_mask: Tensor
    completion_ids: Tensor
    mask: Tensor
    owner: Tensor

    @property
    def indices(self) -> list[int]:
        return [row.index for row in self.rows]

    @property
    def ids(self) -> Tensor:
        """[N] completion tokens, row by row."""
        return self.completion_ids[self.mask.bool()]

    def padded(self, values: Tensor) -> Tensor:
        """[N] values of the completion tokens as [b, T], 0 in the padding."""
        return values.new_zeros(self.mask.shape).masked_scatter(self.mask.bool(), values)


def micro_batches(rows: Sequence[Row], budget: int, pad_id: int, device: torch.device) -> Iterator[MicroBatch]:
    """Rows cut so that each batch holds at most `budget` padded tokens, prompts counted once (and at least one row).

    Groups stay together as far as the budget allows, and groups of like length come together, so padding is rare.
    """
    longest: dict[int, int] = {}
    for row in rows:
        longest[row.group] = max(longest.get(row.group, 0), len(row.completion))
    pending: list[Row] = []
    for row in sorted(rows, key=lambda row: (longest[row.group], row.group, len(row.completion))):
        if pending and _padded_tokens([*pending, row]) > budget:
            yield _batch(pending, pad_id, device)
            pending = []
        pending.append(row)
    if pending:
        yield _batch(pending, pad_id, device)


class Forward:
    """Log-probabilities of completions under the policy's model or its reference.

    Some architectures scale or cap what the head gives, or keep a cache of another kind, so the fast way is compared
    with the whole model on a small batch first; `slow_reason` says why it is not used.
    """

    def __init__(self, policy: Policy, temperature: float, prompt: Sequence[int]) -> None:
        self.policy = policy
        self.temperature = temperature
        self.slow_reason = self._compare(prompt)

    def __call__(
        self, module: Any, batch: MicroBatch, *, entropy_gradient: bool = False, num_alternatives: int = 0
    ) -> TokenValues:
        """Of the batch's completion tokens: log-probabilities with gradient, entropies, and what else was likely."""
        head: Any
        parts = None if self.slow_reason else self.policy.backbone_and_head(module)
        if parts is None:
            states = _whole_model_logits(module, batch, self.policy.pad_id)
            head, vocabulary = nn.Identity(), states.shape[-1]
        else:
            decoder, head = parts
            states, vocabulary = _shared_prompt_states(decoder, batch), head.out_features
        return selected_logprobs(
            states, head, batch.ids, self.temperature,
            vocabulary=vocabulary, entropy_gradient=entropy_gradient, num_alternatives=num_alternatives,
        )  # fmt: skip

    @torch.no_grad()
    def _compare(self, prompt: Sequence[int]) -> str:
        parts = self.policy.backbone_and_head(self.policy.model)
        if parts is None:
            return "this architecture has no separate head"
        decoder, head = parts
        if getattr(decoder.config, "sliding_window", None):
            return "its attention has a sliding window, which padding between prompt and completion would shorten"
        tail = list(prompt[-4:])
        rows = [Row(0, 0, prompt, tail), Row(1, 0, prompt, tail[:1]), Row(2, 1, tail, [*tail, *tail])]
        (batch,) = micro_batches(rows, 10**9, self.policy.pad_id, head.weight.device)
        try:
            fast = head(_shared_prompt_states(decoder, batch)).float()
        except (TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            return f"it keeps no cache that completions can share ({type(error).__name__}: {str(error)[:200]})"
        whole = _whole_model_logits(self.policy.model, batch, self.policy.pad_id).float()
        worst = float((fast.log_softmax(-1) - whole.log_softmax(-1)).abs().max())
        return "" if worst <= AGREEMENT[head.weight.dtype] else f"the two ways differ by {worst:.2g} nats"


def _shared_prompt_states(decoder: Any, batch: MicroBatch) -> Tensor:
    """[N, H]: the states that predict the completion tokens, row by row."""
    cache = DynamicCache(config=decoder.config)
    # Causal attention of a real token never looks at padding on its right, so the prompts need no mask.
    prompt: Tensor = decoder(input_ids=batch.prompt_ids, past_key_values=cache, use_cache=True).last_hidden_state
    lengths = batch.prompt_mask.sum(dim=1)
    first = prompt[torch.arange(len(lengths), device=lengths.device), lengths - 1][batch.owner][:, None]
    if batch.completion_ids.shape[1] == 1:
        return first[batch.mask.bool()]
    cache.batch_select_indices(batch.owner)
    inputs = batch.completion_ids[:, :-1]
    positions = lengths[batch.owner][:, None] + torch.arange(inputs.shape[1], device=inputs.device)
    seen = torch.cat([batch.prompt_mask[batch.owner], torch.ones_like(inputs)], dim=1)
    later = decoder(
        input_ids=inputs, attention_mask=seen, position_ids=positions, past_key_values=cache, use_cache=True
    ).last_hidden_state
    return torch.cat([first, later], dim=1)[batch.mask.bool()]


def _whole_model_logits(module: Any, batch: MicroBatch, pad_id: int) -> Tensor:
    """[N, V]: the same tokens' logits from whole sequences, prompt and completion, without a cache."""
    sequences = [[*row.prompt, *row.completion] for row in batch.rows]
    ids = _right_padded(sequences, pad_id).to(batch.mask.device)
    logits: Tensor = module(input_ids=ids, use_cache=False).logits
    parts = [
        logits[place, len(row.prompt) - 1 : len(row.prompt) + len(row.completion) - 1]
        for place, row in enumerate(batch.rows)
    ]
    return torch.cat(parts)


def _padded_tokens(rows: Sequence[Row]) -> int:
    prompts = {row.group: len(row.prompt) for row in rows}
    return len(prompts) * max(prompts.values()) + len(rows) * max(len(row.completion) for row in rows)


def _batch(rows: list[Row], pad_id: int, device: torch.device) -> MicroBatch:
    prompts = {row.group: row.prompt for row in rows}
    place = {group: number for number, group in enumerate(prompts)}
    return MicroBatch(
        rows=rows,
        prompt_ids=_right_padded(list(prompts.values()), pad_id).to(device),
        prompt_mask=_lengths_mask([len(prompt) for prompt in prompts.values()]).to(device),
        completion_ids=_right_padded([row.completion for row in rows], pad_id).to(device),
        mask=_lengths_mask([len(row.completion) for row in rows]).float().to(device),
        owner=torch.tensor([place[row.group] for row in rows], device=device),
    )


def _right_padded(sequences: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    ids = torch.full((len(sequences), max(map(len, sequences))), pad_id, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence, dtype=torch.long)
    return ids


def _lengths_mask(lengths: Sequence[int]) -> Tensor:
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
