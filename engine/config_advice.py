"""What is allowed, but hardly meant: settings without effect, and settings that undo each other.

Each piece of advice says what is set, what that does, and what to do. What cannot run at all is in config_rules.py.
Pure; the numbers in it are those of the sources that config_loss.py names.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.config import RunConfig
from engine.config_loss import CLIPPED, has_entropy_bonus, updates_per_batch, upper_epsilon
from engine.config_rewards import is_trained
from engine.config_scope import SCOPES
from engine.data.tasks.registry import TASKS
from engine.rewards.registry import function_of, info_of

# A bonus of c is worth c × nats beside advantages of about 1. Skywork-OR1 works below 0.01.
HUGE_ENTROPY_COEF = 0.1
LENGTH_REWARDS = ("length_target",)
OWN_REWARDS = {"python_file", "reward_model", "local_judge"}  # what they judge is the user's


@dataclass(frozen=True)
class Advice:
    """`field` is the dotted setting to change; `text` is for a reader who sees that setting."""

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


def advice(config: RunConfig) -> list[Advice]:
    """Everything in this configuration that is probably not meant, in the order of the settings' sections."""
    found = [one for rule in RULES for one in rule(config)]
    order = list(RunConfig.model_fields)
    return sorted(found, key=lambda one: order.index(one.field.split(".")[0]))


def setting(config: RunConfig, field: str) -> Any:
    """The value of a dotted field."""
    value: Any = config
    for part in field.split("."):
        value = getattr(value, part)
    return value


def _out_of_scope(config: RunConfig) -> Iterator[Advice]:
    """Settings that were changed though nothing looks at them. Those of model and data are left from another choice."""
    for scope in SCOPES:
        if scope.holds(lambda path: setting(config, path)):
            continue
        for field in scope.fields:
            section, name = field.split(".")
            value, info = setting(config, field), type(getattr(config, section)).model_fields[name]
            if value != info.default and section not in ("model", "data"):
                yield Advice(field, f"{_shown(value)} has no effect without {scope.needs}.")


def _task(config: RunConfig) -> Iterator[Advice]:
    task = TASKS.get(config.data.source)
    used = {function_of(spec) for spec in config.rewards if is_trained(spec)}
    if task is None or task.reward is None or task.reward in used or used & OWN_REWARDS:
        return
    yield Advice(
        "rewards",
        f"none of them judges {task.label}, where an answer cannot be compared with one right answer. Add "
        f"{task.reward}, or a function of your own.",
    )


def _clip(config: RunConfig) -> Iterator[Advice]:
    loss = config.loss
    if loss.loss_type not in CLIPPED:
        return
    high = 1 + upper_epsilon(loss)
    if loss.epsilon >= 1:
        yield Advice(
            "loss.epsilon",
            f"{loss.epsilon:g} puts the lower limit of the ratio at {1 - loss.epsilon:g}, below any ratio: tokens may "
            "be pushed down without limit. Set it below 1, unless that is meant, as in DeepSeek-R1.",
        )
    if loss.delta is not None and loss.delta <= high:
        yield Advice(
            "loss.delta",
            f"{loss.delta:g} is within the clip range, which ends at {high:g}: rewarded tokens stop being pushed at "
            f"{loss.delta:g} already, penalised ones at {high:g}. Set it above {high:g} (INTELLECT-2: 4), or leave it "
            "empty.",
        )


def _cispo(config: RunConfig) -> Iterator[Advice]:
    loss = config.loss
    cap = upper_epsilon(loss)
    if loss.loss_type == "cispo" and cap < 1:
        source = "is empty, so epsilon stands for it:" if loss.epsilon_high is None else "is"
        yield Advice(
            "loss.epsilon_high",
            f"{source} {cap:g}. For cispo it is the largest weight itself, not a distance from 1: no token weighs more "
            f"than {cap:g}. Set it to about 5, as ScaleRL does.",
        )


def _level(config: RunConfig) -> Iterator[Advice]:
    field, loss = "loss.importance_sampling_level", config.loss
    if loss.loss_type == "luspo" and loss.importance_sampling_level == "token":
        yield Advice(field, "is token, but luspo is defined with one ratio for each completion. Set it to sequence.")
    if loss.importance_sampling_level == "token":
        return
    if loss.loss_type == "vespo":
        yield Advice(
            field,
            "is sequence, which vespo's policy term does not look at: it weights whole completions anyway. Only the "
            "unbiased KL gradient changes. Set it to token.",
        )
    if loss.loss_type in ("bnpo", "dr_grpo", "dapo", "cispo"):
        yield Advice(
            field,
            f"is sequence, and {loss.loss_type} averages over tokens: a completion's one ratio counts as often as it "
            "has tokens, so long completions dominate. GSPO is sequence with loss_type grpo.",
        )


def _on_policy(config: RunConfig) -> Iterator[Advice]:
    loss = config.loss
    if updates_per_batch(loss) > 1:
        return
    idle = ["off_policy_mask_threshold"] + (["epsilon_high", "delta"] if loss.loss_type in CLIPPED else [])
    for name in idle:
        if getattr(loss, name) is not None:
            yield Advice(
                f"loss.{name}",
                f"{getattr(loss, name):g} has no effect yet: with one update per batch every ratio is exactly 1. It "
                "acts once num_iterations or num_minibatches is above 1.",
            )


