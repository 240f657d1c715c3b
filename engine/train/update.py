"""The optimizer step: from completions and advantages to changed weights, over micro-batches."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.config import RunConfig
from engine.grpo.loss import LossMetrics, LossScale, policy_loss
from engine.train.forward import Forward, MicroBatch, Row, micro_batches

Check = Callable[[str, bool], None]


@dataclass(frozen=True)
class TokenStats:
    """Per-token arrays of one completion at sampling time, [its length], in nats. `ref_logprobs` may be None."""

    logprobs: Tensor
    entropies: Tensor
    ref_logprobs: Tensor | None


@dataclass(frozen=True)
class UpdateResult:
    """`tokens[i]` belongs to row i. Metrics are those of the last iteration over the batch."""

    tokens: list[TokenStats]
    loss: float
    grad_norm: float
    clip_low: float
    clip_high: float
    skipped: bool


def update_policy(
    forward: Forward,
    optimizer: torch.optim.Optimizer,
    rows: Sequence[Row],
    advantages: Tensor,
    config: RunConfig,
    *,
    check: Check,
) -> UpdateResult:
    """Run config.loss.num_iterations optimizer steps on one batch of completions.

    advantages [B]. `check(detail, may_stop)` is called before each micro-batch; it may raise to stop when `may_stop`
    says that the weights are still those of the step before. An update with a loss or gradient that is not finite is
    left out, and so are the iterations after it: no checkpoint can ever hold NaN weights.
    """
    device = next(parameter for _, parameter in forward.policy.trainable()).device
    batches = list(micro_batches(rows, config.optim.micro_batch_tokens, forward.policy.pad_id, device))
    work = _Work(forward, config, batches, _scale(rows, config), advantages.to(device))
    work.references = _reference_logprobs(forward, batches, check)
    for iteration in range(config.loss.num_iterations):
        optimizer.zero_grad(set_to_none=True)
        loss, metrics = work.accumulate_gradients(check, may_stop=iteration == 0)
        grad_norm = float(torch.nn.utils.clip_grad_norm_(work.parameters, config.optim.max_grad_norm))
        skipped = not (math.isfinite(loss) and math.isfinite(grad_norm))
        if skipped:
            break
        optimizer.step()
    low, high = _clip_shares(metrics)
    return UpdateResult(work.token_stats(), loss, grad_norm, low, high, skipped)


def _scale(rows: Sequence[Row], config: RunConfig) -> LossScale:
    return LossScale(len(rows), sum(len(row.completion) for row in rows), config.rollout.max_completion_length)


@dataclass
class _Work:
    """The micro-batches of one step, and what is known about each: lists below run parallel to `batches`.

    `old` and `entropies` are those of the first pass, when the weights are the ones that sampled: no extra forward
    pass is needed for the old log-probabilities, and on-policy the ratio is exactly 1.
    """

    forward: Forward
    config: RunConfig
    batches: list[MicroBatch]
    scale: LossScale
    advantages: Tensor
    references: list[Tensor] = field(default_factory=list)
    old: list[Tensor] = field(default_factory=list)
    entropies: list[Tensor] = field(default_factory=list)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        return [parameter for _, parameter in self.forward.policy.trainable()]

    def accumulate_gradients(self, check: Check, *, may_stop: bool) -> tuple[float, list[LossMetrics]]:
        """Forward and backward over all micro-batches; the loss of the step and its metrics."""
        loss, metrics = 0.0, []
        for number, batch in enumerate(self.batches):
            check(f"update {number + 1}/{len(self.batches)}", may_stop)
            logprobs, entropy = self.forward(self.forward.policy.model, batch)
            if number == len(self.old):
                self.old.append(logprobs.detach())
                self.entropies.append(entropy)
            part, metric = policy_loss(
                batch.padded(logprobs), batch.padded(self.old[number]), self.advantages[batch.indices], batch.mask,
                config=self.config.loss, scale=self.scale, ref_logprobs=batch.padded(self.references[number]),
            )  # fmt: skip
            part.backward()  # type: ignore[no-untyped-call]
            loss += float(part.detach())
            metrics.append(metric)
        return loss, metrics

    def token_stats(self) -> list[TokenStats]:
        """Per completion, in the order of the step."""
        found: dict[int, TokenStats] = {}
        for batch, *arrays in zip(self.batches, self.old, self.entropies, self.references, strict=True):
            lengths = [len(row.completion) for row in batch.rows]
            parts = [torch.split(array.cpu(), lengths) for array in arrays]
            for index, logprobs, entropy, reference in zip(batch.indices, *parts, strict=True):
                found[index] = TokenStats(logprobs, entropy, reference)
        return [found[index] for index in range(len(found))]


@torch.no_grad()
def _reference_logprobs(forward: Forward, batches: list[MicroBatch], check: Check) -> list[Tensor]:
    with forward.policy.reference() as reference:
        out = []
        for number, batch in enumerate(batches):
            check(f"reference {number + 1}/{len(batches)}", True)
            out.append(forward(reference, batch)[0])
    return out


def _clip_shares(metrics: list[LossMetrics]) -> tuple[float, float]:
    tokens = max(sum(metric.tokens for metric in metrics), 1)
    return sum(m.clip_low for m in metrics) / tokens, sum(m.clip_high for m in metrics) / tokens


def learning_rate_at(step: int, config: RunConfig) -> float:
    """The learning rate of a 1-based step: linear warm-up, then constant, or linear or cosine decay to 0."""
    optim = config.optim
    if step <= optim.warmup_steps:
        return optim.learning_rate * step / optim.warmup_steps
    progress = (step - 1 - optim.warmup_steps) / max(optim.max_steps - optim.warmup_steps, 1)
    if optim.lr_scheduler_type == "linear":
        return optim.learning_rate * (1 - progress)
    if optim.lr_scheduler_type == "cosine":
        return optim.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
    return optim.learning_rate
