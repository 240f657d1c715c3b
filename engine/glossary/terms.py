"""Numbers that are not one value per step, but stand on pages and in the docs all the same."""

from engine.glossary.metric import Metric

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
            "1 − C(n−c, k) / C(n, k), with c of n decided completions right; prompts with fewer than k are left out.",
            "What k tries can do; pass@1 rises towards it.",
            "up",
        ),
        Metric(
            "eval/majority_at_k",
            "Held-out majority@k",
            "share",
            "Share of held-out prompts whose most frequent answer among k completions is right. Tied answers share; a "
            "completion without an answer has no vote, nor has one that is undecided.",
            "Above pass@1: a vote among the completions pays.",
            "up",
        ),
        Metric(
            "eval/undecided",
            "Undecided completions",
            "completions",
            "Completions of a held-out evaluation whose pass reward is missing, because it failed or declined. They "
            "are neither right nor wrong: pass@k and majority@k are of the others, prompt by prompt.",
            "Above 0: read the log. Many: the shares speak for the prompts that could be scored alone.",
            "down",
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
            "eval/seconds",
            "Evaluation",
            "s",
            "Time spent on held-out evaluation after a step.",
            "Large beside the steps: evaluate less often, or fewer prompts.",
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
            "token_weight",
            "Weight per token",
            "",
            "By what the gradient of a token's log-probability is multiplied in the loss: the completion's advantage "
            "times the weight of the token's ratio, over what the loss type divides by.",
            "Its sign is that of the advantage. Equal advantages with unequal weights: the loss type counts lengths.",
            equation="A w / divisor; w = 1 where ρ = 1, for cispo min(1, ε_high); divisor: see Losses",
        ),
        Metric(
            "push_by_length",
            "Which lengths get the push",
            "share",
            "For each length of completions its share of all push: the sum of the sizes of its tokens' weights.",
            "A bar above the line: completions of this length push more than their number. grpo evens lengths out; "
            "dapo, dr_grpo and luspo let long ones push more.",
        ),
        Metric(
            "token_change",
            "Change since the reference",
            "nats",
            "The token's log-probability under the policy less that under the reference: how training has moved it.",
            "Above 0: the policy says it more readily than the reference would. Below 0: less so.",
            equation="p − q",
        ),
        Metric(
            "token_ratio",
            "Ratio",
            "",
            "How much likelier the token was at the last update that used it than when it was sampled.",
            "Always 1 with one update for each batch of completions. Far from 1: the clip takes the token out.",
            equation="ρ = exp(p − o)",
        ),
        Metric(
            "push",
            "Push",
            "",
            "What the last update that used the token did with it: its advantage times the weight that the clip of the "
            "loss leaves it.",
            "Above 0: made likelier. Below 0: made less likely. 0: clipped, masked, or no better than its group.",
            equation="A · w, where −A · w is the derivative of the policy term by p",
        ),
        Metric(
            "alternatives",
            "Alternatives",
            "share",
            "The tokens that were likeliest in this place when it was sampled, with their probabilities at the "
            "sampling temperature, before top-p, top-k and min-p.",
            "Several likely ones: here the policy could still say something else.",
        ),
        Metric(
            "finish_reason",
            "End",
            "",
            "Why a completion ended: eos, its own end token; stop, one of the stop strings; length, the limit.",
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
