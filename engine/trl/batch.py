"""How many completions TRL samples before how many updates, in our terms: prompts, mini-batches, and steps.

TRL cuts a generation batch into steps_per_generation micro-batches (SPG), passes over it num_iterations times (μ), and
updates after each gradient_accumulation_steps micro-batches (GA). Here a step samples once, and then updates
num_iterations × num_minibatches times.
"""

from dataclasses import dataclass
from fractions import Fraction

from engine.errors import Problem
from engine.trl.translation import Translation

SIZE = "per_device_train_batch_size"
ACCUMULATION = "gradient_accumulation_steps"


@dataclass(frozen=True)
class Batching:
    """One step of ours. `updates_per_step`: how many of TRL's steps, which are optimizer updates, it stands for."""

    num_completions: int
    num_minibatches: int
    num_iterations: int
    updates_per_step: Fraction
    note: str = ""


def batching(completions: int, slices: int, accumulation: int, iterations: int) -> Batching:
    """From a generation batch of `completions` in `slices` micro-batches (SPG), GA and μ.

    An update over several generation batches becomes one over a larger step. Several passes within one update add the
    same gradient again, which is one pass. Where the numbers do not divide, the nearest mini-batches are taken.
    """
    micro_steps = slices * iterations  # on one generation batch
    if accumulation % micro_steps == 0:
        batches = accumulation // micro_steps
        note = "All passes over a batch fall into one update, which is one pass. " if iterations > 1 else ""
        return Batching(completions * batches, 1, 1, Fraction(1), note)
    updates = Fraction(micro_steps, accumulation)
    if slices % accumulation == 0:
        return Batching(completions, slices // accumulation, iterations, updates)
    if accumulation % slices == 0 and updates.denominator == 1:
        return Batching(completions, 1, int(updates), updates, "Several passes over a batch fall into each update. ")
    note = "TRL's updates do not end where its batches do; the nearest number of mini-batches is taken. "
    return Batching(completions, max(1, round(Fraction(slices, accumulation))), iterations, updates, note)


def take_batch(t: Translation) -> Fraction:
    """Set prompts_per_step, num_minibatches and num_iterations. Returns TRL's steps in one of ours."""
    accumulation, iterations = t.whole(ACCUMULATION), t.whole("num_iterations")
    group = t.whole("num_generations", 2)
    completions, slices, processes = _generation_batch(t)
    if completions % group:
        message = f"{completions} completions are not whole groups of {group}."
        t.problems.append(Problem("num_generations", message, f"TRL refuses this too: change it or {SIZE}."))
        return Fraction(1)
    found = batching(completions, slices, accumulation, iterations)
    prompts = found.num_completions // group
    count = f"{found.num_completions} completions, which are {prompts} groups of {group}"
    t.take(
        "rollout.prompts_per_step", prompts,
        SIZE, *_given(t, ACCUMULATION, "steps_per_generation", "generation_batch_size"),
        note=f"A step here samples {count}. {processes}",
    )  # fmt: skip
    _take_updates(t, found, prompts)
    return found.updates_per_step


def _generation_batch(t: Translation) -> tuple[int, int, str]:
    """(completions, micro-batches, how many processes that is): as GRPOConfig works it out."""
    size, total = t.whole(SIZE), t.get("generation_batch_size")
    slices = t.get("steps_per_generation")
    slices = t.whole("steps_per_generation") if slices is not None else None
    if total is None:
        slices = slices or t.whole(ACCUMULATION)
        return size * slices, slices, "One process is assumed: with several, multiply by their number."
    total = t.whole("generation_batch_size")
    slices = slices or max(1, total // size)
    if total % (size * slices):
        message = f"{total} is not a multiple of {SIZE} × steps_per_generation, {size} × {slices}."
        t.problems.append(Problem("generation_batch_size", message, "TRL refuses this too."))
    count = total // (size * slices)
    return total, slices, f"TRL spread them over {count} processes." if count > 1 else ""


def _take_updates(t: Translation, found: Batching, prompts: int) -> None:
    minibatches = min(found.num_minibatches, prompts)
    note = found.note
    if minibatches > 1 or found.num_minibatches > 1:
        note += "TRL deals single completions into its updates, here groups stay whole."
    if minibatches < found.num_minibatches:
        note += f" So {prompts} groups make at most {minibatches} updates, where TRL makes {found.num_minibatches}."
    names = _given(t, "steps_per_generation", ACCUMULATION) or ("steps_per_generation",)
    t.take("loss.num_minibatches", minibatches, *names, note=note.strip())
    iterations = f"{found.num_iterations} of {t.get('num_iterations')}" if found.note else ""
    t.take("loss.num_iterations", found.num_iterations, "num_iterations", note=found.note.strip() if iterations else "")


def _given(t: Translation, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if t.theirs.get(name) is not None)
