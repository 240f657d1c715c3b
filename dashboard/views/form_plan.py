"""What a configuration means, in words: the work of the run, and how it differs from the run it came from. Pure."""

from dashboard.views.form_sections import CONTROL, shown_setting, shown_value
from dashboard.wording import plural
from engine.analysis.gains import measure_words
from engine.config import RewardSpec, RunConfig
from engine.config_io import config_diff, pass_reward
from engine.config_loss import updates_per_batch
from engine.measure import stopping_metric


def plan(config: RunConfig, after: int = 0) -> list[str]:
    """The run in a few sentences, with the numbers that decide how long it takes. A fork goes on `after` a step."""
    rollout, steps = config.rollout, max(0, config.optim.max_steps - after)
    begin = f"Goes on after step {after:,} with {plural(steps, 'more step')}" if after else plural(steps, "step")
    per_step = rollout.prompts_per_step * rollout.num_generations
    count = len(config.rewards)
    scores = "scores" if count == 1 else "score"
    trained = "all weights are" if config.model.adapter == "full" else "the LoRA adapter is"
    updates = "once" if updates_per_batch(config.loss) == 1 else f"{updates_per_batch(config.loss)} times"
    return [
        f"{begin}. In each, the model writes {plural(rollout.num_generations, 'completion')} to each "
        f"of {plural(rollout.prompts_per_step, 'prompt')}: {per_step:,} completions of up to "
        f"{plural(rollout.max_completion_length, 'token')}, {per_step * steps:,} completions in the whole run.",
        f"{plural(count, 'reward')} {scores} them, and {trained} updated {updates} a step.",
        _evaluation(config),
    ]


def _evaluation(config: RunConfig) -> str:
    judge, evaluation = pass_reward(config), config.evaluation
    asked = plural(min(evaluation.num_prompts, config.data.held_out), "held-out example")
    each = f", {evaluation.num_generations} completions each," if evaluation.num_generations > 1 else ""
    when = f"before and after training and every {plural(evaluation.every, 'step')}"
    verb = "is" if asked.startswith("1 ") else "are"
    words = f"{asked}{each} {verb} evaluated {when}; "
    if judge is None:
        words += "no reward says which answers are right, so there is no pass@1."
    else:
        words += f"{judge} decides what is right."
    if evaluation.early_stopping_patience is not None:
        patience = plural(evaluation.early_stopping_patience, "evaluation")
        words += f" The run ends after {patience} without a gain in {measure_words(stopping_metric(config))}."
    return words


def differences(parent: RunConfig, config: RunConfig) -> list[tuple[str, str, str]]:
    """(setting, in the parent, now) of every setting that differs, but for the name; rewards are matched by name."""
    changed = [
        (CONTROL[field].label if field in CONTROL else field, shown_setting(field, old), shown_setting(field, new))
        for field, old, new in config_diff(parent, config)
        if field != "name" and not field.startswith("rewards[")
    ]
    return changed + _reward_differences(parent.rewards, config.rewards)


def _reward_differences(old: tuple[RewardSpec, ...], new: tuple[RewardSpec, ...]) -> list[tuple[str, str, str]]:
    before, after = {spec.name: spec for spec in old}, {spec.name: spec for spec in new}
    rows: list[tuple[str, str, str]] = []
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            rows.append((f"Reward {name}", f"weight {shown_value(before[name].weight)}", "removed"))
        elif name not in before:
            rows.append((f"Reward {name}", "not there", f"weight {shown_value(after[name].weight)}"))
        else:
            rows += _changed(before[name], after[name])
    return rows


def _changed(old: RewardSpec, new: RewardSpec) -> list[tuple[str, str, str]]:
    left = {"weight": old.weight, **old.params}
    right = {"weight": new.weight, **new.params}
    return [
        (f"Reward {old.name}, {key}", shown_value(left.get(key)), shown_value(right.get(key)))
        for key in {**left, **right}
        if left.get(key) != right.get(key)
    ]
