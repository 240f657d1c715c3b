"""What the engine hands to the store for one step, and what an evaluation found. Plain data, no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.analysis.evaluation import Estimate

FinishReason = Literal["eos", "stop", "length"]
# analysis.groups.group_kind says what each means, and which comes first where several hold.
GroupKind = Literal["mixed", "solved", "hopeless", "truncated", "identical", "failed", "other"]
# Why dynamic sampling left a group out: it has no signal, or only in cut completions, which the run masks.
DiscardReason = Literal["no_signal", "masked"]


@dataclass(frozen=True)
class TokenRecord:
    """Per-token arrays of one completion, all of its length; log-probabilities and entropies in nats.

    In a discarded group only `ids` is known: no pass over it measured the others. `update_logprobs`: at the last of
    several updates that used the completion. `alternative_ids`, `alternative_logprobs` [T, K]: the K likeliest tokens
    at each place, best first.
    """

    ids: NDArray[np.uint32]
    logprobs: NDArray[np.float32] | None
    ref_logprobs: NDArray[np.float32] | None
    entropies: NDArray[np.float32] | None
    advantages: NDArray[np.float32] | None = None  # under process supervision each token has its own
    update_logprobs: NDArray[np.float32] | None = None
    alternative_ids: NDArray[np.uint32] | None = None
    alternative_logprobs: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class CompletionRecord:
    """One sampled completion. `rewards` maps function to value, NaN where it is missing.

    `steps` maps a function that scores steps to its (token position, score) pairs. `raw` is what a function gave where
    its limits or its gate made another number of it. `finish_reason` and `tokens` are
    None in a run that was imported: its texts are known, its tokens are not.
    """

    text: str
    finish_reason: FinishReason | None
    rewards: Mapping[str, float]
    total: float
    advantage: float
    tokens: TokenRecord | None
    mean_kl: float | None
    max_kl: float | None
    mean_entropy: float | None
    mean_logprob: float | None
    passed: bool | None = None
    parsed: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    raw: Mapping[str, float] = field(default_factory=dict)

    @property
    def length(self) -> int | None:
        """In tokens."""
        return None if self.tokens is None else len(self.tokens.ids)


@dataclass(frozen=True)
class GroupRecord:
    """One prompt with its completions. `scale`: the divisor of its advantages before the guard; None: undivided.

    `discarded`: why dynamic sampling left the group out of the update; None when the step trained on it. `rendered` and
    `prompt_tokens` are None where nobody recorded what the model read.
    """

    prompt_id: str
    prompt: str
    rendered: str | None
    reference: str | None
    columns: Mapping[str, Any]
    prompt_tokens: int | None
    mean: float
    std: float
    scale: float | None
    kind: GroupKind
    completions: Sequence[CompletionRecord]
    discarded: DiscardReason | None = None

    @property
    def pass_rate(self) -> float | None:
        """Share of completions that are right, among those of which that is decided; None when there are none."""
        decided = [completion.passed for completion in self.completions if completion.passed is not None]
        return sum(decided) / len(decided) if decided else None

    @property
    def mean_length(self) -> float | None:
        """Tokens of a completion; None when they are not known of all."""
        lengths = [completion.length for completion in self.completions if completion.length is not None]
        return sum(lengths) / len(lengths) if len(lengths) == len(self.completions) else None

    @property
    def mean_kl(self) -> float | None:
        """Over the tokens of all completions, in nats per token; None when none was measured."""
        measured = [(c.mean_kl, c.length) for c in self.completions if c.mean_kl is not None and c.length is not None]
        tokens = sum(length for _, length in measured)
        return sum(kl * length for kl, length in measured) / tokens if tokens else None


@dataclass(frozen=True)
class StepRecord:
    """Everything one step leaves behind. `metrics` has the keys of glossary.METRICS; missing ones become NULL.

    `groups`: those that the step trained on come first, then those that it discarded. None at all: an import has the
    numbers of this step, but none of its completions; `reward_means` then has the mean of each reward function.
    `logged` has what each of them gave to log_metric: {function: {name: mean over the step}}.
    """

    step: int
    groups: Sequence[GroupRecord]
    metrics: Mapping[str, float]
    vocabulary: Mapping[int, tuple[str, bool]]  # token id → (piece, is special), for ids of this step
    events: Sequence["Event"] = ()
    reward_means: Mapping[str, float] = field(default_factory=dict)
    logged: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


MONITOR_FAILS = "monitor-fails"  # the kind of the event of a monitor that failed too often


@dataclass(frozen=True)
class Event:
    """Something worth a line in the log of the run."""

    kind: str
    message: str
    level: Literal["info", "warning", "error"] = "info"
    step: int = 0


@dataclass(frozen=True)
class EvaluationRecord:
    """One pass over the held-out prompts; step 0 is before training.

    `metrics` has the keys of analysis.evaluation.metrics_of. `prompts` holds a list with an entry per prompt for each
    of id, right, decided, majority and reward, and in `rewards` one for each function: what metrics can be computed
    from again. `samples` are the first prompts with some of their completions, to read.
    """

    step: int
    num_prompts: int
    num_generations: int
    seconds: float
    metrics: Mapping[str, Estimate]
    prompts: Mapping[str, Any] = field(default_factory=dict)
    samples: Sequence[Mapping[str, Any]] = ()
