"""Which metric decides, and which configurations ask for one that they cannot have."""

from engine.config import CheckpointConfig, DataConfig, EvaluationConfig, ModelConfig, RewardSpec, RunConfig
from engine.measure import best_metric, measure_problems, stopping_metric


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


def test_a_measure_that_needs_a_judge_is_refused_without_one() -> None:
    assert measure_problems(config("digits_only")) == measure_problems(config("digits_only", measure="reward")) == []
    (problem,) = measure_problems(config("digits_only", measure="pass_at_k"))
    assert problem.field == "checkpoint.metric_for_best_model"
    assert problem.message == "'pass_at_k' is not measured, because no reward decides what is right."


def test_majority_needs_a_reward_that_reads_answers() -> None:
    assert measure_problems(config("exact_match", measure="majority_at_k", n=4)) == []
    judge = "edit_similarity"
    (problem,) = measure_problems(config(judge, measure="majority_at_k", n=4))
    assert f"{judge}, which decides what is right, reads no answers" in problem.message
    assert measure_problems(config(judge, measure="majority_at_k", n=1)) == []  # that is pass@1
