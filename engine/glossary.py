"""Every number that a page shows or the store keeps: its name, unit, meaning, and what to look for.

The run store makes its columns from METRICS, charts take their labels and captions from it, and the docs print it.
Names are TRL's where the meaning is the same.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """`better` says which way is good: "up", "down", or "" where it depends. `equation`, `source` are for the docs.

    In the equations p, o and q are a token's log-probabilities under the policy now, at sampling and under the
    reference, ρ = exp(p − o), R a total reward, A an advantage, and B the completions of the step.
    """

    key: str
    label: str
    unit: str
    help: str
    look_for: str
    better: Literal["up", "down", ""] = ""
    equation: str = ""
    source: str = ""


_METRICS = (
    Metric(
        "reward",
        "Reward",
        "",
        "Mean total reward of the step's completions: the weighted sum of the reward functions.",
        "Should rise. A rise without a rise in held-out pass@1 means that the reward is being gamed.",
        "up",
        equation="mean(R), R = Σ w_k r_k",
        source="TRL `reward`",
    ),
    Metric(
        "reward_std",
        "Reward std, batch",
        "",
        "Standard deviation (n−1) of all total rewards of the step; it mixes the spread within and between groups.",
        "Compare with the within-group std: only the spread within groups trains.",
        equation="std(R) over B, n − 1",
        source="TRL `reward_std`",
    ),
    Metric(
        "reward_within_std",
        "Reward std within groups",
        "",
        "Mean over groups of the group's standard deviation (n−1).",
        "The training signal. Near 0: the groups agree, and there is little left to learn from.",
        equation="mean over groups of std(R), n − 1",
    ),
    Metric(
        "reward_between_std",
        "Reward std between prompts",
        "",
        "Standard deviation (n−1) of the group means.",
        "High: some prompts are much easier than others.",
        equation="std over groups of mean(R), n − 1",
    ),
    Metric(
        "frac_reward_zero_std",
        "Dead groups",
        "share",
        "Share of groups in which all completions have the same total reward, so that every advantage is 0.",
        "Dead groups teach nothing. Below 30 % is comfortable; a rise towards 100 % means solved or hopeless prompts.",
        "down",
        equation="groups with max R = min R / groups",
        source="TRL `frac_reward_zero_std`, always of raw group rewards",
    ),
    Metric(
        "frac_solved",
        "Solved groups",
        "share",
        "Dead groups in which every completion is right.",
        "A rise means the data has become easy.",
    ),
    Metric(
        "frac_hopeless",
        "All-wrong groups",
        "share",
        "Dead groups in which every completion is wrong.",
        "High from the start: the task is too hard, or the reward too strict.",
        "down",
    ),
    Metric(
        "frac_truncated",
        "Truncated groups",
        "share",
        "Dead groups in which every completion hit the length limit.",
        "Anything above 0: raise the completion limit.",
        "down",
    ),
    Metric(
        "frac_other_dead",
        "Other dead groups",
        "share",
        "Dead groups that are neither all right, all wrong nor all truncated.",
        "Partial-credit rewards that tie, or rewards that failed.",
    ),
    Metric(
        "pass_rate",
        "Right in training",
        "share",
        "Share of the step's completions that the pass reward calls right.",
        "Should rise with the reward.",
        "up",
    ),
    Metric(
        "reward_error_rate",
        "Failed rewards",
        "share",
        "Share of reward values that are missing because the function failed or declined.",
        "Above 0: read the log. A missing reward gives advantage 0, never a wrong number.",
        "down",
    ),
    Metric(
        "loss",
        "Loss",
        "",
        "The value that was minimised: policy loss plus β times KL.",
        "Near 0 is normal: advantages sum to 0 in each group. Watch reward and gradient norm instead.",
        equation="see Losses",
        source="TRL `loss`",
    ),
    Metric(
        "kl",
        "KL to reference",
        "nats/token",
        "Mean per-token k3 estimate of the KL divergence from the reference.",
        "A slow rise is learning; a jump: the policy has left the reference. Raise β or lower the learning rate.",
        equation="mean over tokens of exp(q − p) − (q − p) − 1, at sampling",
        source="TRL `kl`, before any update of the step",
    ),
    Metric(
        "kl_max",
        "KL, largest token",
        "nats",
        "Largest per-token k3 estimate in the step.",
        "A single special token often carries it. Open the group to see which.",
        equation="max over tokens of the same",
    ),
    Metric(
        "entropy",
        "Entropy",
        "nats/token",
        "Mean entropy of the next-token distribution at the sampling temperature.",
        "Falls as the policy grows sure. A fall to 0 while reward stands still: exploration has died.",
        equation="mean over tokens of −Σ π log π",
        source="TRL `entropy`",
    ),
    Metric(
        "clip_ratio/low_mean",
        "Clipped low",
        "share",
        "Share of tokens with ratio below 1 − ε and a negative advantage.",
        "0 by construction with one iteration per batch.",
        equation="share of tokens with ρ < 1 − ε and A < 0",
        source="TRL `clip_ratio/low_mean`",
    ),
    Metric(
        "clip_ratio/high_mean",
        "Clipped high",
        "share",
        "Share of tokens with ratio above 1 + ε_high and a positive advantage.",
        "0 by construction with one iteration per batch.",
        equation="share of tokens with ρ > 1 + ε_high and A > 0",
        source="TRL `clip_ratio/high_mean`",
    ),
    Metric(
        "clip_ratio/region_mean",
        "Clipped tokens",
        "share",
        "Share of tokens whose gradient the clip removed.",
        "0 by construction with one iteration per batch; above 0.2 the steps are too large.",
        equation="the sum of both",
        source="TRL `clip_ratio/region_mean`",
    ),
    Metric(
        "grad_norm",
        "Gradient norm",
        "",
        "Length of the gradient before clipping.",
        "Spikes come before trouble. Exactly 0: no group had signal.",
        equation="‖∇ loss‖₂ over trained weights, before clipping",
        source="TRL `grad_norm`",
    ),
    Metric(
        "policy_loss",
        "Loss without bonus",
        "",
        "The loss before the entropy bonus was taken off. Recorded only with a bonus.",
        "As the loss: near 0 is normal.",
        equation="loss + c · mean H",
        source="TRL `policy_loss`",
    ),
    Metric(
        "entropy_coef",
        "Entropy bonus",
        "",
        "Weight of the entropy bonus after the step's updates. Recorded only with a bonus.",
        "With adaptive control it climbs while the entropy is below its target.",
        source="TRL `entropy_coef`",
    ),
    Metric(
        "ratio/mean",
        "Importance ratio",
        "",
        "Mean importance ratio over the step's updates.",
        "1 in the first update of a batch. Far from 1: too many updates on one batch, or steps that are too large.",
        equation="mean(ρ)",
    ),
    Metric(
        "ratio/max",
        "Largest ratio",
        "",
        "Largest importance ratio in the step's updates.",
        "A single huge ratio on a bad token can dominate an update; the ratio limit δ bounds it.",
        equation="max(ρ)",
    ),
    Metric(
        "cispo_clip_ratio",
        "Capped weights",
        "share",
        "cispo only: share of tokens whose ratio is above the cap, with a positive advantage.",
        "High: most tokens have the same weight, and the ratio corrects little.",
        equation="share of tokens with ρ > ε_high and A > 0",
        source="TRL `cispo_clip_ratio`",
    ),
    Metric(
        "vespo/phi_seq_mean",
        "VESPO weight",
        "",
        "vespo only: mean weight of a completion.",
        "1 on-policy. Towards 0: the policy has moved away from the samples, which then teach little.",
        equation="mean(φ)",
        source="TRL `vespo/phi_seq_mean`",
    ),
    Metric(
        "off_policy_masked",
        "Left out as off-policy",
        "share",
        "Share of completions that the off-policy mask left out of the policy term, over the step's updates.",
        "Above 0.1: fewer updates per batch, or a lower learning rate.",
        "down",
        equation="share of completions with A < 0 and mean(o − p) > threshold",
    ),
    Metric("learning_rate", "Learning rate", "", "AdamW step size of the step.", "Follows the schedule."),
    Metric(
        "completions/mean_length",
        "Length",
        "tokens",
        "Mean length of completions, end token included.",
        "Growth without reward is padding; a drop to 1 is collapse.",
    ),
    Metric("completions/min_length", "Shortest", "tokens", "Shortest completion.", "1: an immediate end token."),
    Metric(
        "completions/max_length", "Longest", "tokens", "Longest completion.", "At the limit: see truncated completions."
    ),
    Metric(
        "completions/mean_terminated_length",
        "Length of ended ones",
        "tokens",
        "Mean length of the completions that ended by themselves.",
        "Compare with the length: a gap is the doing of cut completions.",
        source="TRL `completions/mean_terminated_length`",
    ),
    Metric(
        "completions/min_terminated_length",
        "Shortest ended one",
        "tokens",
        "Shortest completion that ended by itself.",
        "1: an immediate end token.",
        source="TRL `completions/min_terminated_length`",
    ),
    Metric(
        "completions/max_terminated_length",
        "Longest ended one",
        "tokens",
        "Longest completion that ended by itself.",
        "Far below the limit: the limit can be lowered.",
        source="TRL `completions/max_terminated_length`",
    ),
    Metric(
        "completions/clipped_ratio",
        "Truncated",
        "share",
        "Share of completions cut at the length limit.",
        "Cut completions are scored as they are. Above 0.05: raise the limit.",
        "down",
    ),
    Metric(
        "num_tokens",
        "Tokens so far",
        "tokens",
        "Prompt and completion tokens processed since the start of the run.",
        "Grows steadily.",
    ),
    Metric("completion_tokens", "Completion tokens", "tokens", "Tokens sampled in the step.", "The work of the step."),
    Metric(
        "sampling/rounds",
        "Sampling rounds",
        "rounds",
        "How often the step sampled: with dynamic sampling again for each group without signal, else once.",
        "A rise: signal is getting rare. At its limit the step trains on fewer groups than it should.",
    ),
    Metric(
        "sampling/discarded",
        "Discarded groups",
        "groups",
        "Groups that dynamic sampling left out, because they have no signal. Rewards, kinds, lengths and tokens are "
        "counted over all sampled groups, these among them; KL and entropy over the others.",
        "Many: most of the sampling is spent on prompts that are solved or hopeless.",
        "down",
    ),
    Metric("time/rollout", "Rollout", "s", "Time spent sampling completions.", "Usually the largest part of a step."),
    Metric(
        "time/reward",
        "Scoring",
        "s",
        "Time spent in reward functions.",
        "Should be small; a slow reward slows every step.",
    ),
    Metric(
        "time/update",
        "Update",
        "s",
        "Time spent in forward and backward passes and the optimizer.",
        "Grows with completion length.",
    ),
    Metric(
        "time/evaluation", "Evaluation", "s", "Time spent on held-out evaluation after the step.", "0 on most steps."
    ),
    Metric("step_time", "Step time", "s", "Wall-clock time of the step, without evaluation and checkpoint.", "Steady."),
)

METRICS: dict[str, Metric] = {metric.key: metric for metric in _METRICS}

# Numbers that are not one value per step, but stand on pages and in the docs all the same.
TERMS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            "eval/pass_at_1",
            "Held-out pass@1",
            "share",
            "Chance that one completion, sampled at the run's temperature, answers a held-out prompt rightly: the mean "
            "over all prompts and their completions.",
            "The honest measure: these prompts are never trained on.",
            "up",
        ),
        Metric(
            "eval/pass_at_k",
            "Held-out pass@k",
            "share",
            "Chance that at least one of k completions to a held-out prompt is right: the mean of "
            "1 − C(n−c, k) / C(n, k), with c of n completions right.",
            "What k tries can do; pass@1 rises towards it.",
            "up",
        ),
        Metric(
            "eval/majority_at_k",
            "Held-out majority@k",
            "share",
            "Share of held-out prompts whose most frequent answer among k completions is right. Tied answers share; a "
            "completion without an answer has no vote.",
            "Above pass@1: a vote among the completions pays.",
            "up",
        ),
        Metric(
            "eval/reward",
            "Held-out reward",
            "",
            "Mean total reward of the completions to held-out prompts: the weighted sum of the reward functions.",
            "Should follow the reward in training. A gap that grows: what was learned does not carry over.",
            "up",
        ),
        Metric(
            "eval/rewards/<name>/mean",
            "Held-out mean of a reward",
            "",
            "Mean of one reward function over the held-out prompts, before its weight; missing values are left out.",
            "A trained reward that rises while a monitor or pass@1 falls is being gamed.",
        ),
        Metric(
            "eval/interval",
            "95 % interval",
            "",
            "Where a held-out value would lie for other prompts and completions of the same kind: from one value per "
            "prompt, Wilson's interval for shares and Student's t for other rewards.",
            "Moves inside the interval may be chance. More prompts make it narrower.",
        ),
        Metric(
            "eval/best",
            "Best checkpoint",
            "step",
            "The checkpoint of the evaluation with the highest value of checkpoint.metric_for_best_model; it is kept "
            "beside the newest ones.",
            "A best checkpoint far before the last step: the run went on for too long.",
        ),
        Metric(
            "advantage",
            "Advantage",
            "",
            "How much better a completion scored than its group: (reward − group mean) / (scale + 1e-4).",
            "Positive: made likelier. Negative: made less likely. 0: ignored.",
            equation="see Advantages",
        ),
        Metric(
            "reward_share",
            "Where the rewards are",
            "share",
            "Share of a step's completions whose total reward has this value, or lies in this range.",
            "Colour should move to the top. Two lasting bands: some prompts are learned, others never.",
        ),
        Metric(
            "group_mean",
            "Group mean",
            "",
            "Mean total reward of the completions of one prompt: the baseline.",
            "The group is its own critic.",
        ),
        Metric(
            "group_std",
            "Group std",
            "",
            "Standard deviation (n−1) of the total rewards of one prompt's completions.",
            "0: a dead group.",
        ),
        Metric(
            "token_kl",
            "Token KL",
            "nats",
            "k3 = exp(q − p) − (q − p) − 1, with p and q the log-probabilities of policy and reference.",
            "Where the policy has moved away from the reference.",
        ),
        Metric(
            "logprob",
            "Log-probability",
            "nats",
            "Log-probability of a sampled token under the policy, at the sampling temperature.",
            "Near 0: sure. Very negative: a lucky or unlucky draw.",
        ),
        Metric(
            "finish_reason",
            "End",
            "",
            "Why a completion ended: eos, its own end token; length, the limit.",
            "length: the completion was cut.",
        ),
        Metric(
            "heartbeat_age",
            "Seen",
            "s",
            "Time since the engine last reported what it is doing.",
            "More than a few steps' time: it hangs.",
        ),
    )
}
