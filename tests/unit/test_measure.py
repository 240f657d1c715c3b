"""Which metric decides which checkpoint is the best, and when a run stops."""

from engine.config import CheckpointConfig, DataConfig, EvaluationConfig, ModelConfig, RewardSpec, RunConfig
from engine.measure import best_metric, stopping_metric


def config(*rewards: str, measure: str | None = None, n: int = 1) -> RunConfig:
    return RunConfig(
        model=ModelConfig(source="embedded"), data=DataConfig(source="arithmetic"),
        rewards=tuple(RewardSpec(name=name) for name in rewards), evaluation=EvaluationConfig(num_generations=n),
        checkpoint=CheckpointConfig(metric_for_best_model=measure),  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_measure_of_the_best_checkpoint_decides_when_to_stop_too() -> None:
    assert best_metric(config("exact_match")) is None
    assert stopping_metric(config("exact_match")) == "pass_at_1"
    assert stopping_metric(config("digits_only")) == "reward"  # nothing decides right or wrong
    chosen = config("exact_match", measure="majority_at_k", n=4)
    assert best_metric(chosen) == stopping_metric(chosen) == "majority_at_4"
