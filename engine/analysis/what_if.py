"""What stored completions would have been worth under other settings: advantages, groups without signal, token weights.

Pure. The completions stay those that were sampled: what the policy would have written instead, nobody knows.
B completions in group order, G a group, P groups, R reward functions.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.analysis.advantages import Credit, Floats, Steps, credit, total_rewards
from engine.analysis.groups import FLAT, NO_ADVANTAGE
from engine.analysis.token_weights import clip_weights
from engine.config import RunConfig
from engine.config_loss import LossConfig
from engine.config_rewards import Ramp, ramp_of
from engine.errors import StoreError

DRAWS = 16  # subsets of each group, where no formula gives the share of those without signal

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Settings:
    """What decides advantages and token weights. weights: of each reward function, in the order of the columns.

    group_size: completions of each group that count, the first ones as sampled; at most those that are stored. ramps:
    of the rewards whose weight changes in the course of the run; a step is judged with the weights that it has.
    """

    weights: tuple[tuple[str, float], ...]
    loss: LossConfig
    group_size: int
    max_completion_length: int
    ramps: tuple[tuple[str, Ramp], ...] = ()

    @classmethod
    def of(cls, config: RunConfig) -> "Settings":
        weights = tuple((spec.name, spec.weight) for spec in config.rewards)
        ramps = ((spec.name, ramp_of(spec, config.optim.max_steps)) for spec in config.rewards)
        return cls(
            weights, config.loss, config.rollout.num_generations, config.rollout.max_completion_length,
            tuple((name, ramp) for name, ramp in ramps if ramp is not None),
        )  # fmt: skip

    def at(self, step: int) -> "Settings":
        """The same with the weights of this step."""
        weights = dict(self.weights) | {name: ramp.at(step) for name, ramp in self.ramps}
        return replace(self, weights=tuple(weights.items()), ramps=()) if self.ramps else self

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.weights]


@dataclass(frozen=True)
class StoredStep:
    """One step as stored. rewards [B, R]: NaN where missing; steps [B]: scores within each completion; lengths [B] in
    tokens, all NaN where nobody recorded them; cut [B]: ended by the length limit; trained [P]: not discarded by
    dynamic sampling.
    """

    step: int
    group_size: int
    rewards: Floats
    steps: tuple[Steps, ...]
    lengths: NDArray[Any]
    cut: Bools
    trained: Bools

    def first(self, size: int) -> "StoredStep":
        """The same with the first `size` completions of each group alone."""
        rows = np.flatnonzero(np.arange(len(self.lengths)) % self.group_size < size)
        return replace(self._rows(rows), group_size=size)

    def groups(self, wanted: Bools) -> "StoredStep":
        """The same with these of its groups alone. wanted [P]."""
        return replace(self._rows(np.flatnonzero(wanted.repeat(self.group_size))), trained=self.trained[wanted])

    def with_trained(self, group: int) -> "StoredStep":
        """The same, had the step trained on this group too."""
        trained = self.trained.copy()
        trained[group] = True
        return replace(self, trained=trained)

    def _rows(self, rows: NDArray[np.int64]) -> "StoredStep":
        return replace(
            self, rewards=self.rewards[rows], steps=tuple(self.steps[row] for row in rows),
            lengths=self.lengths[rows], cut=self.cut[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """A step under some settings. totals, advantages, push [B]: NaN where the step did not train on the completion, or
    the group is made smaller than that. push: by what the gradient of each of its tokens' log-probability is multiplied
    in the loss, with the sign of the advantage. live [P]: groups with signal, discarded ones too. dead_share: of all
    groups, without signal; of all smaller groups that could be drawn from them, when they are made smaller.
    """

    totals: Floats
    advantages: Floats
    push: Floats
    live: Bools
    dead_share: float


def stored_steps(scores: pd.DataFrame, names: Sequence[str]) -> Iterator[StoredStep]:
    """The steps in a frame of runs.scores.read_scores, with a column of rewards for each of `names`.

    Raises StoreError when the groups of a step are not of one size, which no engine writes.
    """
    values = scores.reindex(columns=[f"rewards/{name}" for name in names]).to_numpy(dtype=np.float64)
    lengths, cut = _lengths(scores["length"]), (scores["finish_reason"] == "length").to_numpy()
    within, discarded = scores["steps"].tolist(), scores["discarded"].notna().to_numpy()
    for step, rows in scores.groupby("step", sort=False).indices.items():
        sizes = np.unique(scores["group_index"].to_numpy()[rows], return_counts=True)[1]
        if len(set(sizes.tolist())) != 1:
            raise StoreError(f"step {step}: groups of {sorted(set(sizes.tolist()))} completions are stored.")
        size = int(sizes[0])
        yield StoredStep(
            int(step), size, values[rows], tuple(within[row] for row in rows), lengths[rows], cut[rows],
            ~discarded[rows][::size],
        )  # fmt: skip


def _lengths(column: pd.Series) -> NDArray[Any]:
    """As whole numbers; in an import, which does not know them, all NaN."""
    known: NDArray[Any] = column.to_numpy(dtype=np.float64)
    return known if np.isnan(known).any() else known.astype(np.int64)


def earned(step: StoredStep, settings: Settings) -> Credit:
    """The advantages of the completions that a step trained on: with the run's own settings, those that are stored."""
    settings = settings.at(step.step)
    kept = step if step.trained.all() else step.groups(step.trained)
    return credit(
        kept.rewards, settings.names, kept.steps, kept.lengths, kept.group_size, dict(settings.weights), settings.loss
    )


