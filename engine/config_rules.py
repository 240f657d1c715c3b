"""Settings that cannot be together: what is refused, though each of them is right by itself.

A rule takes the sections that it needs and yields problems. What is allowed but hardly meant is in config_advice.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from engine.config import (
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    RewardSpec,
    RolloutConfig,
    RunConfig,
)
from engine.config_data import chooses_by_pass_rate
from engine.config_rewards import is_trained
from engine.config_section import Section
from engine.data.tasks.registry import is_task, task_problems
from engine.errors import Problem
from engine.rewards.registry import deciding_reward, info_of, reward_problems

S = TypeVar("S", bound=Section)
Rewards = Sequence[RewardSpec]


def cross_problems(config: RunConfig) -> list[Problem]:
    """Problems that need more than one field to see."""
    parts = {name: getattr(config, name) for name in SECTIONS}
    return [*_reward_problems(enumerate(config.rewards)), *_apply_rules({**parts, "rewards": config.rewards})]


def cross_problems_of_readable_parts(raw: Mapping[str, Any]) -> list[Problem]:
    """The same for the sections that are valid by themselves, so that one bad field hides no other problem."""
    rewards = raw.get("rewards")
    entries = list(enumerate(rewards)) if isinstance(rewards, list | tuple) else []
    specs = [(index, spec) for index, entry in entries if (spec := _valid(RewardSpec, entry)) is not None]
    parts: dict[str, Any] = {
        name: part for name, kind in SECTIONS.items() if (part := _valid(kind, raw.get(name, {}))) is not None
    }
    if len(specs) == len(entries) > 0:
        parts["rewards"] = [spec for _, spec in specs]
    return [*_reward_problems(specs), *_apply_rules(parts)]


def _valid(section: type[S], raw: Any) -> S | None:
    try:
        return section.model_validate(raw)
    except ValidationError:
        return None


def _apply_rules(parts: Mapping[str, Any]) -> Iterator[Problem]:
    for needed, rule in RULES:
        if all(name in parts for name in needed):
            yield from rule(*(parts[name] for name in needed))


def _reward_problems(specs: Iterable[tuple[int, RewardSpec]]) -> list[Problem]:
    specs = list(specs)
    names = [spec.name for _, spec in specs]
    return [problem for index, spec in specs for problem in reward_problems(index, spec)] + [
        Problem("rewards", f"'{name}' is listed {names.count(name)} times.", "Give each reward a name of its own.")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]


def _something_is_trained(rewards: Rewards) -> Iterator[Problem]:
    if not any(is_trained(spec) for spec in rewards):
        hint = "Give at least one reward a weight."
        yield Problem("rewards", "every weight is 0, so nothing is trained.", hint)


def _gates_are_rewards(rewards: Rewards) -> Iterator[Problem]:
    names = [spec.name for spec in rewards]
    for index, spec in enumerate(rewards):
        others = [name for name in names if name != spec.name]
        if spec.gate and spec.gate not in others:
            message = f"'{spec.gate}' is no other reward of the list ({', '.join(others) or 'it has no other'})."
            yield Problem(f"rewards[{index}].gate", message, "Name one of them, or leave it empty.")


def _limits_leave_room(rewards: Rewards) -> Iterator[Problem]:
    for index, spec in enumerate(rewards):
        low, high = spec.clip_low, spec.clip_high
        if low is not None and high is not None and low >= high:
            message = f"{low:g} is not below the upper limit, {high:g}, so every value would be the same."
            yield Problem(f"rewards[{index}].clip_low", message, "Set the lower limit below the upper one.")


def _ramps_have_a_direction(rewards: Rewards, optim: OptimConfig) -> Iterator[Problem]:
    for index, spec in enumerate(rewards):
        until = optim.max_steps if spec.weight_until is None else spec.weight_until
        if spec.final_weight is not None and spec.weight_from >= until:
            message = f"{spec.weight_from:,} is not before step {until:,}, at which the weight has reached its end."
            yield Problem(f"rewards[{index}].weight_from", message, "Begin earlier, or end later.")


def _steps_are_not_shaped(rewards: Rewards) -> Iterator[Problem]:
    """Gates and limits act on the value of a completion; the scores of its steps go to the tokens past them."""
    for index, spec in enumerate(rewards):
        info = info_of(spec)
        shapes = {"gate": spec.gate, "clip_low": spec.clip_low, "clip_high": spec.clip_high}
        used = [name for name, value in shapes.items() if value not in ("", None)]
        if info is not None and info.steps and used:
            message = f"has no meaning for {spec.name}, which scores the steps of a completion."
            yield Problem(f"rewards[{index}].{used[0]}", message, "Leave it empty.")


def _judge_is_a_reward(evaluation: EvaluationConfig, rewards: Rewards) -> Iterator[Problem]:
    wanted, names = evaluation.pass_reward, [spec.name for spec in rewards]
    if wanted is not None and wanted not in names:
        message = f"'{wanted}' is not among the rewards ({', '.join(names)})."
        yield Problem("evaluation.pass_reward", message, "Name one of them, or leave it empty.")


def _system_prompt_has_a_place(model: ModelConfig) -> Iterator[Problem]:
    if model.system_prompt and model.chat_template is False:
        hint = "Turn the chat template on, or put the text into the prompt template."
        yield Problem("model.system_prompt", "is set, but the chat template is off.", hint)


def _warmup_ends_in_the_run(optim: OptimConfig) -> Iterator[Problem]:
    if optim.warmup_steps > optim.max_steps:
        message = f"{optim.warmup_steps} is more than the {optim.max_steps} steps of the run."
        yield Problem("optim.warmup_steps", message, "Make the warm-up shorter.")


def _refreshed_reference_is_used(loss: LossConfig) -> Iterator[Problem]:
    if loss.sync_ref_model and loss.beta == 0:
        message = "refreshes the reference, but with beta 0 there is no KL penalty that would look at it."
        yield Problem("loss.sync_ref_model", message, "Set beta above 0, or turn the refresh off.")


def _reference_can_be_mixed(loss: LossConfig, model: ModelConfig) -> Iterator[Problem]:
    alpha = loss.ref_model_mixup_alpha
    if loss.sync_ref_model and alpha < 1 and model.adapter == "lora":
        message = f"{alpha:g} would mix two LoRA adapters, and the mixture has no adapter of the same rank."
        yield Problem("loss.ref_model_mixup_alpha", message, "Set it to 1, or train all weights.")


def _each_minibatch_has_a_group(loss: LossConfig, rollout: RolloutConfig) -> Iterator[Problem]:
    count, groups = loss.num_minibatches, rollout.prompts_per_step
    if count > groups:
        message = f"{count} is more than the {groups} groups of a step, and groups are dealt whole."
        yield Problem("loss.num_minibatches", message, "Use fewer mini-batches, or more prompts per step.")


def _steps_are_not_compared_as_completions(loss: LossConfig, rewards: Rewards) -> Iterator[Problem]:
    """GDPO brings rewards of whole completions to one scale; no source says how scores of steps would take part."""
    steps = [spec.name for spec in rewards if is_trained(spec) and (info := info_of(spec)) is not None and info.steps]
    if loss.multi_objective_aggregation == "normalize_then_sum" and steps:
        message = f"'normalize_then_sum' compares whole completions, and {steps[0]} scores the steps of one."
        hint = f"Set it to sum_then_normalize, or make {steps[0]} a monitor, with weight 0."
        yield Problem("loss.multi_objective_aggregation", message, hint)


def _best_model_is_measured(checkpoint: CheckpointConfig, evaluation: EvaluationConfig) -> Iterator[Problem]:
    metric = checkpoint.metric_for_best_model
    if metric in ("pass_at_k", "majority_at_k") and evaluation.num_generations == 1:
        message = f"{metric} needs several completions for each held-out example, and evaluation.num_generations is 1."
        hint = "Raise evaluation.num_generations, or use pass_at_1."
        yield Problem("checkpoint.metric_for_best_model", message, hint)


def _best_model_has_a_judge(
    checkpoint: CheckpointConfig, evaluation: EvaluationConfig, rewards: Rewards
) -> Iterator[Problem]:
    measure, judge = checkpoint.metric_for_best_model, deciding_reward(evaluation.pass_reward, rewards)
    field = "checkpoint.metric_for_best_model"
    if measure in (None, "reward"):
        return
    if judge is None:
        message = f"'{measure}' is not measured, because no reward decides what is right."
        yield Problem(field, message, "Add a task reward, name one in evaluation.pass_reward, or choose reward.")
    elif measure == "majority_at_k" and not _reads_answers(judge, rewards):
        message = f"'{measure}' is not measured, because {judge}, which decides what is right, reads no answers."
        yield Problem(field, message, "Choose pass_at_1 or pass_at_k.")


def _reads_answers(name: str, rewards: Rewards) -> bool:
    """Whether this reward says what it takes for the answer; one that is not in the library is not known to."""
    infos = [info_of(spec) for spec in rewards if spec.name == name]
    return all(info is None or info.parse is not None for info in infos)


def _entropy_control_has_room(loss: LossConfig) -> Iterator[Problem]:
    if not loss.use_adaptive_entropy:
        return
    low, high, start = loss.entropy_coef_min, loss.entropy_coef_max, loss.entropy_coef
    if low > high:
        message = f"{low:g} is more than entropy_coef_max, {high:g}."
        yield Problem("loss.entropy_coef_min", message, "Set the lowest bonus below the highest.")
    elif not low <= start <= high:
        message = f"{start:g} is where adaptive control starts, and not between its bounds {low:g} and {high:g}."
        yield Problem("loss.entropy_coef", message, "Set it between entropy_coef_min and entropy_coef_max.")


def _tasks_have_good_settings(data: DataConfig) -> Iterator[Problem]:
    for index, source in enumerate(data.sources()):
        field = f"data.mixture[{index - 1}].params" if index else "data.params"
        if is_task(source.source):
            yield from task_problems(source.source, source.params, field)


def _order_has_a_measure(data: DataConfig) -> Iterator[Problem]:
    if data.order != "shuffled" and not (data.pass_rates or data.difficulty_column):
        hint = "Name measured pass rates or a difficulty column, or set it to shuffled."
        yield Problem("data.order", f"'{data.order}' needs to know how hard the prompts are.", hint)


def _pass_rates_choose_something(data: DataConfig) -> Iterator[Problem]:
    low, high = data.min_pass_rate, data.max_pass_rate
    if low > high:
        message = f"{low:g} is more than max_pass_rate, {high:g}, so no prompt would be left."
        yield Problem("data.min_pass_rate", message, "Set the lower limit below the upper one.")
    elif chooses_by_pass_rate(data) and not data.pass_rates:
        message = "chooses by pass rates, and none were measured."
        field = "data.min_pass_rate" if low > 0 else "data.max_pass_rate"
        yield Problem(field, message, "Name them in data.pass_rates, or use all prompts: from 0 to 1.")


def _rows_can_be_chosen(data: DataConfig) -> Iterator[Problem]:
    """Built-in tasks make prompts without end: none of them was measured before, and there is no last one."""
    if all(is_task(source.source) for source in data.sources()):
        if data.order != "shuffled":
            yield Problem("data.order", "has no meaning for a built-in task.", "Set it to shuffled, or use a file.")
        if chooses_by_pass_rate(data):
            yield Problem("data.pass_rates", "cannot choose among the prompts of a built-in task.", "Use a file.")


SECTIONS: Mapping[str, type[Section]] = {
    "model": ModelConfig,
    "data": DataConfig,
    "rollout": RolloutConfig,
    "loss": LossConfig,
    "optim": OptimConfig,
    "evaluation": EvaluationConfig,
    "checkpoint": CheckpointConfig,
}

RULES: tuple[tuple[tuple[str, ...], Callable[..., Iterator[Problem]]], ...] = (
    (("rewards",), _something_is_trained),
    (("rewards",), _gates_are_rewards),
    (("rewards",), _limits_leave_room),
    (("rewards",), _steps_are_not_shaped),
    (("rewards", "optim"), _ramps_have_a_direction),
    (("evaluation", "rewards"), _judge_is_a_reward),
    (("model",), _system_prompt_has_a_place),
    (("optim",), _warmup_ends_in_the_run),
    (("loss",), _refreshed_reference_is_used),
    (("loss", "model"), _reference_can_be_mixed),
    (("loss", "rollout"), _each_minibatch_has_a_group),
    (("loss", "rewards"), _steps_are_not_compared_as_completions),
    (("checkpoint", "evaluation"), _best_model_is_measured),
    (("checkpoint", "evaluation", "rewards"), _best_model_has_a_judge),
    (("loss",), _entropy_control_has_room),
    (("data",), _tasks_have_good_settings),
    (("data",), _order_has_a_measure),
    (("data",), _pass_rates_choose_something),
    (("data",), _rows_can_be_chosen),
)
