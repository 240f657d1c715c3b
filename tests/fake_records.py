"""Records of steps that look like a policy learning to add, made from a seed and without a model.

Formulas that pages show are the true ones (advantages, group statistics, k3); what a model would decide is drawn.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from engine.analysis.advantages import credit
from engine.analysis.evaluation import Outcomes, metrics_of, prompt_counts
from engine.analysis.groups import group_kind, is_dead
from engine.config import RunConfig
from engine.config_io import pass_reward
from engine.config_loss import updates_per_batch
from engine.runs.records import (
    CompletionRecord,
    EvaluationRecord,
    Event,
    GroupKind,
    GroupRecord,
    StepRecord,
    TokenRecord,
)

PIECES = [*"0123456789", "+", "=", "<|end|>"]
END = PIECES.index("<|end|>")
LIMIT = 8  # tokens of a completion
STEP_SECONDS = 0.4
EVALUATE_EVERY = 25
# The last group of step s is made SCRIPTED[s % 6].
SCRIPTED = ("solved", "hopeless", "truncated", "failed", "identical", "")

HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "![pixel](http://example.invalid/pixel.png)",
    "[press me](javascript:alert(1)) :material/delete: :red[red] $\\frac{1}{0}$",
    '<a href="http://example.invalid">link</a><b>bold</b>%{x} {0} %s',
    "=HYPERLINK(\"http://example.invalid\",\"sum\")",
    "\x1b[31mred\x1b[0m \u202eright to left\u202c zero\u200bwidth nul\x00byte",
    "```\n# not a heading\n| a | b |\n---\n```",
    "../../etc/passwd; DROP TABLE steps; --",
    "long " + "word" * 2500,
    "half a pair \ud800 and a whole one \U0001f600",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 "  # a family, a rainbow flag, a country's, a keycap, stacked accents
    "\U0001f3f3\ufe0f\u200d\U0001f308 \U0001f1e9\U0001f1ea 1\ufe0f\u20e3 Z\u0351\u036b\u0343",
    "$$\\int_0^\\infty e^{-x}\\,dx$$ \\(x\\) \\[y\\] $\\href{javascript:alert(1)}{z}$ \\begin{matrix}1&2\\end{matrix}",
)  # fmt: skip


@dataclass(frozen=True)
class FakeRun:
    """Makes the records of one run; each depends on its step alone, so a replay gives the same."""

    config: RunConfig
    seed: int = 0
    hostile_text: bool = False

    @property
    def prompts(self) -> int:
        return self.config.rollout.prompts_per_step

    def skill(self, step: int) -> float:
        """Share of prompts that the policy has learned by a step: 0.35, rising to 0.95."""
        return float(0.95 - 0.6 * np.exp(-3.0 * step / max(self.config.optim.max_steps, 40)))

    def step(self, step: int) -> StepRecord:
        rng = np.random.default_rng([self.seed, step])
        kinds = [""] * (self.prompts - 1) + [SCRIPTED[step % len(SCRIPTED)]]
        groups = self._scaled([self._group(rng, step, kind) for kind in kinds])
        if self.config.rollout.dynamic_sampling:
            groups = _without_signal_last(groups)
        vocabulary = {i: (self._wild(i, piece), i == END) for i, piece in enumerate(PIECES)}
        return StepRecord(step, groups, self._metrics(rng, step, groups), vocabulary, tuple(self._events(step, groups)))

    def evaluation(self, step: int) -> EvaluationRecord:
        """64 held-out prompts, with as many completions each as the configuration says."""
        rng = np.random.default_rng([self.seed, step, 1])
        n = self.config.evaluation.num_generations
        ease = np.clip(self.skill(step) + rng.normal(0, 0.25, 64), 0, 1)
        right = rng.random((64, n)) < ease[:, None]
        rewards = {
            spec.name: right.astype(float) if i == 0 else np.where(right, 1.0, rng.choice([0.0, 0.5, 0.8], (64, n)))
            for i, spec in enumerate(self.config.rewards)
        }
        totals = np.sum([spec.weight * rewards[spec.name] for spec in self.config.rewards], axis=0)
        answers = [[str(30 + 2 * i + int(not hit)) for hit in row] for i, row in enumerate(right)]
        outcomes = Outcomes(right.astype(float), answers, rewards, totals)
        prompts = {"id": [f"p{i}" for i in range(64)], **prompt_counts(outcomes)}
        samples = [
            {
                "prompt": self._wild(i, f"{10 + i}+{20 + i}="), "reference": str(30 + 2 * i),
                "completions": [
                    {
                        "text": self._wild(i + 3, answers[i][j]), "parsed": answers[i][j], "passed": bool(right[i, j]),
                        "total": float(totals[i, j]), "rewards": {k: float(v[i, j]) for k, v in rewards.items()},
                    }
                    for j in range(min(n, 8))
                ],
            }
            for i in range(8)
        ]  # fmt: skip
        return EvaluationRecord(step, 64, n, 0.21, metrics_of(outcomes), prompts, samples)

    def _group(self, rng: np.random.Generator, step: int, kind: str) -> "_Draft":
        a, b = (int(n) for n in rng.integers(10, 40, 2))  # 900 prompts: some come back in later steps
        reference = str(a + b)
        ease = {"solved": 1.0, "hopeless": 0.0, "truncated": 0.0, "identical": 0.0}.get(
            kind, float(np.clip(self.skill(step) + rng.normal(0, 0.25), 0, 1))
        )
        right = rng.random(self.config.rollout.num_generations) < ease
        answers = [reference if hit else _slip(rng, reference) for hit in right]
        if kind == "hopeless":  # wrong in the last digit, each in its own way as far as digits go: equal totals
            answers = [f"{reference[:-1]}{(int(reference[-1]) + 1 + i % 9) % 10}" for i in range(len(right))]
        if kind == "identical":
            answers = answers[:1] * len(right)
        if kind == "truncated":
            answers = [(str(int(rng.integers(10**7, 10**8))) * 2)[:LIMIT] for _ in right]
        wild = [self._wild(int(rng.integers(99)), answer) for answer in answers]
        values = [self._rewards(rng, kind, answer, reference) for answer in answers]
        return _Draft(f"{a}+{b}=", reference, answers, wild, values, kind == "truncated")

    def _rewards(self, rng: np.random.Generator, kind: str, answer: str, reference: str) -> dict[str, float]:
        if kind == "failed":
            return {spec.name: float("nan") for spec in self.config.rewards}
        values: dict[str, float] = {}
        for spec in self.config.rewards:
            alike = sum(x == y for x, y in zip(answer, reference, strict=False)) / max(len(answer), len(reference))
            partial = 0.0 if kind == "truncated" else round(alike, 6)
            values[spec.name] = float(answer == reference) if spec.name == self._pass_reward else partial
        if kind == "" and len(values) > 1 and rng.random() < 0.01:
            values[list(values)[-1]] = float("nan")
        return values

    @cached_property
    def _pass_reward(self) -> str:
        return pass_reward(self.config) or self.config.rewards[0].name

    def _scaled(self, drafts: list["_Draft"]) -> list[GroupRecord]:
        """Advantages of the groups that are trained on, then records. The divisor: of the group, the batch, or none."""
        totals = [np.array([self._total(values) for values in draft.values]) for draft in drafts]
        kept = [not (self.config.rollout.dynamic_sampling and is_dead(total.tolist())) for total in totals]
        kept = kept if any(kept) else [True] * len(kept)
        advantages = self._advantages([draft for draft, is_kept in zip(drafts, kept, strict=True) if is_kept])
        mode = self.config.loss.scale_rewards
        batch_std = _std(np.concatenate([total for total, is_kept in zip(totals, kept, strict=True) if is_kept]))
        records = []
        for draft, total, is_kept in zip(drafts, totals, kept, strict=True):
            std = _std(total)
            scale = {"group": std, "batch": batch_std, "none": None}[mode]
            records.append(
                self._record(draft, total, next(advantages) if is_kept else np.zeros(len(total)), std, scale)
            )
        return records

    def _advantages(self, drafts: list["_Draft"]) -> Iterator[NDArray[Any]]:
        """Those of each group, [G], by the settings of the run."""
        names = [spec.name for spec in self.config.rewards]
        values = [[row[name] for name in names] for draft in drafts for row in draft.values]
        size, weights = len(drafts[0].values), {spec.name: spec.weight for spec in self.config.rewards}
        found = credit(values, names, [{}] * len(values), [1] * len(values), size, weights, self.config.loss)
        return iter(found.advantages.astype(np.float64).reshape(-1, size))

    def _total(self, values: Mapping[str, float]) -> float:
        """Weighted sum of what is there; NaN when nothing is."""
        parts = [spec.weight * values[spec.name] for spec in self.config.rewards if np.isfinite(values[spec.name])]
        return float(sum(parts)) if parts else float("nan")

    def _record(
        self, draft: "_Draft", totals: NDArray[Any], advantages: NDArray[Any], std: float, scale: float | None
    ) -> GroupRecord:
        judged = [values[self._pass_reward] for values in draft.values]
        passed = [None if value != value else value == 1.0 for value in judged]
        operands = [int(draft.prompt[:2]), int(draft.prompt[3:5])]
        tokens = self._tokens(np.random.default_rng([self.seed, *operands, len("".join(draft.answers))]), draft)
        completions = [
            self._completion(draft, i, passed[i], total, advantage, tokens[i])
            for i, (total, advantage) in enumerate(zip(totals.tolist(), advantages.tolist(), strict=True))
        ]
        prompt = self._wild(operands[0], draft.prompt)
        return GroupRecord(
            prompt_id=f"arithmetic-{draft.prompt}", prompt=prompt, rendered=prompt,
            reference=self._wild(operands[1], draft.reference),
            columns={"operands": operands, "note": self._wild(operands[1], "")},
            prompt_tokens=len(draft.prompt), mean=_mean(totals), std=std, scale=scale,
            kind=group_kind(totals.tolist(), passed, [draft.truncated] * len(passed), draft.answers),
            completions=completions,
        )  # fmt: skip

    def _tokens(self, rng: np.random.Generator, draft: "_Draft") -> list[TokenRecord]:
        """Drawn for the whole group at once, [G, LIMIT + 1], and cut to the length of each completion."""
        shape = (len(draft.answers), LIMIT + 1)
        logprobs = -rng.exponential(0.35, shape).astype(np.float32)
        reference = logprobs + rng.normal(0, 0.25, shape).astype(np.float32)
        entropies = rng.gamma(2.0, 0.25, shape).astype(np.float32)
        later = logprobs + rng.normal(0, 0.15, shape).astype(np.float32)
        records = []
        for i, answer in enumerate(draft.answers):
            ids = [PIECES.index(character) for character in answer] + ([] if draft.truncated else [END])
            n = len(ids)
            kept = reference[i, :n] if self.config.loss.beta > 0 else None
            several = updates_per_batch(self.config.loss) > 1
            others, shares = self._alternatives(ids, logprobs[i, :n])
            records.append(
                TokenRecord(
                    np.array(ids, dtype=np.uint32), logprobs[i, :n], kept, entropies[i, :n],
                    update_logprobs=later[i, :n] if several else None,
                    alternative_ids=others, alternative_logprobs=shares,
                )
            )  # fmt: skip
        return records

    def _alternatives(self, ids: list[int], logprobs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The token itself with its true probability, and neighbours with shares of the rest, best first; [T, K]."""
        count = self.config.rollout.num_alternatives
        places = (np.array(ids)[:, None] + np.arange(count)) % len(PIECES)
        rest = np.log1p(-np.minimum(np.exp(logprobs.astype(float)), 1 - 1e-6))[:, None] + np.log(0.6) * np.arange(count)
        rest = rest - np.log(4.0)
        rest[:, :1] = logprobs[:, None]
        order = np.argsort(-rest, axis=1, kind="stable")
        return np.take_along_axis(places, order, axis=1), np.take_along_axis(rest, order, axis=1)

    def _completion(
        self, draft: "_Draft", index: int, passed: bool | None, total: float, advantage: float, tokens: TokenRecord
    ) -> CompletionRecord:
        values = draft.values[index]
        length = len(tokens.ids)
        kl = None
        if tokens.ref_logprobs is not None:
            delta = (tokens.ref_logprobs - tokens.logprobs).astype(float)
            kl = np.expm1(delta) - delta
        return CompletionRecord(
            text=draft.texts[index], finish_reason="length" if draft.truncated else "eos",
            rewards=values, total=total, advantage=advantage, tokens=tokens,
            mean_kl=None if kl is None else float(kl.sum()) / length, max_kl=None if kl is None else float(kl.max()),
            mean_entropy=float(tokens.entropies.sum()) / length, mean_logprob=float(tokens.logprobs.sum()) / length,
            passed=passed, parsed=draft.texts[index],
            errors={name: "timed out after 1 s" for name, value in values.items() if value != value},
        )  # fmt: skip

    def _metrics(self, rng: np.random.Generator, step: int, groups: list[GroupRecord]) -> dict[str, float]:
        rows = [completion for group in groups for completion in group.completions]
        trained = [completion for group in groups if not group.discarded for completion in group.completions]
        totals = np.array([row.total for row in rows])
        lengths = np.array([len(row.tokens.ids) for row in rows])
        values = np.array([value for row in rows for value in row.rewards.values()])
        kls = [row.tokens for row in rows if row.mean_kl is not None]
        kind_share = {kind: float(np.mean([group.kind == kind for group in groups])) for kind in get_args(GroupKind)}
        return {
            "reward": _mean(totals), "reward_std": _std(totals),
            "reward_within_std": _mean(np.array([group.std for group in groups])),
            "reward_between_std": _std(np.array([group.mean for group in groups])),
            "frac_reward_zero_std": 1 - kind_share["mixed"], "frac_solved": kind_share["solved"],
            "frac_hopeless": kind_share["hopeless"], "frac_truncated": kind_share["truncated"],
            "frac_identical": kind_share["identical"], "frac_failed": kind_share["failed"],
            "frac_other_dead": kind_share["other"], "pass_rate": float(np.mean([row.passed is True for row in rows])),
            "reward_error_rate": float(np.isnan(values).mean()), "loss": float(rng.normal(0, 0.01)),
            **({"kl": 0.002 + 0.05 * self.skill(step) * rng.random(), "kl_max": 0.5 + rng.random()} if kls else {}),
            "entropy": float(np.mean([row.mean_entropy for row in trained])) * (1.4 - self.skill(step)),
            "clip_ratio/low_mean": 0.0, "clip_ratio/high_mean": 0.0, "clip_ratio/region_mean": 0.0,
            "grad_norm": float(rng.gamma(4, 0.2)), "learning_rate": self.config.optim.learning_rate,
            "sampling/rounds": 1.0 + any(group.discarded for group in groups),
            "sampling/discarded": float(sum(group.discarded is not None for group in groups)),
            "completions/mean_length": float(lengths.mean()), "completions/min_length": float(lengths.min()),
            "completions/max_length": float(lengths.max()),
            "completions/clipped_ratio": float(np.mean([row.finish_reason == "length" for row in rows])),
            "num_tokens": float(step * (lengths.sum() + 6 * len(rows))), "completion_tokens": float(lengths.sum()),
            "time/rollout": 0.2, "time/reward": 0.01, "time/update": 0.15,
            "step_time": STEP_SECONDS,
        }  # fmt: skip

    def _events(self, step: int, groups: list[GroupRecord]) -> Iterator[Event]:
        failed = sum(bool(row.errors) for group in groups for row in group.completions)
        if failed:
            message = self._wild(step, f"A reward failed on {failed} completions: timed out after 1 s.")
            yield Event("reward_error", message, level="warning", step=step)

    def _wild(self, index: int, plain: str) -> str:
        """`plain`, or with hostile_text one of the strings that a page must show as they are."""
        return f"{plain}{HOSTILE[index % len(HOSTILE)]}" if self.hostile_text else plain


