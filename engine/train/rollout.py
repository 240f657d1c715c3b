"""One batch of completions: prompts rendered, completions sampled and scored. Training and evaluation both use it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.data.examples import Example
from engine.data.prompts import Rendered
from engine.rewards.score import Scores, score
from engine.rollout.sampler import Completions, SamplingParams, sample_completions
from engine.train.session import Session

PASS = 1.0 - 1e-9  # a pass reward of 1 means right; partial credit does not


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


def collect(
    session: Session, examples: Sequence[Example], group_size: int, *, seed: int, beat: Callable[[str, str], None]
) -> Batch:
    """Sample `group_size` completions for each example and score them. `beat(phase, detail)` may raise to stop."""
    started = time.monotonic()
    rollout = session.config.rollout
    rendered = [session.renderer.render(example) for example in examples]
    params = SamplingParams(
        rollout.temperature, rollout.max_completion_length, rollout.top_p, rollout.top_k, rollout.min_p
    )
    completions = sample_completions(
        session.policy.model, [r.ids for r in rendered], group_size, params,
        eos_ids=session.policy.eos_ids, pad_id=session.policy.pad_id, seed=seed,
        max_batch_tokens=rollout.max_batch_tokens, progress=lambda detail: beat("rollout", detail),
    )  # fmt: skip
    texts = session.policy.tokenizer.batch_decode(completions.ids, skip_special_tokens=True)
    seconds = time.monotonic() - started
    beat("scoring", f"{len(texts)} completions")
    scores = _score(session, examples, rendered, group_size, completions, texts)
    return Batch(group_size, examples, rendered, completions, texts, scores, _passed(session, scores), seconds)


def _score(
    session: Session, examples: Sequence[Example], rendered: Sequence[Rendered], group_size: int,
    completions: Completions, texts: list[str],
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
    )


def _repeat(values: Sequence[Any], times: int) -> list[Any]:
    return [value for value in values for _ in range(times)]


def _passed(session: Session, scores: Scores) -> list[bool | None]:
    """Right, wrong, or None where no reward decides or its value is missing."""
    if session.pass_reward is None:
        return [None] * len(scores.values)
    values = scores.values[:, list(scores.names).index(session.pass_reward)]
    return [None if np.isnan(value) else bool(value >= PASS) for value in values]
