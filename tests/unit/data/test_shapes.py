"""The usual forms of rows: how each is recognised, what is said of it, and what becomes of a row."""

import pytest

from engine.data.shapes import detect_shape
from engine.data.table import Place, Table
from engine.errors import DatasetError

PLACE = Place("d.jsonl")


def columns_of(found: Table, prompt: str | None, answer: str | None) -> tuple[str, str | None]:
    shape = detect_shape(found, prompt, answer)
    return shape.prompt, shape.answer


def table(*columns: str) -> Table:
    return Table("d.jsonl", list(columns), [])


@pytest.mark.parametrize(
    ("columns", "prompt", "answer"),
    [
        (["prompt", "answer"], "prompt", "answer"),
        (["answer", "question"], "question", "answer"),  # GSM8K
        (["problem", "solution"], "problem", "solution"),  # MATH
        (["source", "problem", "solution", "answer"], "problem", "answer"),  # NuminaMath
        (["instruction", "input", "output"], "instruction", "output"),  # Alpaca
        (["prompt", "completion"], "prompt", "completion"),
        (["Question", "Ground_Truth"], "Question", "Ground_Truth"),
        (["id", "text"], "text", None),
        (["input", "target"], "input", "target"),
    ],
)
def test_usual_names_are_found(columns: list[str], prompt: str, answer: str | None) -> None:
    assert columns_of(table(*columns), None, None) == (prompt, answer)


def test_the_prompt_is_not_taken_for_the_answer() -> None:
    assert columns_of(table("answer", "target"), "answer", None) == ("answer", "target")
    assert columns_of(table("answer"), "answer", None) == ("answer", None)


def test_configured_columns_go_first() -> None:
    assert columns_of(table("question", "answer", "q2", "a2"), "q2", "a2") == ("q2", "a2")


@pytest.mark.parametrize(
    ("setting", "field"), [(("quesion", None), "data.prompt_column"), ((None, "x"), "data.answer_column")]
)
def test_a_configured_column_that_is_not_there_is_named_with_those_that_are(
    setting: tuple[str | None, str | None], field: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        columns_of(table("question", "answer"), *setting)
    name = setting[0] or setting[1]
    assert caught.value.message == f"d.jsonl has no column '{name}'; its columns are 'question', 'answer'."
    assert caught.value.field == field
    assert caught.value.hint == ("Did you mean 'question'?" if setting[0] else "Choose one of these.")


def test_no_column_like_a_prompt_is_told_with_the_columns() -> None:
    with pytest.raises(DatasetError, match="no column looks like a prompt; its columns are 'a', 'b'"):
        columns_of(table("a", "b"), None, None)
