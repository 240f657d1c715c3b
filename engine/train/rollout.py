"""One batch of completions: prompts rendered, completions sampled and scored. Training and evaluation both use it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from engine.config_rewards import RewardSpec
from engine.data.examples import Example
from engine.data.prompts import Rendered
from engine.rewards.protocol import PASS
from engine.rewards.score import Scores, score
from engine.rewards.shaping import shaped
from engine.rollout.sampler import Completions, SamplingParams, sample_completions
from engine.train.session import Session

T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """P prompts with G completions each, in group order; everything below is per prompt [P] or per completion [B]."""

    group_size: int
    examples: Sequence[Example]
    rendered: Sequence[Rendered]
    completions: Completions
    texts: list[str]
    scores: Scores
    passed: list[bool | None]
    rollout_seconds: float

    @property
    def completion_tokens(self) -> int:
        return sum(len(ids) for ids in self.completions.ids)

    @property
    def prompt_tokens(self) -> int:
        return sum(len(rendered.ids) for rendered in self.rendered)

    def take(self, groups: Sequence[int]) -> "Batch":
        """These groups alone, in this order. Seconds and what rewards gave to log_metric stay those of the whole."""
        rows = [group * self.group_size + i for group in groups for i in range(self.group_size)]
        return replace(
            self,
            examples=[self.examples[group] for group in groups],
            rendered=[self.rendered[group] for group in groups],
            completions=Completions(_at(self.completions.ids, rows), _at(self.completions.reasons, rows)),
            texts=_at(self.texts, rows),
            scores=replace(
                self.scores, values=self.scores.values[rows], errors=_at(self.scores.errors, rows),
                parsed=_at(self.scores.parsed, rows),
                steps=_at(self.scores.steps, rows) if self.scores.steps else (),
                raw=_at(self.scores.raw, rows) if self.scores.raw else (),
                failed=_at(self.scores.failed, rows) if self.scores.failed else (),
            ),
            passed=_at(self.passed, rows),
        )  # fmt: skip


def joined(batches: Sequence[Batch]) -> Batch:
    """Batches one after the other. Seconds add up; what rewards logged is averaged over the completions."""
    scores = [batch.scores for batch in batches]
    return Batch(
        batches[0].group_size,
        [example for batch in batches for example in batch.examples],
        [rendered for batch in batches for rendered in batch.rendered],
        Completions(
            [ids for batch in batches for ids in batch.completions.ids],
            [reason for batch in batches for reason in batch.completions.reasons],
        ),
        [text for batch in batches for text in batch.texts],
        Scores(
            scores[0].names,
            np.concatenate([score.values for score in scores]),
            [errors for score in scores for errors in score.errors],
            [parsed for score in scores for parsed in score.parsed],
            sum(score.seconds for score in scores),
            _logged(scores),
            [steps for score in scores for steps in score.steps],
            [raw for score in scores for raw in score.raw],
            [failed for score in scores for failed in score.failed],
            [note for score in scores for note in score.notes],
            _refused(scores),
        ),
        [passed for batch in batches for passed in batch.passed],
        sum(batch.rollout_seconds for batch in batches),
    )


def _refused(scores: Sequence[Scores]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for part in scores:
        for reward, reasons in part.refused.items():
            found.setdefault(reward, {}).update(reasons)
    return found


def _logged(scores: Sequence[Scores]) -> dict[str, dict[str, float]]:
    """The mean over the completions of the batches in which a reward logged a name: {reward: {name: mean}}."""
    found: dict[str, dict[str, list[tuple[float, int]]]] = {}
    for one in scores:
        for reward, metrics in one.metrics.items():
            for name, mean in metrics.items():
                found.setdefault(reward, {}).setdefault(name, []).append((mean, len(one.values)))
    return {reward: {name: _weighted(means) for name, means in metrics.items()} for reward, metrics in found.items()}


def _weighted(means: Sequence[tuple[float, int]]) -> float:
    rows = sum(count for _, count in means)
    return sum(mean * (count / rows) for mean, count in means)


def collect(
    session: Session, examples: Sequence[Example], group_size: int, *, seed: int,
    beat: Callable[[str, str], None], rewards: Sequence[RewardSpec], steps_done: int = 0,
) -> Batch:  # fmt: skip
    """Sample `group_size` completions for each example and score them. `beat(phase, detail)` may raise to stop.

    `rewards`: those of the run with their weights here. `steps_done`: steps finished so far, which reward functions may
    ask for.
    """
    started = time.monotonic()
    rollout = session.config.rollout
    rendered = [session.renderer.render(example) for example in examples]
    params = SamplingParams(
        rollout.temperature, rollout.max_completion_length, rollout.top_p, rollout.top_k, rollout.min_p
    )
    completions = sample_completions(
        session.policy.model, [r.ids for r in rendered], group_size, params,
        eos_ids=session.policy.eos_ids, pad_id=session.policy.pad_id, seed=seed, stop=session.stop,
        max_batch_tokens=rollout.max_batch_tokens, progress=lambda detail: beat("rollout", detail),
    )  # fmt: skip
    texts = session.policy.tokenizer.batch_decode(completions.ids, skip_special_tokens=True)
    seconds = time.monotonic() - started
    beat("scoring", f"{len(texts)} completions")
    given = _score(session, examples, rendered, group_size, completions, texts, steps_done, beat)
    scores = shaped(given, rewards)
    return Batch(group_size, examples, rendered, completions, texts, scores, _passed(session, given), seconds)


def _score(
    session: Session, examples: Sequence[Example], rendered: Sequence[Rendered], group_size: int,
    completions: Completions, texts: list[str], steps_done: int, beat: Callable[[str, str], None],
) -> Scores:  # fmt: skip
    conversational = rendered[0].messages is not None
    prompts: list[Any] = [r.messages if conversational else r.text for r in rendered]
    names = sorted({name for example in examples for name in example.columns})
    return score(
        session.rewards,
        prompts=_repeat(prompts, group_size),
        completions=texts,
        completion_ids=completions.ids,
        columns={name: _repeat([example.columns.get(name) for example in examples], group_size) for name in names},
        conversational=conversational,
        pass_reward=session.pass_reward,
        completion_offsets=_offsets(session, completions),
        trainer_state=session.trainer_state(steps_done),
        waiting=lambda: beat("scoring", f"{len(texts)} completions"),
    )


def _at(values: Sequence[T], places: Sequence[int]) -> list[T]:
    return [values[place] for place in places]


def _offsets(session: Session, completions: Completions) -> list[list[int]] | None:
    """For each completion the characters of its text up to the end of each token, where a reward scores steps."""
    if not any(reward.needs_offsets for reward in session.rewards):
        return None
    decode = session.policy.tokenizer.decode
    return [
        [len(decode(ids[: end + 1], skip_special_tokens=True)) for end in range(len(ids))] for ids in completions.ids
    ]


def _repeat(values: Sequence[Any], times: int) -> list[Any]:
    return [value for value in values for _ in range(times)]


def _passed(session: Session, scores: Scores) -> list[bool | None]:
    """Right, wrong, or None where no reward decides or its value is missing. By what it gave, not by what counts."""
    if session.pass_reward is None:
        return [None] * len(scores.values)
    values = scores.values[:, list(scores.names).index(session.pass_reward)]
    return [None if np.isnan(value) else bool(value >= PASS) for value in values]
