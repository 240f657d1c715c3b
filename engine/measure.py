"""By which metric evaluations of a run are compared, and whether it is time to stop. Light: no torch."""

from collections.abc import Mapping, Sequence

from engine.analysis.evaluation import Estimate
from engine.analysis.gains import evaluations_without_gain, measure_key, measure_value, measure_words, measured
from engine.config import RunConfig
from engine.config_io import pass_reward

Evaluations = Sequence[tuple[int, Mapping[str, Estimate]]]


def best_metric(config: RunConfig) -> str | None:
    """The metric that says which checkpoint is the best, or None when none is kept for its score."""
    measure = config.checkpoint.metric_for_best_model
    return None if measure is None else measure_key(measure, config.evaluation.num_generations)


def stopping_metric(config: RunConfig) -> str:
    """The metric in which early stopping looks for gains: that of the best checkpoint, else pass@1, else the reward."""
    return best_metric(config) or ("reward" if pass_reward(config) is None else "pass_at_1")


def early_stop_reason(config: RunConfig, evaluations: Evaluations) -> str:
    """Why training ends after the newest of these evaluations, or "" when it goes on.

    From the stored evaluations alone, so that a resumed run decides as one that was never interrupted.
    """
    patience, key = config.evaluation.early_stopping_patience, stopping_metric(config)
    values = measured(evaluations, key)
    without = evaluations_without_gain([value for _, value in values], config.evaluation.early_stopping_threshold)
    if patience is None or without < patience:
        return ""
    step, value = max(values, key=lambda entry: entry[1])
    count = "1 evaluation" if without == 1 else f"{without} evaluations in a row"
    return (
        f"Stopped early after step {values[-1][0]} of at most {config.optim.max_steps}: {count} without a gain in "
        f"held-out {measure_words(key)}; the best was {measure_value(key, value)} after step {step}."
    )
