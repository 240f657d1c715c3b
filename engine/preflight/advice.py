"""One sentence of advice from a pre-flight, with the numbers that it rests on. Pure rules, each of which may be silent.

The first rule that speaks is the advice: what makes the others' numbers worthless comes first.
"""

from collections.abc import Callable
from dataclasses import dataclass

from engine.preflight.result import Preflight

MISSING = 0.1  # share of a reward's values
TRUNCATED = 0.15  # of the completions
EASY = 0.95  # pass rate
HARD = 0.95  # share of prompts with nothing right
IDENTICAL = 0.5  # share of groups that are one text over and over, and wrong
DEAD = 0.3  # share of groups from which on a larger group is worth a thought
GAIN = 0.08  # what twice the group must save of it
SLOW_REWARD = 0.5  # share of the seconds of a step


@dataclass(frozen=True)
class Advice:
    """`rule` names the function that spoke. `group_size`: what a button may set the group size to."""

    rule: str
    sentence: str
    group_size: int | None = None


def failing_reward(result: Preflight) -> Advice | None:
    worst = max(result.rewards, key=lambda reward: reward.missing)
    share = worst.missing / result.completions
    if share < MISSING:
        return None
    why = f", mostly because it {_verb(worst.reasons[0][0])}" if worst.reasons else ""
    return Advice(
        "failing_reward",
        f"{worst.name} has no value for {worst.missing:,} of {result.completions:,} completions ({share:.0%}){why}: "
        "repair the reward or the data first.",
    )


def truncated(result: Preflight) -> Advice | None:
    share = result.truncated / result.completions
    if share <= TRUNCATED:
        return None
    return Advice(
        "truncated",
        f"{result.truncated:,} of {result.completions:,} completions ({share:.0%}) were cut off at {result.limit:,} "
        "tokens before they ended: raise the completion limit, or ask for shorter answers.",
    )


def too_easy(result: Preflight) -> Advice | None:
    rate = result.pass_rate
    if rate is None or rate < EASY:
        return None
    return Advice(
        "too_easy",
        f"{rate:.0%} of the completions are right already, and {result.dead_share:.0%} of the groups carry no signal: "
        "choose harder data, or there is little to learn.",
    )


def identical(result: Preflight) -> Advice | None:
    """Groups of one text over and over. Those that are all right are no fault of the sampling."""
    alike = sum(prompt.distinct == 1 and prompt.kind != "solved" for prompt in result.prompts)
    if alike < IDENTICAL * len(result.prompts):
        return None
    return Advice(
        "identical",
        f"In {alike} of {len(result.prompts)} groups all {result.group_size} completions are the same text at "
        f"temperature {result.temperature:g}: raise it by 0.2 to 0.3, or undo narrow top-p, top-k or min-p.",
    )


def too_hard(result: Preflight) -> Advice | None:
    decided = [prompt for prompt in result.prompts if prompt.right is not None]
    hopeless = sum(prompt.right == 0 for prompt in decided)
    if not decided or hopeless < HARD * len(decided):
        return None
    told = f"Nothing is right in {hopeless} of {len(decided)} prompts × {result.group_size} completions"
    advice = f"so all signal, in {1 - result.dead_share:.0%} of the groups, comes from partial credit"
    if result.dead_share >= DEAD:
        advice = f"and {result.dead_share:.0%} of the groups carry no signal: add partial credit, or take easier data"
    return Advice("too_hard", f"{told}, {advice}.")


def larger_groups(result: Preflight) -> Advice | None:
    """Whether twice the group saves enough dead groups to be worth twice the completions."""
    if result.forecast is None:
        return None
    size = result.group_size
    now, twice = (result.forecast.shares[n].value for n in (size, 2 * size))
    if now < DEAD or now - twice < GAIN or 2 * size > 256:
        return None
    rollouts = result.prompts_per_step * size
    return Advice(
        "larger_groups",
        f"G {size} → {2 * size} would cut groups without signal from {now:.0%} to {twice:.0%}, for {2 * rollouts:,} "
        f"instead of {rollouts:,} completions a step.",
        2 * size,
    )


def slow_reward(result: Preflight) -> Advice | None:
    seconds, whole = result.costs.seconds["reward"], result.costs.step_seconds
    if not whole or seconds < SLOW_REWARD * whole:
        return None
    return Advice(
        "slow_reward",
        f"Scoring takes {seconds:.1f} s of the {whole:.1f} s of a step ({seconds / whole:.0%}): a cheaper reward would "
        "make training faster.",
    )


def many_dead(result: Preflight) -> Advice | None:
    """Many groups without signal, which larger groups would hardly change."""
    if result.forecast is None:
        return Advice("many_dead", "No prompt has two scored completions, so nothing can be learned: see the rewards.")
    now = result.forecast.shares[result.group_size].value
    if now < DEAD:
        return None
    dead = sum(prompt.kind != "mixed" for prompt in result.prompts)
    return Advice(
        "many_dead",
        f"{now:.0%} of the groups would carry no signal ({dead} of {len(result.prompts)} here), and twice the group "
        "size would hardly change that: choose data nearer to what the model can do, or a reward that tells "
        "answers apart.",
    )


def ready(result: Preflight) -> Advice:
    now = 0.0 if result.forecast is None else result.forecast.shares[result.group_size].value
    rate = "" if result.pass_rate is None else f"{result.pass_rate:.0%} of the completions are right, and "
    return Advice("ready", f"Ready to train: {rate}{1 - now:.0%} of the groups should carry signal at first.")


RULES: tuple[Callable[[Preflight], Advice | None], ...] = (
    failing_reward, truncated, too_easy, identical, too_hard, larger_groups, many_dead, slow_reward,
)  # fmt: skip


def advise(result: Preflight) -> Advice:
    """The advice of the first rule that speaks; that all is well when none does."""
    return next((found for rule in RULES if (found := rule(result)) is not None), None) or ready(result)


def _verb(reason: str) -> str:
    """A reason as it goes on after "because it": functions say "returned None", rules "this row has no answer"."""
    return reason if reason.startswith("returned") else f"says: {reason}"
