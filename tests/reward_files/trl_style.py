"""Reward functions in the style of TRL's documentation: several in one file, of which a run picks one."""

import re


def format_reward_func(completions, **kwargs):
    """Reward function that checks if the completion has a specific format."""
    pattern = r"^\d+$"
    matches = [re.match(pattern, content) for content in completions]
    return [1.0 if match else 0.0 for match in matches]


def accuracy_reward(completions, answer, trainer_state, log_extra=None, log_metric=None, **kwargs):
    """Reward function that checks if the completion is the answer."""
    rewards = [1.0 if c.strip() == truth else 0.0 for c, truth in zip(completions, answer)]  # noqa: B905
    if log_extra:
        log_extra("answer_seen", list(answer))
    if log_metric:
        log_metric("accuracy", sum(rewards) / len(rewards))
        log_metric("step", trainer_state.global_step)
    return rewards


async def length_reward(prompts, completions, completion_ids, **kwargs):
    """Reward function that assigns higher scores to longer completions (in tokens); even steps have nothing to say."""
    import asyncio

    await asyncio.sleep(0)
    return [None if len(ids) == 0 else float(len(ids)) for ids in completion_ids]
