"""Teacher-forced log-probabilities of completions: rows packed into micro-batches, the head run only where needed.

b rows, L padded length, T completion tokens, N completion tokens of all rows, H hidden size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.grpo.logprobs import selected_logprobs
from engine.models.policy import Policy


@dataclass(frozen=True)
class Row:
    """One completion with its prompt, as token ids; `index` is its place in the step."""

    index: int
    prompt: Sequence[int]
    completion: Sequence[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class MicroBatch:
    """Rows padded on the right. Causal attention never looks at padding there, so no mask is needed.

    input_ids [b, L], ids [N]; row_of, column_of [N]: where the state stands that predicts each completion token;
    mask [b, T].
    """

    rows: Sequence[Row]
    input_ids: Tensor
    ids: Tensor
    row_of: Tensor
    column_of: Tensor
    mask: Tensor

    @property
    def indices(self) -> list[int]:
        return [row.index for row in self.rows]

    def padded(self, values: Tensor) -> Tensor:
        """[N] values of the completion tokens as [b, T], 0 in the padding."""
        out = values.new_zeros(self.mask.shape)
        return out.masked_scatter(self.mask.bool(), values)


def micro_batches(rows: Sequence[Row], budget: int, pad_id: int, device: torch.device) -> Iterator[MicroBatch]:
    """Rows by length, cut so that each batch holds at most `budget` padded tokens (and at least one row)."""
    pending: list[Row] = []
    for row in sorted(rows, key=len):
        if pending and (len(pending) + 1) * len(row) > budget:
            yield _batch(pending, pad_id, device)
            pending = []
        pending.append(row)
    if pending:
        yield _batch(pending, pad_id, device)


class Forward:
    """Log-probabilities of completions under the policy's model or its reference.

    The fast way runs the decoder alone, and the head at completion tokens only. Some architectures scale or cap what
    the head gives, so it is compared with the whole model on one prompt first; `slow_reason` says why it is not used.
    """

    def __init__(self, policy: Policy, temperature: float, prompt: Sequence[int]) -> None:
        self.policy = policy
        self.temperature = temperature
        self.slow_reason = self._compare(prompt)

    def __call__(self, module: Any, batch: MicroBatch) -> tuple[Tensor, Tensor]:
        """(log-probabilities [N] with gradient, entropies [N]) of the batch's completion tokens, in nats."""
        parts = None if self.slow_reason else self.policy.backbone_and_head(module)
        if parts is None:
            logits = module(input_ids=batch.input_ids, use_cache=False).logits[batch.row_of, batch.column_of]
            return selected_logprobs(logits, nn.Identity(), batch.ids, self.temperature, vocabulary=logits.shape[-1])
        decoder, head = parts
        hidden = decoder(input_ids=batch.input_ids, use_cache=False).last_hidden_state
        states = hidden[batch.row_of, batch.column_of]
        return selected_logprobs(states, head, batch.ids, self.temperature, vocabulary=head.out_features)

    @torch.no_grad()
    def _compare(self, prompt: Sequence[int]) -> str:
        parts = self.policy.backbone_and_head(self.policy.model)
        if parts is None:
            return "this architecture has no separate head"
        decoder, head = parts
        ids = torch.tensor([list(prompt)], device=head.weight.device)
        whole = self.policy.model(input_ids=ids, use_cache=False).logits
        composed = head(decoder(input_ids=ids, use_cache=False).last_hidden_state)
        worst = float((whole - composed).abs().max())
        # The same products in the same order: anything but rounding means that the model does more than that.
        return "" if worst <= 1e-3 else f"its logits differ from its head's by {worst:.2g}"


def _batch(rows: list[Row], pad_id: int, device: torch.device) -> MicroBatch:
    length = max(len(row) for row in rows)
    longest = max(len(row.completion) for row in rows)
    input_ids = torch.full((len(rows), length), pad_id, dtype=torch.long)
    mask = torch.zeros(len(rows), longest)
    row_of: list[int] = []
    column_of: list[int] = []
    for place, row in enumerate(rows):
        input_ids[place, : len(row)] = torch.tensor([*row.prompt, *row.completion], dtype=torch.long)
        mask[place, : len(row.completion)] = 1.0
        row_of += [place] * len(row.completion)
        column_of += range(len(row.prompt) - 1, len(row) - 1)
    ids = torch.tensor([token for row in rows for token in row.completion], dtype=torch.long)
    return MicroBatch(
        rows, input_ids.to(device), ids.to(device), torch.tensor(row_of, device=device),
        torch.tensor(column_of, device=device), mask.to(device),
    )  # fmt: skip