@dataclass(frozen=True)
class _Draft:
    """A group before advantages: `answers` are what was sampled, `texts` what is stored as its text."""

    prompt: str
    reference: str
    answers: list[str]
    texts: list[str]
    values: list[dict[str, float]]
    truncated: bool


def _without_signal_last(groups: list[GroupRecord]) -> list[GroupRecord]:
    """As a step with dynamic sampling stores them: groups without signal last, discarded and without token numbers."""
    kept = [group for group in groups if group.kind == "mixed"]
    return [*kept, *(_discarded(group) for group in groups if group.kind != "mixed")] if kept else groups


def _discarded(group: GroupRecord) -> GroupRecord:
    none = dict.fromkeys(
        ("logprobs", "ref_logprobs", "entropies", "update_logprobs", "alternative_ids", "alternative_logprobs")
    )
    unmeasured: dict[str, Any] = {"mean_kl": None, "max_kl": None, "mean_entropy": None, "mean_logprob": None}
    completions = [replace(row, tokens=replace(row.tokens, **none), **unmeasured) for row in group.completions]
    return replace(group, completions=completions, scale=None, discarded="no_signal")


def _slip(rng: np.random.Generator, reference: str) -> str:
    """A wrong answer: one digit replaced."""
    place = int(rng.integers(len(reference)))
    digit = (int(reference[place]) + int(rng.integers(1, 10))) % 10
    return f"{reference[:place]}{digit}{reference[place + 1 :]}"


def _mean(values: NDArray[Any]) -> float:
    scored = values[np.isfinite(values)]
    return float(scored.mean()) if scored.size else float("nan")


def _std(values: NDArray[Any]) -> float:
    scored = values[np.isfinite(values)]
    return float(scored.std(ddof=1)) if scored.size > 1 else float("nan")
