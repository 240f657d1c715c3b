"""Calls the reward that is checked, as the engine would, within a time that is set beforehand.

Built-in rewards run here, in the child; a file of the user's in its own worker process. What a reward raises, and
what it costs, is kept; nothing here raises for what it does.
"""

import copy
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import RewardSpec, RunConfig
from engine.data.example import Example
from engine.errors import RewardError
from engine.reward_check.tokens import Lengths
from engine.rewards.protocol import TrainerState
from engine.rewards.score import BoundReward, bind_rewards, close_rewards, score

CALL_S = 3.0  # of one call while a reward is checked; the run's own limit may be longer
CHUNK = 32  # completions of one call at most
NONCE = "check_nonce"  # a column that no reward asks for: two calls with the same rows then differ for the worker


class OutOfTime(Exception):
    """The budget of the check is used up."""


@dataclass(frozen=True)
class Sample:
    """A completion for a row of the data."""

    where: str
    example: Example
    text: str


@dataclass(frozen=True)
class Answers:
    """What the reward said of B completions. `failed`: there should be a value and is none; `reasons` say why."""

    values: list[float | None] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    failed: list[bool] = field(default_factory=list)
    parsed: list[str | None] = field(default_factory=list)

    def then(self, other: "Answers") -> "Answers":
        return Answers(
            self.values + other.values, self.reasons + other.reasons, self.failed + other.failed,
            self.parsed + other.parsed,
        )  # fmt: skip


@dataclass(frozen=True)
class CallCost:
    rows: int
    seconds: float


class Probe:
    """The reward of one spec, ready to be asked. `chat`: whether the run shows it messages rather than strings."""

    def __init__(
        self, config: RunConfig, spec: RewardSpec, *, copies: Path | None, chat: bool, budget_s: float
    ) -> None:
        """Raises ConfigError for an unknown reward or bad settings."""
        self.reward: BoundReward = bind_rewards([impatient(spec)], copies)[0]
        self.chat = chat
        self.costs: list[CallCost] = []
        self.num_completions = 0
        self._ends = time.monotonic() + budget_s
        self._config = config
        self._lengths = Lengths(config.model.source)

    def close(self) -> None:
        close_rewards([self.reward])

    @property
    def seconds_each(self) -> float:
        """Seconds per completion of the calls so far, the median; 0 before there was one."""
        return float(np.median([cost.seconds / cost.rows for cost in self.costs])) if self.costs else 0.0

    def affordable(self, seconds: float, most: int, least: int = 8) -> int:
        """How many completions can be scored in about so many seconds."""
        each = self.seconds_each
        return most if each <= 0 else max(least, min(most, int(seconds / each)))

    def ask(self, samples: Sequence[Sample], *, chat: bool | None = None, nonce: str = "") -> Answers:
        """Raises OutOfTime when the budget is used up before all are asked."""
        answers = Answers()
        for start in range(0, len(samples), CHUNK):
            if time.monotonic() > self._ends:
                raise OutOfTime
            answers = answers.then(
                self._call(samples[start : start + CHUNK], self.chat if chat is None else chat, nonce)
            )
        return answers

    def changes(self, samples: Sequence[Sample]) -> str:
        """Which lists a reward that runs in this process changes in one call; "" for none, and where it raises."""
        examples = [sample.example for sample in samples]
        tokens = [self._lengths.tokens(sample.text) for sample in samples]
        call: dict[str, Any] = {
            **_columns(examples), "prompts": [self._prompt(example, self.chat) for example in examples],
            "completions": [
                [{"role": "assistant", "content": s.text}] if self.chat else s.text for s in samples
            ],
            "completion_ids": [token.ids for token in tokens], "completion_offsets": [token.ends for token in tokens],
        }  # fmt: skip
        before = copy.deepcopy(call)
        with suppress(Exception):  # whether it raises is another question
            self.reward.function(**call, log_extra=lambda *_: None, log_metric=lambda *_: None)
        return ", ".join(name for name in before if call[name] != before[name])

    def _call(self, samples: Sequence[Sample], chat: bool, nonce: str) -> Answers:
        texts, examples = [sample.text for sample in samples], [sample.example for sample in samples]
        columns = _columns(examples)
        tokens = [self._lengths.tokens(text) for text in texts]
        started = time.perf_counter()
        try:
            found = score(
                [self.reward], prompts=[self._prompt(example, chat) for example in examples], completions=texts,
                completion_ids=[token.ids for token in tokens], completion_offsets=[token.ends for token in tokens],
                columns=columns | ({NONCE: [nonce] * len(texts)} if nonce else {}), conversational=chat,
                trainer_state=TrainerState(0, self._config.optim.max_steps),
            )  # fmt: skip
        except RewardError as error:
            count = len(texts)
            return Answers([None] * count, [str(error)] * count, [True] * count, [None] * count)
        finally:
            self.costs.append(CallCost(len(texts), time.perf_counter() - started))
            self.num_completions += len(texts)
        name = self.reward.name
        return Answers(
            [None if np.isnan(value) else float(value) for value in found.values[:, 0]],
            [errors.get(name, "") for errors in found.errors], [name in failed for failed in found.failed],
            list(found.parsed),
        )  # fmt: skip

    def _prompt(self, example: Example, chat: bool) -> Any:
        if not chat:
            return example.prompt
        system = self._config.model.system_prompt
        said = [{"role": "system", "content": system}] if system else []
        return [*said, {"role": "user", "content": example.prompt}]


def _columns(examples: Sequence[Example]) -> dict[str, list[Any]]:
    names = sorted({name for example in examples for name in example.columns})
    return {name: [example.columns.get(name) for example in examples] for name in names}


def impatient(spec: RewardSpec) -> RewardSpec:
    """The same reward with a deadline of at most CALL_S."""
    limit = spec.params.get("timeout_s")
    if "path" not in spec.params or (isinstance(limit, int | float) and limit <= CALL_S):
        return spec
    return spec.model_copy(update={"params": {**spec.params, "timeout_s": CALL_S}})
