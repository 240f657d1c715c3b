"""From one step's tensors to what the store keeps of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.analysis.groups import NO_ADVANTAGE, group_kind
from engine.config_loss import CLIPPED, LossConfig, has_entropy_bonus
from engine.grpo.advantages import group_statistics
from engine.grpo.kl import k3
from engine.rewards.score import Scores
from engine.runs.records import (
    CompletionRecord,
    DiscardReason,
    Event,
    GroupKind,
    GroupRecord,
    StepRecord,
    TokenRecord,
)
from engine.train.credit import Credit
from engine.train.lesson import credit_of
from engine.train.rollout import Batch
from engine.train.sampling import Sampled
from engine.train.session import Session
from engine.train.update import TokenStats, UpdateResult


def step_record(
    session: Session, step: int, sampled: Sampled, earned: Credit, update: UpdateResult,
    timings: Mapping[str, float], learning_rate: float, events: Sequence[Event],
) -> StepRecord:  # fmt: skip
    """Assemble the record of a step. earned: what the kept groups got.

    Discarded groups were given no advantages, so these are 0, and no pass measured their tokens.
    """
    batch = sampled.batch
    # Totals, mean and std of all groups, the discarded ones too.
    scored = credit_of(session.config.at_step(step), batch) if sampled.num_discarded else earned
    completions = [
        _completion(batch, i, total, (earned, update.tokens[i]) if i < len(earned.totals) else None)
        for i, total in enumerate(scored.totals.tolist())
    ]
    groups = []
    for g, reason in enumerate(sampled.reasons):
        members = completions[g * batch.group_size : (g + 1) * batch.group_size]
        divisor = None if earned.scale is None or reason is not None else float(earned.scale[g])
        groups.append(_group(batch, g, members, float(scored.mean[g]), float(scored.std[g]), divisor, reason))
    vocabulary = {token: session.piece(token) for token in _used_ids(batch, update)}
    metrics = {
        **_reward_metrics(batch, scored.totals, groups),
        **_policy_metrics(update),
        **_update_metrics(update, session.config.loss),
        **_length_metrics(batch),
        **timings,
        "sampling/rounds": float(sampled.rounds),
        "sampling/discarded": float(sampled.num_discarded),
        "learning_rate": learning_rate,
        "num_tokens": float(session.num_tokens),
    }
    return StepRecord(step, groups, metrics, vocabulary, tuple(events))


def _group(
    batch: Batch, g: int, members: list[CompletionRecord], mean: float, std: float, scale: float | None,
    discarded: DiscardReason | None,
) -> GroupRecord:  # fmt: skip
    example, rendered = batch.examples[g], batch.rendered[g]
    return GroupRecord(
        prompt_id=example.id, prompt=example.prompt, rendered=rendered.text, reference=example.answer,
        columns=example.columns, prompt_tokens=len(rendered.ids), mean=mean, std=std, scale=scale,
        kind=kind_of(members), completions=members, discarded=discarded,
    )  # fmt: skip


def kind_of(members: Sequence[CompletionRecord]) -> GroupKind:
    """What analysis.groups says of the totals, unless there are advantages all the same: equal totals may hide steps
    that differ, or, under normalize_then_sum, rewards that do.
    """
    tokens = [None if m.tokens is None else m.tokens.advantages for m in members]
    found = [[m.advantage] if own is None else own for m, own in zip(members, tokens, strict=True)]
    if any((np.abs(values) > NO_ADVANTAGE).any() for values in found):
        return "mixed"
    cut = [m.finish_reason == "length" for m in members]
    return group_kind([m.total for m in members], [m.passed for m in members], cut, [m.text for m in members])


def _completion(batch: Batch, i: int, total: float, trained: tuple[Credit, TokenStats] | None) -> CompletionRecord:
    """trained: what a completion got that the step trained on, and what its update measured."""
    earned, stats = trained or (None, None)
    kl = None if stats is None or stats.ref_logprobs is None else k3(stats.logprobs, stats.ref_logprobs)
    return CompletionRecord(
        text=batch.texts[i],
        finish_reason=batch.completions.reasons[i],
        rewards=dict(zip(batch.scores.names, batch.scores.values[i].tolist(), strict=True)),
        total=total,
        advantage=0.0 if earned is None else float(earned.advantages[i]),
        tokens=_tokens(batch.completions.ids[i], i, earned, stats),
        mean_kl=None if kl is None else float(kl.mean()),
        max_kl=None if kl is None else float(kl.max()),
        mean_entropy=None if stats is None else float(stats.entropies.mean()),
        mean_logprob=None if stats is None else float(stats.logprobs.mean()),
        passed=batch.passed[i],
        parsed=batch.scores.parsed[i],
        errors=batch.scores.errors[i],
        steps=batch.scores.steps[i],
        raw=batch.scores.raw[i],
    )


def _used_ids(batch: Batch, update: UpdateResult) -> set[int]:
    """Every token that is stored with the step, sampled or an alternative."""
    sampled = {token for ids in batch.completions.ids for token in ids}
    return sampled.union(*(stats.alternative_ids.flatten().tolist() for stats in update.tokens))


def _tokens(ids: Sequence[int], i: int, earned: Credit | None, stats: TokenStats | None) -> TokenRecord:
    own = None if earned is None or earned.tokens is None else earned.tokens[i, : len(ids)]
    record = TokenRecord(np.asarray(ids, dtype=np.uint32), None, None, None, _array(own))
    if stats is None:
        return record
    kept = stats.alternative_ids.shape[1] > 0
    return replace(
        record,
        logprobs=_array(stats.logprobs), ref_logprobs=_array(stats.ref_logprobs), entropies=_array(stats.entropies),
        update_logprobs=_array(stats.update_logprobs),
        alternative_ids=_array(stats.alternative_ids) if kept else None,
        alternative_logprobs=_array(stats.alternative_logprobs) if kept else None,
    )  # fmt: skip


def _array(values: Tensor | None) -> NDArray[Any] | None:
    return None if values is None else values.numpy()


def _reward_metrics(batch: Batch, totals: Tensor, groups: Sequence[GroupRecord]) -> dict[str, float]:
    mean, std = group_statistics(totals.double(), batch.group_size)
    kinds = [group.kind for group in groups]
    scored, means = totals[~totals.isnan()].double(), mean[~mean.isnan()]
    decided = [value for value in batch.passed if value is not None]

    def share(kind: str) -> float:
        return kinds.count(kind) / len(kinds)  # type: ignore[arg-type]

    return {
        "reward": float(scored.mean()) if len(scored) else float("nan"),
        "reward_std": float(scored.std()) if len(scored) > 1 else float("nan"),
        "reward_within_std": float(std.nanmean()),
        "reward_between_std": float(means.std()) if len(means) > 1 else float("nan"),
        "frac_reward_zero_std": 1 - share("mixed"),
        "frac_solved": share("solved"),
        "frac_hopeless": share("hopeless"),
        "frac_truncated": share("truncated"),
        "frac_identical": share("identical"),
        "frac_failed": share("failed"),
        "frac_other_dead": share("other"),
        "reward_error_rate": _missing(batch.scores) / batch.scores.values.size,
        **({"pass_rate": sum(decided) / len(decided)} if decided else {}),
    }


def _missing(scores: Scores) -> int:
    """Values that a function did not give; what is missing only because another one failed does not count."""
    taken = [name in raw for row, raw in zip(scores.values, scores.raw, strict=True) for name in scores.names]
    return int((np.isnan(scores.values.ravel()) & ~np.array(taken, dtype=bool)).sum())


def _policy_metrics(update: UpdateResult) -> dict[str, float]:
    """KL and entropy are those of the policy that sampled, over the completions that the step trained on."""
    metrics = {
        "loss": update.loss,
        "grad_norm": update.grad_norm,
        "entropy": float(torch.cat([stats.entropies for stats in update.tokens]).mean()),
    }
    kl = [k3(s.logprobs, s.ref_logprobs) for s in update.tokens if s.ref_logprobs is not None]
    if kl:
        metrics |= {"kl": float(torch.cat(kl).mean()), "kl_max": float(torch.cat(kl).max())}
    return metrics


def _update_metrics(update: UpdateResult, loss: LossConfig) -> dict[str, float]:
    """What the updates of the step were like, as far as its loss has such a number; the rest is left out."""
    found = update.metrics
    metrics = {"ratio/mean": found.ratio, "ratio/max": max(found.ratio_max, 1.0)}
    if loss.loss_type in CLIPPED:
        metrics["clip_ratio/low_mean"] = found.clip_low
        metrics["clip_ratio/high_mean"] = found.clip_high
        metrics["clip_ratio/region_mean"] = found.clip_region
    if loss.loss_type == "cispo":
        metrics["cispo_clip_ratio"] = found.clip_high
    if loss.loss_type == "vespo" and found.weights:
        metrics["vespo/phi_seq_mean"] = found.weight
    if loss.off_policy_mask_threshold is not None and found.completions:
        metrics["off_policy_masked"] = found.dropped / found.completions
    if has_entropy_bonus(loss):
        metrics["policy_loss"] = update.loss + update.bonus
        metrics["entropy_coef"] = update.control.coef
    return metrics


def _length_metrics(batch: Batch) -> dict[str, float]:
    lengths = [len(ids) for ids in batch.completions.ids]
    ended = [length for length, done in zip(lengths, batch.completions.ended, strict=True) if done]
    terminated = {"mean": sum(ended) / len(ended), "min": min(ended), "max": max(ended)} if ended else {}
    return {
        **{f"completions/{kind}_terminated_length": float(value) for kind, value in terminated.items()},
        "completions/mean_length": sum(lengths) / len(lengths),
        "completions/min_length": float(min(lengths)),
        "completions/max_length": float(max(lengths)),
        "completions/clipped_ratio": 1 - sum(batch.completions.ended) / len(lengths),
        "completion_tokens": float(sum(lengths)),
    }
