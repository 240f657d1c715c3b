"""A long run, written in minutes and without a model: `python benchmarks/large_run.py RUNS_ROOT [RUN_ID] [--steps N]`.

10,000 steps of 8 prompts × 8 completions (640,000 completions of 100 to 300 characters) with tokens, rewards, groups,
evaluations and a valid config.json, to time every view of the dashboard on it. 2,000 prompts come back in turn. What
is drawn is a policy that learns: right answers, and those that were cut off or ran out of ideas, change over the steps.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.analysis.groups import group_kind
from engine.config import RunConfig
from engine.config_io import dump_config, parse_config
from engine.runs.durable import write_atomic
from engine.runs.paths import RunPaths
from engine.runs.records import CompletionRecord, Event, GroupRecord, StepRecord, TokenRecord
from engine.runs.store import StoreWriter
from tests.fake_records import FakeRun
from tests.fakes import VERSIONS, fake_config

PROMPTS, GROUP = 8, 8
NUM_PROMPTS = 2_000
EVALUATE_EVERY = 250
BATCH = PROMPTS * GROUP
RARE = " zebra crossing"  # in 1 of 20,000 completions
GIVES_UP = " I do not know."  # in wrong answers only, so that it excludes right ones
COMMON = (
    "so the answer is we add then carry one digits first take minus therefore number sum of equals step by wait let me "
    "check again multiply divide apples oranges total remaining each has gives result because which means both sides"
)


@dataclass
class LargeRun:
    """Makes the records; every step is drawn from its own seed. Without `tokens`, their ids alone are kept."""

    config: RunConfig
    tokens: bool = True
    words: list[str] = field(init=False)
    chances: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        self.words = COMMON.split() + ["".join(rng.choice(letters, int(rng.integers(3, 9)))) for _ in range(3000)]
        weights = 1 / (np.arange(len(self.words)) + 5.0)  # Zipf, near enough
        self.chances = np.cumsum(weights / weights.sum())
        self.fake = FakeRun(self.config)
        self.vocabulary = {i: (f" {word}", False) for i, word in enumerate(self.words)}
        self.end = len(self.words)
        self.vocabulary[self.end] = ("<|end|>", True)

    def step(self, number: int) -> StepRecord:
        rng = np.random.default_rng([7, number])
        ease = np.repeat(np.clip(self.fake.skill(number) + rng.normal(0, 0.3, PROMPTS), 0, 1), GROUP)
        right = rng.random(BATCH) < ease
        cut = rng.random(BATCH) < np.where(right, 0.02, 0.15)
        lengths = rng.integers(18, 48, BATCH)
        ids = np.searchsorted(self.chances, rng.random((BATCH, 48))).astype(np.uint32)
        numbers = rng.random((4, BATCH, 49)).astype(np.float32)
        exact = right.astype(float)
        digits = np.round(np.where(right, 1.0, rng.random(BATCH) * 0.8), 2)
        length = np.round(1 - np.abs(lengths - 32) / 32, 3)
        failed = rng.random(BATCH) < 0.0005
        totals = exact + 0.3 * np.where(failed, 0.0, digits)
        groups = []
        for index in range(PROMPTS):
            rows = range(index * GROUP, (index + 1) * GROUP)
            prompt = (number * PROMPTS + index) % NUM_PROMPTS
            completions = [
                self._completion(
                    rng, ids[i, : lengths[i]], numbers[:, i], bool(cut[i]), str(7 * prompt if right[i] else i),
                    right[i],
                    {"exact_match": exact[i], "digit_match": np.nan if failed[i] else digits[i],
                     "length_target": length[i]}, totals[i],
                )
                for i in rows
            ]  # fmt: skip
            groups.append(_group(prompt, completions))
        metrics = self.fake._metrics(rng, number, groups)
        return StepRecord(number, groups, metrics, self.vocabulary if number == 1 else {})

    def _completion(
        self, rng: np.random.Generator, ids: NDArray[np.uint32], numbers: NDArray[np.float32], cut: bool, answer: str,
        right: bool, rewards: dict[str, float], total: float,
    ) -> CompletionRecord:  # fmt: skip
        text = " ".join([self.words[i] for i in ids.tolist()])
        if not right and rng.random() < 0.5:
            text += GIVES_UP
        if rng.random() < 0.00005:
            text += RARE
        text += "" if cut else f" = {answer}"
        all_ids = ids if cut else np.append(ids, np.uint32(self.end))
        n = len(all_ids)
        logprobs = np.log(0.2 + 0.8 * numbers[0, :n])
        reference = logprobs + 0.5 * (numbers[1, :n] - 0.5)
        entropies = 2 * numbers[2, :n]
        kl = np.expm1(reference - logprobs) - (reference - logprobs)
        tokens = TokenRecord(all_ids, logprobs, reference, entropies) if self.tokens else _ids_only(all_ids)
        return CompletionRecord(
            text=text, finish_reason="length" if cut else "eos", rewards=rewards, total=total, advantage=0.0,
            tokens=tokens, mean_kl=float(kl.mean()), max_kl=float(kl.max()), mean_entropy=float(entropies.mean()),
            mean_logprob=float(logprobs.mean()), passed=bool(right), parsed=None if cut else answer,
            errors={name: "timed out after 1 s" for name, value in rewards.items() if value != value},
        )  # fmt: skip


def _ids_only(ids: NDArray[np.uint32]) -> TokenRecord:
    return TokenRecord(ids, None, None, None)


def _group(prompt: int, completions: list[CompletionRecord]) -> GroupRecord:
    totals = np.array([row.total for row in completions])
    mean, std = float(totals.mean()), float(totals.std(ddof=1))
    for row, advantage in zip(completions, ((totals - mean) / (std + 1e-4)).tolist(), strict=True):
        object.__setattr__(row, "advantage", advantage)  # frozen, and not seen by anybody yet
    text = f"Problem {prompt}: {prompt} boxes hold seven apples each. How many apples are there?"
    return GroupRecord(
        prompt_id=f"p{prompt}", prompt=text, rendered=f"<|user|>{text}<|assistant|>", reference=str(7 * prompt),
        columns={"boxes": prompt}, prompt_tokens=20, mean=mean, std=std, scale=std,
        kind=group_kind(totals.tolist(), [row.passed for row in completions],
                        [row.finish_reason == "length" for row in completions], [row.text for row in completions]),
        completions=completions,
    )  # fmt: skip


def large_config(steps: int) -> RunConfig:
    """Valid, so that every page opens; no engine ever trains it."""
    plain = fake_config(name="large run", steps=steps, group_size=GROUP, prompts=PROMPTS).model_dump(mode="json")
    plain["rewards"].append({"name": "length_target", "weight": 0.0, "params": {}})
    return parse_config({**plain, "rollout": {**plain["rollout"], "max_completion_length": 64}})


def write_large_run(runs_root: Path, run_id: str, steps: int, *, tokens: bool = True) -> RunPaths:
    """Through the real writer, but without waiting for the disk after each step."""
    paths = RunPaths(runs_root / run_id)
    paths.root.mkdir(parents=True)
    config = large_config(steps)
    write_atomic(paths.config, dump_config(config).encode())
    started = time.monotonic()
    now = [time.time() - 0.4 * steps]
    writer, run = StoreWriter(paths.db, clock=lambda: now[0]), LargeRun(config, tokens)
    writer.begin_attempt(0, VERSIONS)
    writer.add_event(Event("start", "Training starts."))
    writer.add_evaluation(run.fake.evaluation(0))
    writer.beat(0, "rollout")
    writer._db.execute("PRAGMA synchronous=OFF")
    for number in range(1, steps + 1):
        now[0] += 0.4
        writer.commit_step(run.step(number))
        if number % EVALUATE_EVERY == 0:
            writer.add_evaluation(run.fake.evaluation(number))
        if number % 2_000 == 0:
            print(f"step {number:,}, {time.monotonic() - started:.0f} s, {paths.db.stat().st_size / 1e6:,.0f} MB")
    writer.beat(steps, "evaluation")
    writer.end_attempt("finished")
    writer.close()
    paths.log.write_text(f"step {steps}\n")
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs_root", type=Path)
    parser.add_argument("run_id", nargs="?", default="big")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--no-tokens", action="store_true", help="only the ids of tokens: a smaller file")
    given = parser.parse_args()
    paths = write_large_run(given.runs_root, given.run_id, given.steps, tokens=not given.no_tokens)
    print(f"{paths.root}: {paths.db.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
