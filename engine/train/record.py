"""From one step's tensors to what the store keeps of it."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.analysis.groups import group_kind
from engine.grpo.advantages import advantage_scale, group_statistics, total_rewards
from engine.grpo.kl import k3
from engine.runs.records import CompletionRecord, DiscardReason, Event, GroupRecord, StepRecord, TokenRecord
from engine.train.rollout import Batch
from engine.train.sampling import Sampled
from engine.train.session import Session
from engine.train.update import TokenStats, UpdateResult


def step_record(
    session: Session, step: int, sampled: Sampled, advantages: Tensor, update: UpdateResult,
    timings: Mapping[str, float], learning_rate: float, events: Sequence[Event],
) -> StepRecord:  # fmt: skip
    """Assemble the record of a step. advantages [completions of the kept groups], in group order.

    A discarded group was given no advantages, so they are 0, and no pass measured its tokens.
    """
    batch, num_trained = sampled.batch, len(advantages)
    weights = torch.tensor([spec.weight for spec in session.config.rewards], dtype=torch.float64)
    totals = total_rewards(torch.from_numpy(batch.scores.values), weights).double()
    mean, std = group_statistics(totals, batch.group_size)
    scale = advantage_scale(totals[:num_trained], batch.group_size, session.config.loss.scale_rewards)
    completions = [
        _completion(batch, i, total, float(advantages[i]), update.tokens[i])
        if i < num_trained
        else _completion(batch, i, total, 0.0, None)
        for i, total in enumerate(totals.tolist())
    ]
    groups = []
    for g, reason in enumerate(sampled.reasons):
        members = completions[g * batch.group_size : (g + 1) * batch.group_size]
        divisor = None if scale is None or reason is not None else float(scale[g])
        groups.append(_group(batch, g, members, float(mean[g]), float(std[g]), divisor, reason))
    vocabulary = {token: session.piece(token) for ids in batch.completions.ids for token in ids}
    metrics = {
        **_reward_metrics(batch, totals, mean, std, groups),
        **_policy_metrics(update),
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
    kind = group_kind(
        [m.total for m in members], [m.passed for m in members], [m.finish_reason == "length" for m in members]
    )
    return GroupRecord(
        prompt_id=example.id, prompt=example.prompt, rendered=rendered.text, reference=example.answer,
        columns=example.columns, prompt_tokens=len(rendered.ids), mean=mean, std=std, scale=scale, kind=kind,
        completions=members, discarded=discarded,
    )  # fmt: skip


def _completion(batch: Batch, i: int, total: float, advantage: float, stats: TokenStats | None) -> CompletionRecord:
    """stats: None for a completion of a discarded group."""
    kl = None if stats is None or stats.ref_logprobs is None else k3(stats.logprobs, stats.ref_logprobs)
    return CompletionRecord(
        text=batch.texts[i],
        finish_reason="eos" if batch.completions.ended[i] else "length",
        rewards=dict(zip(batch.scores.names, batch.scores.values[i].tolist(), strict=True)),
        total=total,
        advantage=advantage,
        tokens=_tokens(batch.completions.ids[i], stats),
        mean_kl=None if kl is None else float(kl.mean()),
        max_kl=None if kl is None else float(kl.max()),
        mean_entropy=None if stats is None else float(stats.entropies.mean()),
        mean_logprob=None if stats is None else float(stats.logprobs.mean()),
        passed=batch.passed[i],
        parsed=batch.scores.parsed[i],
        errors=batch.scores.errors[i],
    )


def _tokens(ids: Sequence[int], stats: TokenStats | None) -> TokenRecord:
    return TokenRecord(
        ids=np.asarray(ids, dtype=np.uint32),
        logprobs=None if stats is None else stats.logprobs.numpy(),
        ref_logprobs=None if stats is None or stats.ref_logprobs is None else stats.ref_logprobs.numpy(),
        entropies=None if stats is None else stats.entropies.numpy(),
    )


def _reward_metrics(
    batch: Batch, totals: Tensor, mean: Tensor, std: Tensor, groups: Sequence[GroupRecord]
) -> dict[str, float]:
    kinds = [group.kind for group in groups]
    scored, means = totals[~totals.isnan()].double(), mean[~mean.isnan()]
    decided = [value for value in batch.passed if value is not None]

    def share(kind: str) -> float:
        return kinds.count(kind) / len(kinds)  # type: ignore[arg-type]

    return {
        "reward": float(scored.mean()) if len(scored) else float("nan"),
        "reward_std": float(scored.std()) if len(scored) > 1 else float("nan"),
        "reward_within_std": float(std.nanmean()),
        "reward_between_std": float(means.std()) if len(means) > 1 else 0.0,
        "frac_reward_zero_std": 1 - share("mixed"),
        "frac_solved": share("solved"),
        "frac_hopeless": share("hopeless"),
        "frac_truncated": share("truncated"),
        "frac_other_dead": share("other"),
        "reward_error_rate": float(np.isnan(batch.scores.values).mean()),
        **({"pass_rate": sum(decided) / len(decided)} if decided else {}),
    }


def _policy_metrics(update: UpdateResult) -> dict[str, float]:
    """KL and entropy are those of the policy that sampled, over the completions that the step trained on."""
    metrics = {
        "loss": update.loss,
        "grad_norm": update.grad_norm,
        "entropy": float(torch.cat([stats.entropies for stats in update.tokens]).mean()),
        "clip_ratio/low_mean": update.metrics.clip_low,
        "clip_ratio/high_mean": update.metrics.clip_high,
        "clip_ratio/region_mean": update.metrics.clip_region,
    }
    kl = [k3(s.logprobs, s.ref_logprobs) for s in update.tokens if s.ref_logprobs is not None]
    if kl:
        metrics |= {"kl": float(torch.cat(kl).mean()), "kl_max": float(torch.cat(kl).max())}
    return metrics


def _length_metrics(batch: Batch) -> dict[str, float]:
    lengths = [len(ids) for ids in batch.completions.ids]
    return {
        "completions/mean_length": sum(lengths) / len(lengths),
        "completions/min_length": float(min(lengths)),
        "completions/max_length": float(max(lengths)),
        "completions/clipped_ratio": 1 - sum(batch.completions.ended) / len(lengths),
        "completion_tokens": float(sum(lengths)),
    }