def _advantages(config: RunConfig) -> Iterator[Advice]:
    field = "loss.multi_objective_aggregation"
    trained = [spec.name for spec in config.rewards if is_trained(spec)]
    infos = [info for spec in config.rewards if is_trained(spec) and (info := info_of(spec)) is not None]
    if config.loss.multi_objective_aggregation == "normalize_then_sum" and len(trained) == 1:
        yield Advice(
            field,
            f"is normalize_then_sum, and only {trained[0]} is trained on: its advantages are divided twice, by the "
            "group's and by the step's spread. Set it to sum_then_normalize, or train on several rewards.",
        )
    if config.loss.baseline != "mean" and all(info.steps for info in infos):
        yield Advice(
            "loss.baseline",
            "is leave_one_out, which has no effect where every reward scores steps: a step is always compared with the "
            "mean of all steps of its group. Set it to mean.",
        )


def _kl(config: RunConfig) -> Iterator[Advice]:
    loss = config.loss
    if loss.beta == 0:
        return
    if loss.kl_estimator == "k1" and not loss.use_bias_correction_kl:
        yield Advice(
            "loss.kl_estimator",
            "is k1, whose own gradient is 0 on average: the penalty does not hold the policy. Turn on "
            "use_bias_correction_kl, or use k3.",
        )
    if loss.kl_estimator == "k2" and loss.use_bias_correction_kl:
        yield Advice(
            "loss.use_bias_correction_kl",
            "is on, but k2's own gradient is already that of the true KL divergence as long as the ratio is 1, and "
            "the correction makes it wrong. Turn it off with k2.",
        )


def _reference(config: RunConfig) -> Iterator[Advice]:
    loss, steps = config.loss, config.optim.max_steps
    if loss.sync_ref_model and loss.ref_model_sync_steps > steps:
        yield Advice(
            "loss.ref_model_sync_steps",
            f"{loss.ref_model_sync_steps} is more than the {steps} steps of the run: the reference is never refreshed. "
            "Lower it.",
        )


def _entropy(config: RunConfig) -> Iterator[Advice]:
    coef = config.loss.entropy_coef
    if coef >= HUGE_ENTROPY_COEF:
        yield Advice(
            "loss.entropy_coef",
            f"{coef:g} is large: one nat of entropy is worth an advantage of {coef:g} on every token, and text soon "
            "turns into noise. 0.001 to 0.01 is usual.",
        )


def _groups(config: RunConfig) -> Iterator[Advice]:
    rollout, loss = config.rollout, config.loss
    if rollout.dynamic_sampling and rollout.max_sampling_rounds == 1:
        yield Advice(
            "rollout.max_sampling_rounds",
            "1 lets dynamic_sampling leave groups without signal out of the update, but never replace them. Raise it.",
        )
    if loss.skip_dead_groups and loss.beta == 0 and not has_entropy_bonus(loss):
        yield Advice(
            "loss.skip_dead_groups",
            "has no effect with beta 0 and no entropy bonus: groups without signal have no gradient to leave out.",
        )


def _masked_lengths(config: RunConfig) -> Iterator[Advice]:
    judged = [spec.name for spec in config.rewards if function_of(spec) in LENGTH_REWARDS and is_trained(spec)]
    if config.loss.mask_truncated_completions and judged:
        yield Advice(
            "loss.mask_truncated_completions",
            f"leaves cut completions out of the loss, so {judged[0]} can never teach them to be shorter. Turn it off, "
            f"or do without {judged[0]}.",
        )


def _cut_distribution(config: RunConfig) -> Iterator[Advice]:
    rollout = config.rollout
    filters = {"top_p": rollout.top_p < 1, "top_k": rollout.top_k > 0, "min_p": rollout.min_p > 0}
    for name, is_on in filters.items():
        if is_on:
            heat = f" At temperature {rollout.temperature:g} it cuts away more." if rollout.temperature > 1 else ""
            yield Advice(
                f"rollout.{name}",
                f"{getattr(rollout, name):g} samples from a part of the tokens, while training computes probabilities "
                f"over all of them: the importance ratio is not exact.{heat} Turn it off, unless sampling needs it.",
            )


def _patience(config: RunConfig) -> Iterator[Advice]:
    patience, every, steps = config.evaluation.early_stopping_patience, config.evaluation.every, config.optim.max_steps
    within = (steps - 1) // every  # the one at the end cannot stop anything
    if patience is not None and patience > within:
        yield Advice(
            "evaluation.early_stopping_patience",
            f"{patience} can never be reached: the run evaluates {within} times before its end. Evaluate more often, "
            "or be less patient.",
        )


RULES: tuple[Callable[[RunConfig], Iterator[Advice]], ...] = (
    _out_of_scope, _task, _clip, _cispo, _level, _on_policy, _advantages, _kl, _reference, _entropy, _groups,
    _masked_lengths, _cut_distribution, _patience,
)  # fmt: skip


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
