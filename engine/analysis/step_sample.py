"""Which steps stand for a run, where all of them would be too many. Pure."""

from dataclasses import dataclass

MAX_STEPS = 400  # 312 of 10,000; reading and judging 20,000 completions takes about 0.2 s
MAX_COMPLETIONS = 40_000  # in the sample: larger steps make it shorter
LEAST_STEPS = 10


@dataclass(frozen=True)
class Sample:
    """The steps that stand for a run: every `every`-th one from `first` to `last`. A fork begins after its parent's."""

    every: int
    last: int
    first: int = 1

    @property
    def steps(self) -> range:
        return range(self.first - 1 + self.every, self.last + 1, self.every)

    @property
    def num_steps(self) -> int:
        """That the run has; the sample has fewer where `every` is more than 1."""
        return self.last - self.first + 1

    @property
    def words(self) -> str:
        count = len(self.steps)
        if self.every == 1:
            return f"all {count:,} steps" if count != 1 else "the one step"
        return f"{count:,} of {self.num_steps:,} steps, evenly spaced"


def sample_of(first: int, last: int, per_step: int, max_completions: int = MAX_COMPLETIONS) -> Sample:
    """Every 2ⁿ-th step, with the least n that keeps the bounds: so a growing run keeps what is known of it.

    first, last: steps of the run; per_step: completions of a step.
    """
    limit = max(LEAST_STEPS, min(MAX_STEPS, max_completions // max(per_step, 1)))
    every = 1
    while (last - first + 1) // every > limit:
        every *= 2
    return Sample(every, last, first)