def judge(stored: StoredStep, settings: Settings) -> Judged:
    """A step as it would have been under these settings, with its own completions."""
    settings = settings.at(stored.step)
    size = min(settings.group_size, stored.group_size)
    step = stored.first(size) if size < stored.group_size else stored
    found = earned(step, settings)
    everyone = found if step.trained.all() else earned(replace(step, trained=np.ones_like(step.trained)), settings)
    live = _live(everyone, size)
    counted = ~(step.cut & settings.loss.mask_truncated_completions)
    rows = np.flatnonzero(step.trained.repeat(size))
    push = found.advantages * token_weights(step.lengths[rows], counted[rows], settings, int(step.trained.sum()))
    dead = 1 - float(live.mean()) if size == stored.group_size else dead_share_of_subsets(stored, settings, size)
    return Judged(
        totals=_placed(everyone.totals, np.arange(len(step.lengths)), stored, size),
        advantages=_placed(found.advantages, rows, stored, size),
        push=_placed(push, rows, stored, size),
        live=live,
        dead_share=dead,
    )


def token_weights(lengths: NDArray[Any], counted: Bools, settings: Settings, num_groups: int) -> Floats:
    """[B]: by what a token's advantage is multiplied in the first update of a step: the weight of its ratio, which is 1
    there, over what the loss type divides by (engine.grpo.aggregate). 0 where the loss does not count the completion.

    lengths, counted [B]: of all completions that the step trains on. With several mini-batches those of an update are
    taken as their share of the step: which groups were dealt into which is not stored.
    """
    loss = settings.loss
    minibatches = min(loss.num_minibatches, num_groups)
    completions = max(len(lengths) / minibatches, 1.0)
    tokens = max(float(lengths[counted].sum()) / minibatches, 1.0)
    divisor: Floats = np.full(len(lengths), tokens)  # dapo, cispo, vespo: tokens of the step; bnpo: of the update
    if loss.loss_type in ("grpo", "sapo"):
        divisor = completions * np.maximum(lengths, 1).astype(np.float64)
    elif loss.loss_type == "luspo":
        divisor = np.full(len(lengths), completions)
    elif loss.loss_type == "dr_grpo":
        divisor = np.full(len(lengths), completions * settings.max_completion_length)
    weights: Floats = counted * ratio_weight(loss) / divisor
    return np.full(len(lengths), np.nan) if np.isnan(lengths).any() else weights


def ratio_weight(loss: LossConfig) -> float:
    """The weight of a token whose ratio is 1: 1 within every clip, in sapo's gate, in vespo's φ; cispo may cap it."""
    return float(clip_weights([0.0], [0.0], 1.0, loss)[0])


def dead_share_of_subsets(step: StoredStep, settings: Settings, size: int) -> float:
    """Which share of the groups of `size` that can be drawn from a step's groups has no signal.

    Exact, by counting, where only a completion's total counts. Where each reward is compared by itself, or steps are,
    the share among DRAWS subsets of each group, always the same ones.
    """
    by_total = settings.loss.multi_objective_aggregation == "sum_then_normalize"
    if by_total and not any(dict(settings.weights).get(name) for found in step.steps for name in found):
        totals = total_rewards(step.rewards, np.array([weight for _, weight in settings.weights]))
        return float(np.mean([flat_share(group, size) for group in totals.reshape(-1, step.group_size)]))
    num_groups = len(step.trained)
    places = np.random.default_rng(0).random((DRAWS, num_groups, step.group_size)).argsort(axis=2)[:, :, :size]
    rows = (np.sort(places, axis=2) + step.group_size * np.arange(num_groups)[None, :, None]).reshape(-1)
    drawn = replace(step._rows(rows), group_size=size, trained=np.ones(DRAWS * num_groups, dtype=np.bool_))
    return 1 - float(_live(earned(drawn, settings), size).mean())


def flat_share(totals: Floats, size: int) -> float:
    """Chance that `size` completions drawn from a group, without putting back, all have the same total. totals [G].

    Σ_v C(n_v, size) / C(G, size) over the values v, each n_v times there; a missing total (NaN) goes with any value.
    """
    scored = np.sort(totals[~np.isnan(totals)])
    missing = len(totals) - len(scored)
    new = np.diff(scored) > FLAT * np.maximum(np.abs(scored[1:]), 1.0)
    counts = np.diff(np.flatnonzero(np.concatenate([[True], new, [True]]))).tolist() if len(scored) else []
    alike = sum(math.comb(count + missing, size) - math.comb(missing, size) for count in counts)
    return (alike + math.comb(missing, size)) / math.comb(len(totals), size)


def _live(found: Credit, group_size: int) -> Bools:
    """[B / G]: groups in which some token has an advantage."""
    size = np.abs(found.advantages) if found.tokens is None else np.abs(found.tokens).max(axis=1)
    largest: Floats = size.reshape(-1, group_size).max(axis=1)
    return largest > NO_ADVANTAGE


def _placed(values: NDArray[np.floating], rows: NDArray[np.int64], stored: StoredStep, size: int) -> Floats:
    """Values of some of the completions of groups of `size`, at their places among all that are stored; else NaN."""
    placed = np.full(len(stored.lengths), np.nan)
    placed[rows // size * stored.group_size + rows % size] = values
    return placed
