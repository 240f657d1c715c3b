"""Do the reference answers of the data suit the rewards of the run?"""

from collections.abc import Sequence

from engine.config import RewardSpec
from engine.data.example import Dataset
from engine.errors import DatasetError
from engine.rewards.extract import reference_number
from engine.rewards.registry import function_of, needs_answer

NUMERIC = ("numeric_match", "digit_match")


def check_answers(rewards: Sequence[RewardSpec], dataset: Dataset) -> None:
    """Raises DatasetError when a reward needs reference answers, or numbers, and the data has none at all."""
    needing = [spec.name for spec in rewards if needs_answer(spec)]
    if needing and all(example.answer is None for _, example in dataset.examples()):
        raise DatasetError(
            f"{dataset.name} has no column that looks like an answer, and {needing[0]} compares with one.",
            hint="Choose the answer column, or rewards that need no answer.",
            field="data.answer_column",
        )
    numeric = [spec.name for spec in rewards if function_of(spec) in NUMERIC]
    if numeric and count_numbers(dataset)[0] == 0:
        raise DatasetError(
            f"{dataset.name}: no reference answer is a number, and {numeric[0]} needs numbers.",
            hint="Choose the answer column, or another reward.",
            field="data.answer_column",
        )


def count_numbers(dataset: Dataset) -> tuple[int, int]:
    """How many reference answers are numbers, of how many examples."""
    answers = [example.answer for _, example in dataset.examples()]
    return sum(answer is not None and reference_number(answer) is not None for answer in answers), len(answers)
