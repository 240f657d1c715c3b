"""LossConfig: what is optimised. Every field has its equation and source, which docs/algorithm.md prints.

In the equations ρ is the importance ratio exp(p − o), p, o and q are the log-probabilities of a sampled token under the
policy now, at sampling and under the reference, and A is the advantage.
"""

from typing import Literal

from engine.config_section import Section, knob

LossType = Literal["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"]
ScaleRewards = Literal["group", "batch", "none"]
Aggregation = Literal["sum_then_normalize", "normalize_then_sum"]
Baseline = Literal["mean", "leave_one_out"]
Level = Literal["token", "sequence"]
KlEstimator = Literal["k1", "k2", "k3"]

CLIPPED = ("grpo", "bnpo", "dr_grpo", "dapo", "luspo")  # loss types with the clipped objective

GRPO_PAPER = "DeepSeekMath, arXiv:2402.03300"


class LossConfig(Section):
    loss_type: LossType = knob(
        "dapo",
        "How token losses are formed and averaged. grpo, bnpo, dapo, dr_grpo and luspo clip the ratio and differ in "
        "their average; cispo, sapo and vespo weight tokens softly instead of clipping them.",
        label="Loss type",
        words={
            "grpo": "grpo: clipped, per completion",
            "bnpo": "bnpo: clipped, per token of the update",
            "dr_grpo": "dr_grpo: clipped, by a constant",
            "dapo": "dapo: clipped, per token of the step",
            "cispo": "cispo: capped weights, no clip",
            "sapo": "sapo: soft gates, no clip",
            "luspo": "luspo: clipped, summed over tokens",
            "vespo": "vespo: gamma-weighted sequences",
        },
        equation="see Losses",
        source="each in its paper: see Losses",
    )
    beta: float = knob(
        0.04,
        "Weight of the KL penalty that holds the policy near the reference. 0 is off.",
        label="KL weight β",
        equation="loss + β · KL",
        source=GRPO_PAPER,
        ge=0,
        le=10,
    )
    kl_estimator: KlEstimator = knob(
        "k3",
        "How the KL divergence of a token is estimated from its two log-probabilities. k3 is never negative and the "
        "usual choice.",
        label="KL estimator",
        words={"k1": "k1: p − q", "k2": "k2: (p − q)² / 2", "k3": "k3: exp(q − p) − (q − p) − 1"},
        equation="k1 = p − q; k2 = (p − q)² / 2; k3 = exp(q − p) − (q − p) − 1",
        source="Schulman, Approximating KL divergence, 2020",
        advanced=True,
    )
    use_bias_correction_kl: bool = knob(
        True,
        "Multiply the KL estimate by the importance ratio, so that its gradient is that of the true KL divergence. Its "
        "value is the same as long as the ratio is 1, its gradient is not.",
        label="Unbiased KL gradient",
        equation="KL ← ρ · KL",
        source="DeepSeek-V3.2, arXiv:2512.02556",
        advanced=True,
    )
    epsilon: float = knob(
        0.2,
        "A token stops being pushed once its probability has changed by more than this share since it was sampled: "
        "the ratio is clipped to 1 − ε … 1 + ε.",
        label="Clip range ε",
        equation="clip(ρ, 1 − ε, 1 + ε_high)",
        source=GRPO_PAPER,
        gt=0,
        le=100,
    )
    epsilon_high: float | None = knob(
        None,
        "Another limit upwards: the ratio is clipped to 1 − ε … 1 + ε_high. Empty: the same as ε. For cispo it is the "
        "largest weight itself, such as 5.",
        label="Clip range ε, upwards",
        empty="the same as ε",
        equation="clip(ρ, 1 − ε, 1 + ε_high); cispo: min(ρ, ε_high)",
        source="DAPO, arXiv:2503.14476; cispo: MiniMax-M1, arXiv:2506.13585, ScaleRL, arXiv:2510.13786",
        advanced=True,
        gt=0,
        le=100,
    )
    delta: float | None = knob(
        None,
        "Largest ratio on the unclipped side, which bounds how hard a bad token is pushed down. Empty: no limit.",
        label="Ratio limit δ",
        empty="no limit",
        equation="min(ρ, δ) A in place of ρ A",
        source="INTELLECT-2, arXiv:2505.07291",
        advanced=True,
        gt=1,
        le=1000,
    )
    importance_sampling_level: Level = knob(
        "token",
        "One importance ratio for each token, or one for each completion: the geometric mean of its tokens' ratios.",
        label="Importance ratio of",
        words={"token": "each token", "sequence": "the completion (GSPO)"},
        equation="token: ρ_t = exp(p_t − o_t); sequence: ρ = exp(mean_t(p_t − o_t))",
        source="GSPO, arXiv:2507.18071",
        advanced=True,
    )
    scale_rewards: ScaleRewards = knob(
        "group",
        "Divide advantages by the standard deviation of their group, of all groups of the step, or not at all.",
        label="Scale rewards",
        words={"group": "by the group's std", "batch": "by the step's std", "none": "not at all"},
        equation="A = (R − baseline) / (std + 1e-4); none: A = R − baseline",
        source=f"{GRPO_PAPER}; none: Dr. GRPO, arXiv:2503.20783; batch: arXiv:2508.08221",
    )
    multi_objective_aggregation: Aggregation = knob(
        "sum_then_normalize",
        "With several rewards: add them up and compare the sums, or compare each reward within its group first, so "
        "that one with a large spread cannot drown the others.",
        label="Several rewards",
        words={
            "sum_then_normalize": "sum, then compare with the group",
            "normalize_then_sum": "compare each, then sum (GDPO)",
        },
        equation="R = Σ w_k r_k, then A; or S = Σ w_k (r_k − mean_k) / (std_k + 1e-4), then A over the step",
        source="GDPO, arXiv:2601.05242",
        advanced=True,
    )
    baseline: Baseline = knob(
        "mean",
        "What a completion is compared with: the mean of its group, or the mean of the others in it.",
        label="Baseline",
        words={"mean": "mean of the group", "leave_one_out": "mean of the others (RLOO)"},
        equation="mean: R_i − mean(R); leave_one_out: R_i − mean of R_j, j ≠ i",
        source="RLOO, arXiv:2402.14740",
        advanced=True,
    )
    num_iterations: int = knob(
        1,
        "Passes over each batch of completions. Above 1 the policy moves away from the one that sampled.",
        label="Iterations per batch",
        equation="μ",
        source=GRPO_PAPER,
        advanced=True,
        ge=1,
        le=64,
    )
    num_minibatches: int = knob(
        1,
        "Optimizer updates in each pass: the groups of the step are shuffled and dealt into so many parts.",
        label="Mini-batches",
        equation="updates a step = μ · mini-batches",
        source="DeepSeek-R1, arXiv:2501.12948",
        advanced=True,
        ge=1,
        le=1024,
    )
    mask_truncated_completions: bool = knob(
        False,
        "Leave completions that hit the length limit out of the loss. They still count in the group's mean and std.",
        label="Ignore cut completions",
        source="DAPO, arXiv:2503.14476",
        advanced=True,
    )
    skip_dead_groups: bool = knob(
        False,
        "Leave groups without signal out of the update, so that neither their KL penalty nor an entropy bonus moves "
        "the weights. With β = 0 and no bonus they have no gradient anyway.",
        label="Skip groups without signal",
        advanced=True,
    )
    top_entropy_quantile: float = knob(
        1.0,
        "Train only on this share of the tokens: those where the policy is least sure. 1 is off; 0.2 is the paper's.",
        label="Share of uncertain tokens",
        equation="keep tokens with H ≥ quantile(H, 1 − share)",
        source="Beyond the 80/20 rule, arXiv:2506.01939",
        advanced=True,
        ge=0,
        le=1,
    )
    off_policy_mask_threshold: float | None = knob(
        None,
        "Leave out a completion with a negative advantage once the policy has moved this far (mean log-ratio, nats) "
        "from the one that sampled it. Empty: off.",
        label="Off-policy mask",
        empty="off",
        unit="nats",
        equation="keep if A ≥ 0 or mean_t(o − p) ≤ threshold",
        source="DeepSeek-V3.2, arXiv:2512.02556",
        advanced=True,
        gt=0,
        le=100,
    )
    entropy_coef: float = knob(
        0.0,
        "Weight of an entropy bonus, which keeps the policy trying things. 0 is off. With adaptive control: its start.",
        label="Entropy bonus",
        equation="loss − c · mean H",
        source="Skywork-OR1, arXiv:2505.22312",
        advanced=True,
        ge=0,
        le=10,
    )
    use_adaptive_entropy: bool = knob(
        False,
        "Raise the bonus by a small amount after each update whose entropy was at or below the target, lower it after "
        "the others, and apply it only while the entropy is low.",
        label="Adaptive entropy bonus",
        equation="c ← min(c + Δ, max) if H ≤ target, else max(c − Δ, min)",
        source="Skywork-OR1, arXiv:2505.22312",
        advanced=True,
    )
    entropy_target: float = knob(
        0.2,
        "Entropy below which the adaptive bonus acts. Set it near the entropy seen early in training.",
        label="Entropy target",
        unit="nats/token",
        source="Skywork-OR1, arXiv:2505.22312",
        advanced=True,
        ge=0,
        le=20,
    )
    entropy_coef_min: float = knob(
        0.0, "Lowest adaptive bonus.", label="Entropy bonus, lowest", advanced=True, ge=0, le=10,
        source="Skywork-OR1, arXiv:2505.22312",
    )  # fmt: skip
    entropy_coef_max: float = knob(
        1.0, "Highest adaptive bonus.", label="Entropy bonus, highest", advanced=True, ge=0, le=10,
        source="Skywork-OR1, arXiv:2505.22312",
    )  # fmt: skip
    entropy_coef_delta: float = knob(
        0.005, "Change of the adaptive bonus after an update.", label="Entropy bonus, change", advanced=True,
        ge=0, le=1, source="Skywork-OR1, arXiv:2505.22312",
    )  # fmt: skip
    sapo_temperature_pos: float = knob(
        1.0, "sapo: how sharply the gate closes on tokens with a positive advantage.", label="SAPO τ, positive",
        equation="gate = 4 σ(τ (ρ − 1)) / τ", source="SAPO, arXiv:2511.20347", advanced=True, gt=0, le=100,
    )  # fmt: skip
    sapo_temperature_neg: float = knob(
        1.05, "sapo: the same for the other tokens; a higher value lets go of them sooner.", label="SAPO τ, negative",
        equation="gate = 4 σ(τ (ρ − 1)) / τ", source="SAPO, arXiv:2511.20347", advanced=True, gt=0, le=100,
    )  # fmt: skip
    vespo_k_pos: float = knob(
        2.0, "vespo: how strongly completions that became less likely are weighted down, with A ≥ 0.",
        label="VESPO k, positive", equation="φ = exp(λ + k log W − λ W)", source="VESPO, arXiv:2602.10693",
        advanced=True, ge=0, le=100,
    )  # fmt: skip
    vespo_lambda_pos: float = knob(
        3.0, "vespo: how strongly completions that became likelier are weighted down, with A ≥ 0.",
        label="VESPO λ, positive", equation="φ = exp(λ + k log W − λ W)", source="VESPO, arXiv:2602.10693",
        advanced=True, ge=0, le=100,
    )  # fmt: skip
    vespo_k_neg: float = knob(
        3.0, "vespo: as k, with A < 0.", label="VESPO k, negative",
        equation="φ = exp(λ + k log W − λ W)", source="VESPO, arXiv:2602.10693",
        advanced=True, ge=0, le=100,
    )  # fmt: skip
    vespo_lambda_neg: float = knob(
        2.0, "vespo: as λ, with A < 0.", label="VESPO λ, negative",
        equation="φ = exp(λ + k log W − λ W)", source="VESPO, arXiv:2602.10693",
        advanced=True, ge=0, le=100,
    )  # fmt: skip
    sync_ref_model: bool = knob(
        False,
        "Move the reference to the policy every so many steps (iterative GRPO), so that the KL penalty measures from "
        "there.",
        label="Refresh the reference",
        equation="q ← (1 − α) q + α p, on weights",
        source=f"iterative GRPO: {GRPO_PAPER}; soft: TR-DPO, arXiv:2404.09656",
        advanced=True,
    )
    ref_model_sync_steps: int = knob(
        512, "Steps between two refreshes of the reference.", label="Refresh every", unit="steps", advanced=True,
        source="TR-DPO, arXiv:2404.09656; DeepSeek-R1 uses 400", ge=1, le=1_000_000,
    )  # fmt: skip
    ref_model_mixup_alpha: float = knob(
        0.6,
        "Share of the policy in the refreshed reference: 1 replaces it, less moves it part of the way, which needs all "
        "weights trained.",
        label="Refresh share α",
        equation="q ← (1 − α) q + α p, on weights",
        source="TR-DPO, arXiv:2404.09656",
        advanced=True,
        gt=0,
        le=1,
    )


def has_entropy_bonus(config: LossConfig) -> bool:
    """Whether the loss may contain an entropy bonus, so that entropies need a gradient."""
    return config.entropy_coef != 0 or config.use_adaptive_entropy


def has_scaled_advantages(config: LossConfig) -> bool:
    """Whether advantages come in standard deviations, so that those of different runs and steps compare."""
    return config.scale_rewards != "none" or config.multi_objective_aggregation == "normalize_then_sum"


def upper_epsilon(config: LossConfig) -> float:
    """ε_high, which is ε where it is not set."""
    return config.epsilon if config.epsilon_high is None else config.epsilon_high


def updates_per_batch(config: LossConfig) -> int:
    """Optimizer updates on one batch of completions. With one, every importance ratio is exactly 1."""
    return config.num_iterations * config.num_minibatches
