"""The optimizer updates of one step: from completions and advantages to changed weights, over micro-batches."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from engine.config import RunConfig
from engine.config_loss import has_entropy_bonus, updates_per_batch
from engine.grpo.advantages import NO_ADVANTAGE
from engine.grpo.aggregate import LossScale
from engine.grpo.entropy_control import EntropyControl
from engine.grpo.logprobs import TokenValues
from engine.grpo.loss import policy_loss
from engine.grpo.masks import entropy_mask, entropy_threshold
from engine.grpo.metrics import LossMetrics
from engine.seeds import derive_seed
from engine.train.forward import Forward, MicroBatch, Row, micro_batches

Check = Callable[[str, bool], None]

# Nats by which entropies that are equal come out differently, such as those of a group's first tokens: all are kept.
ENTROPY_ROUNDING = 1e-5


@dataclass(frozen=True)
class TokenStats:
    """Per-token arrays of one completion of T tokens, in nats: at sampling time, but for `update_logprobs`, which are
    those at the last of several updates that used it; None with a single one, and where no update used it. The K
    likeliest tokens, best first: `alternative_ids`, `alternative_logprobs` [T, K]. `ref_logprobs` may be None.
    """

    logprobs: Tensor
    entropies: Tensor
    ref_logprobs: Tensor | None
    update_logprobs: Tensor | None
    alternative_ids: Tensor
    alternative_logprobs: Tensor


@dataclass(frozen=True)
class Lesson:
    """What a step teaches: B completions with their advantages, [B], or [B, T] under process supervision.

    counted [B]: whether the loss counts this completion's tokens at all; a masked truncated one it does not.
    """

    rows: Sequence[Row]
    advantages: Tensor
    counted: Sequence[bool]

    def has_advantage(self, row: Row) -> bool:
        """Whether this completion differs from its group; one whose advantage is not finite does."""
        return bool(~(self.advantages[row.index].abs() <= NO_ADVANTAGE).all())


@dataclass(frozen=True)
class UpdateResult:
    """`tokens[i]` belongs to row i. loss, grad_norm, and the entropy bonus that the loss has taken off, are means over
    the step's updates; metrics are their sum.
    """

    tokens: list[TokenStats]
    loss: float
    grad_norm: float
    bonus: float
    metrics: LossMetrics
    skipped: bool
    control: EntropyControl


def update_policy(
    forward: Forward,
    optimizer: torch.optim.Optimizer,
    lesson: Lesson,
    config: RunConfig,
    *,
    seed: int,
    control: EntropyControl,
    check: Check,
) -> UpdateResult:
    """Run config.loss.num_iterations × num_minibatches optimizer updates on one step's completions.

    `seed` deals groups into mini-batches. `check(detail, may_stop)` is called before each micro-batch; it may raise to
    stop when `may_stop` says that the weights are still those of the step before. An update with a loss or gradient
    that is not finite is left out, and so are those after it: no checkpoint can ever hold NaN weights.
    """
    work = _Work(forward, config, lesson, control, check)
    work.measure_before_updates()
    losses: list[float] = []
    norms: list[float] = []
    bonuses: list[float] = []
    skipped = False
    for rows in _deal(lesson.rows, config, seed):
        optimizer.zero_grad(set_to_none=True)
        loss, bonus = work.accumulate_gradients(rows)
        losses.append(loss)
        bonuses.append(bonus)
        norms.append(float(torch.nn.utils.clip_grad_norm_(work.parameters, config.optim.max_grad_norm)))
        skipped = not (math.isfinite(losses[-1]) and math.isfinite(norms[-1]))
        if skipped:
            break
        optimizer.step()
        work.finish_update()
    return UpdateResult(
        work.token_stats(), _mean(losses), _mean(norms), _mean(bonuses), work.metrics, skipped, work.control
    )


def _deal(rows: Sequence[Row], config: RunConfig, seed: int) -> Iterator[Sequence[Row]]:
    """The rows of each update in turn. Groups stay whole, so that their prompt is run once; each pass deals anew."""
    groups = sorted({row.group for row in rows})
    for iteration in range(config.loss.num_iterations):
        if config.loss.num_minibatches == 1:
            yield rows
            continue
        dealt = np.random.default_rng(derive_seed(seed, iteration, "minibatches")).permutation(groups)
        for part in np.array_split(dealt, min(config.loss.num_minibatches, len(groups))):
            hand = set(part.tolist())
            yield [row for row in rows if row.group in hand]


@dataclass
class _Work:
    """One step's updates. `old`, `entropies`, `alternatives` and `references` hold what was measured of each row before
    the first, `latest` its log-probabilities at the last update that used it, `this_pass` those at the update at hand.
    """

    forward: Forward
    config: RunConfig
    lesson: Lesson
    control: EntropyControl
    check: Check
    metrics: LossMetrics = field(default_factory=LossMetrics)
    old: dict[int, Tensor] = field(default_factory=dict)
    entropies: dict[int, Tensor] = field(default_factory=dict)
    alternatives: tuple[dict[int, Tensor], dict[int, Tensor]] = field(default_factory=lambda: ({}, {}))
    references: dict[int, Tensor] = field(default_factory=dict)
    latest: dict[int, Tensor] = field(default_factory=dict)
    this_pass: dict[int, Tensor] = field(default_factory=dict)
    may_stop: bool = True
    this_update: LossMetrics = field(default_factory=LossMetrics)
    live_groups: frozenset[int] = field(init=False)
    trained: frozenset[int] = field(init=False)  # indices of the rows that can move the weights
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        self.device = self.parameters[0].device  # asked now: inside reference() a LoRA policy has nothing trainable
        self.live_groups = frozenset(row.group for row in self.lesson.rows if self.lesson.has_advantage(row))
        self.trained = frozenset(row.index for row in self.lesson.rows if self._has_gradient(row))

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        return [parameter for _, parameter in self.forward.policy.trainable()]

    @property
    def num_alternatives(self) -> int:
        return self.config.rollout.num_alternatives

    def measure_before_updates(self) -> None:
        """Reference of all rows; and log-probabilities of those that the first pass will not measure on its way.

        A row without gradient is never passed forward again. Where the policy moves before a row's first pass, or the
        loss needs every entropy first, its log-probabilities at sampling are measured here; else on-policy the ratio is
        exactly 1, without a pass of its own.
        """
        with torch.no_grad(), self.forward.policy.reference() as reference:
            for batch in self._batches(self.lesson.rows, "reference"):
                self._keep(self.references, batch, self.forward(reference, batch)[0])
        loss = self.config.loss
        all_first = loss.num_minibatches > 1 or loss.top_entropy_quantile < 1
        self._measure([row for row in self.lesson.rows if all_first or row.index not in self.trained])

    def accumulate_gradients(self, rows: Sequence[Row]) -> tuple[float, float]:
        """Forward and backward over an update's micro-batches; its loss, and the bonus that it has taken off."""
        trained = [row for row in rows if row.index in self.trained]
        self.this_update = self._without_gradient([row for row in rows if row.index not in self.trained])
        keep = self._kept_tokens([row for row in rows if self.lesson.counted[row.index]])
        scale = self._scale(rows, keep)
        loss = 0.0
        self.this_pass = {}
        if not trained:  # no evidence is a gradient of 0, and AdamW's moments still decay and act, as in TRL
            for parameter in self.parameters:
                parameter.grad = torch.zeros_like(parameter)
        for batch in self._batches(trained, "update"):
            part = self._loss(batch, scale, keep)
            part.backward()  # type: ignore[no-untyped-call]
            loss += float(part.detach())
        self.metrics = self.metrics + self.this_update
        return loss, self.control.applied(self.config.loss) * self.this_update.bonus_entropy_sum / scale.bonus_divisor

    def finish_update(self) -> None:
        """What follows an optimizer step."""
        self.may_stop = False
        self.latest |= self.this_pass
        self.control = self.control.after(self.this_update.bonus_entropy, self.config.loss)

    def token_stats(self) -> list[TokenStats]:
        """Per completion, in the order of the step."""
        several = updates_per_batch(self.config.loss) > 1  # with one, each log-probability is that at sampling
        return [
            TokenStats(
                self.old[i].cpu(), self.entropies[i].cpu(), self.references[i].cpu(),
                self.latest[i].cpu() if several and i in self.latest else None,
                self.alternatives[0][i].cpu(), self.alternatives[1][i].cpu(),
            )
            for i in (row.index for row in self.lesson.rows)
        ]  # fmt: skip

    def _loss(self, batch: MicroBatch, scale: LossScale, keep: dict[int, Tensor]) -> Tensor:
        bonus = has_entropy_bonus(self.config.loss)
        first = batch.indices[0] not in self.old
        found = self.forward(
            self.forward.policy.model,
            batch,
            entropy_gradient=bonus,
            num_alternatives=self.num_alternatives if first else 0,
        )
        if first:
            self._keep_all(batch, found)
        logprobs, entropies = found.logprobs, found.entropies
        self._keep(self.this_pass, batch, logprobs.detach())
        advantages = self.lesson.advantages.to(batch.mask.device)[batch.indices]
        part, metrics = policy_loss(
            batch.padded(logprobs), self._padded(self.old, batch),
            advantages if advantages.dim() == 1 else advantages[:, : batch.mask.shape[1]], batch.mask,
            config=self.config.loss, ref_logprobs=self._padded(self.references, batch),
            entropies=batch.padded(entropies), scale=scale,
            keep=self._padded(keep, batch) if keep else batch.mask,
            entropy_coef=self.control.applied(self.config.loss) if bonus else 0.0,
        )  # fmt: skip
        self.this_update = self.this_update + metrics
        return part

    def _has_gradient(self, row: Row) -> bool:
        """Whether this row can move the weights: by its advantage, by the KL penalty, or by the entropy bonus.

        Of a group that is skipped none of the three acts; it still counts in what the loss is divided by.
        """
        if not self.lesson.counted[row.index]:
            return False
        if self.config.loss.skip_dead_groups and row.group not in self.live_groups:
            return False
        return self.lesson.has_advantage(row) or self.config.loss.beta > 0 or has_entropy_bonus(self.config.loss)

    def _without_gradient(self, rows: Sequence[Row]) -> LossMetrics:
        """Rows that are not passed forward count among those of which a share is clipped or left out, with ratio 1."""
        per_token = self.config.loss.importance_sampling_level == "token" or self.lesson.advantages.dim() == 2
        completions = float(len(rows))
        ratios = self._counted_tokens(rows) if per_token else completions
        highest = 1.0 if ratios else -math.inf
        return LossMetrics(ratios=ratios, ratio_sum=ratios, ratio_max=highest, completions=completions)

    def _scale(self, rows: Sequence[Row], keep: dict[int, Tensor]) -> LossScale:
        step_tokens = self._counted_tokens(self.lesson.rows)
        update_tokens = self._counted_tokens(rows)
        kept = sum(float(values.sum()) for values in keep.values()) if keep else update_tokens
        minibatches = min(self.config.loss.num_minibatches, len({row.group for row in self.lesson.rows}))
        limit = self.config.rollout.max_completion_length
        return LossScale(len(rows), step_tokens / minibatches, limit, update_tokens, kept)

    def _counted_tokens(self, rows: Sequence[Row]) -> float:
        return float(sum(len(row.completion) for row in rows if self.lesson.counted[row.index]))

    def _kept_tokens(self, rows: Sequence[Row]) -> dict[int, Tensor]:
        """For each row which of its tokens are among the most uncertain of these rows; empty when all are kept.

        Rows without gradient belong to them: what counts as uncertain must not hang on β.
        """
        share = self.config.loss.top_entropy_quantile
        if share >= 1 or not rows:
            return {}
        now = dict(self.entropies) if self.may_stop else self._measured_again(rows)
        threshold = entropy_threshold(torch.cat([now[row.index] for row in rows]), share) - ENTROPY_ROUNDING
        return {row.index: entropy_mask(now[row.index], torch.ones_like(now[row.index]), threshold) for row in rows}

    @torch.no_grad()
    def _measured_again(self, rows: Sequence[Row]) -> dict[int, Tensor]:
        found: dict[int, Tensor] = {}
        for batch in self._batches(rows, "entropy"):
            self._keep(found, batch, self.forward(self.forward.policy.model, batch)[1])
        return found

    @torch.no_grad()
    def _measure(self, rows: Sequence[Row]) -> None:
        for batch in self._batches(rows, "log-probabilities"):
            self._keep_all(
                batch, self.forward(self.forward.policy.model, batch, num_alternatives=self.num_alternatives)
            )

    def _batches(self, rows: Sequence[Row], what: str) -> Iterator[MicroBatch]:
        budget = self.config.optim.micro_batch_tokens
        batches = list(micro_batches(rows, budget, self.forward.policy.pad_id, self.device))
        for number, batch in enumerate(batches):
            self.check(f"{what} {number + 1}/{len(batches)}", self.may_stop)
            yield batch

    def _keep_all(self, batch: MicroBatch, found: TokenValues) -> None:
        for known, values in zip((self.old, self.entropies, *self.alternatives), found, strict=True):
            self._keep(known, batch, values.detach())

    @staticmethod
    def _keep(known: dict[int, Tensor], batch: MicroBatch, values: Tensor) -> None:
        """[N, …] values of a batch, row by row."""
        lengths = [len(row.completion) for row in batch.rows]
        known.update(zip(batch.indices, torch.split(values, lengths), strict=True))

    @staticmethod
    def _padded(known: dict[int, Tensor], batch: MicroBatch) -> Tensor:
        return batch.padded(torch.cat([known[index] for index in batch.indices]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


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
