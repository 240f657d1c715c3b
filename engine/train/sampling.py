"""The groups of a step: one round of sampling, or with dynamic sampling as many as it takes to find signal."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.config import RunConfig
from engine.data.examples import Example
from engine.runs.records import DiscardReason, Event
from engine.seeds import derive_seed
from engine.train.lesson import credit_of, discard_reasons, lesson_of
from engine.train.rollout import Batch, collect, joined
from engine.train.session import Session


@dataclass(frozen=True)
class Sampled:
    """All groups that a step sampled. `reasons` has an entry per group: None for those it trains on, which come first,
    in the order of sampling; for the others why they are discarded. `found`: groups with signal, where that was asked.
    """

    batch: Batch
    reasons: tuple[DiscardReason | None, ...]
    rounds: int
    found: int

    @property
    def num_kept(self) -> int:
        return self.reasons.count(None)

    @property
    def num_discarded(self) -> int:
        return len(self.reasons) - self.num_kept

    @property
    def kept(self) -> Batch:
        """The groups that the step trains on."""
        return self.batch.take(range(self.num_kept)) if self.num_discarded else self.batch


def sample_step(session: Session, step: int, *, beat: Callable[[str, str], None]) -> Sampled:
    """Sample prompts_per_step groups; with dynamic_sampling another prompt for each one without signal, and so on.

    Rounds end when the step is full, or at max_sampling_rounds: then it has the groups with signal that were found, or,
    when there is none, those of the first round. A round samples exactly what is missing, so none is found too many.
    Prompts are taken in the order of the data from session.next_example on, which stays as it is.
    DAPO, arXiv:2503.14476, section 3.2.
    """
    rollout, config = session.config.rollout, session.config.at_step(step)
    rounds: list[Batch] = []
    reasons: list[DiscardReason | None] = []
    while (missing := rollout.prompts_per_step - reasons.count(None)) and len(rounds) < rollout.max_sampling_rounds:
        batch = collect(
            session, _examples(session, len(reasons), missing), rollout.num_generations,
            seed=derive_seed(session.config.seed, step, "rollout", len(rounds)), steps_done=step - 1,
            beat=_numbered(beat, len(rounds)), rewards=config.rewards,
        )  # fmt: skip
        rounds.append(batch)
        reasons += _reasons(config, batch) if rollout.dynamic_sampling else [None] * missing
    found = reasons.count(None)
    if not found:
        reasons[: rollout.prompts_per_step] = [None] * rollout.prompts_per_step
    order = sorted(range(len(reasons)), key=lambda group: reasons[group] is not None)
    batch = joined(rounds).take(order) if len(rounds) > 1 else rounds[0]
    return Sampled(batch, tuple(reasons[group] for group in order), len(rounds), found)


def shortfall(sampled: Sampled, wanted: int, step: int) -> Event | None:
    """A warning when the rounds ended before the step had `wanted` groups with signal; None when it has them."""
    if sampled.found == wanted:
        return None
    done = f"the step trained on {sampled.found}"
    if not sampled.found:
        done = f"the step kept the first {sampled.num_kept}, for a KL penalty or an entropy bonus, if there is one"
    message = (
        f"{sampled.found} of {wanted} groups have signal after {sampled.rounds} of at most {sampled.rounds} rounds, "
        f"in which {len(sampled.reasons)} were sampled: {done}."
    )
    return Event("sampling-cap", message, "warning", step)


def _reasons(config: RunConfig, batch: Batch) -> list[DiscardReason | None]:
    return discard_reasons(lesson_of(config, batch, credit_of(config, batch)))


def _examples(session: Session, first: int, count: int) -> list[Example]:
    return [session.dataset.train(session.next_example + first + i) for i in range(count)]


def _numbered(beat: Callable[[str, str], None], number: int) -> Callable[[str, str], None]:
    """A `beat` that names the round after the first one."""
    return beat if number == 0 else lambda phase, detail: beat(phase, f"round {number + 1}, {detail}")
