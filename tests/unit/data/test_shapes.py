"""The usual forms of rows: how each is recognised, what is said of it, and what becomes of a row."""

from typing import Any

import pytest

from engine.data.columns import make_example
from engine.data.example import Example
from engine.data.shapes import Shape, detect_shape
from engine.data.table import Place, Row, Table
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


USER, ASSISTANT = {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "It is\n#### 2"}
SYSTEM = {"role": "system", "content": "Add."}
HUMAN, GPT = {"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2"}


def made(*rows: dict[str, Any], template: str = "{prompt}", **given: str) -> tuple[Shape, Example]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    found = Table("d.jsonl", columns, [Row(number, row, PLACE) for number, row in enumerate(rows, start=1)])
    shape = detect_shape(found, given.get("prompt"), given.get("answer"))
    return shape, make_example(found.rows[0], shape, template)


@pytest.mark.parametrize(
    ("row", "key", "prompt", "answer"),
    [
        ({"prompt": "1+1?", "answer": 2}, "question_answer", "1+1?", "2"),
        ({"question": "1+1?", "answer": "one and one\n#### 2"}, "worked_solution", "1+1?", "2"),
        ({"problem": "1+1?", "solution": r"so $\boxed{2}$."}, "boxed_solution", "1+1?", "2"),
        ({"instruction": "Add.", "input": "1+1", "output": "2"}, "instruction", "Add.\n\n1+1", "2"),
        ({"instruction": "Add 1+1.", "input": "", "output": "2"}, "instruction", "Add 1+1.", "2"),
        ({"prompt": [USER], "answer": "2"}, "chat_prompt", "1+1?", "2"),
        ({"messages": [USER, ASSISTANT]}, "messages", "1+1?", "2"),
        ({"conversations": [HUMAN, GPT]}, "sharegpt", "1+1?", "2"),
        ({"prompt": "1+1=", "completion": "2"}, "completion", "1+1=", "2"),
        ({"prompt": [USER], "completion": [ASSISTANT]}, "chat_prompt", "1+1?", "2"),
        ({"prompt": [USER], "verification_info": {"ground_truth": "2"}}, "chat_prompt", "1+1?", "2"),
        (
            {"data_source": "x", "prompt": [USER], "reward_model": {"style": "rule", "ground_truth": "2"}},
            *("verl", "1+1?", "2"),
        ),
        (
            {"prompt": [USER], "reward_model": {"ground_truth": {"target": 7, "numbers": [3, 4]}}},
            *("verl", "1+1?", '{"target": 7, "numbers": [3, 4]}'),
        ),
        (
            {"prompt": "def f():", "canonical_solution": "  return 1", "test": "assert f()"},
            "code",
            "def f():",
            "return 1",
        ),
        ({"text": "Write f.", "code": "f = 1", "test_list": ["assert f"]}, "code", "Write f.", "f = 1"),
        ({"prompt": "Tell me a story."}, "prompts", "Tell me a story.", None),
    ],
)
def test_a_usual_form_is_recognised_and_read(row: dict[str, Any], key: str, prompt: str, answer: str | None) -> None:
    shape, example = made(row)
    assert (shape.key, example.prompt, example.answer, example.messages) == (key, prompt, answer, None)
    assert shape.sentence.endswith(".") and shape.label and f"'{shape.prompt}'" in shape.sentence
    assert set(row) <= set(example.columns) and shape.has_answers == (answer is not None)


def test_the_sentence_says_where_the_gold_answer_of_a_conversation_is() -> None:
    shape, _ = made({"conversations": [HUMAN, GPT]})
    assert shape.sentence == (
        "ShareGPT conversations: the prompt is every turn of 'conversations' before the last answer; "
        "the answer is that turn."
    )


def test_a_conversation_keeps_its_turns_and_its_last_answer_becomes_the_reference() -> None:
    turns = [SYSTEM, USER, {"role": "assistant", "content": "2"}, {"role": "user", "content": "And 1+2?"}, ASSISTANT]
    _, example = made({"messages": turns, "level": 3}, template="{prompt} ({level})")
    assert example.messages == (*turns[:3], {"role": "user", "content": "And 1+2? (3)"})
    assert example.question == "And 1+2?" and example.answer == "2"
    assert example.prompt == "System: Add.\n\nUser: 1+1?\n\nAssistant: 2\n\nUser: And 1+2? (3)\n\nAssistant:"
    assert example.columns["answer_full"] == ASSISTANT["content"] and example.columns["messages"] == turns


def test_an_answer_column_goes_before_the_last_turn_and_the_turn_is_still_not_shown() -> None:
    shape, example = made({"messages": [USER, ASSISTANT], "gold": "two"}, answer="gold")
    assert (shape.key, example.prompt, example.answer) == ("chosen", "1+1?", "two")
    assert "answer_full" not in example.columns


def test_a_column_inside_an_object_can_be_chosen() -> None:
    row = {"q": "1+1?", "meta": {"gold": {"value": 2}}}
    shape, example = made(row, prompt="q", answer="meta.gold.value")
    assert example.answer == "2" and shape.sentence.endswith("the answer is 'value' inside 'meta.gold'.")
    with pytest.raises(DatasetError, match=r"no column 'meta\.silver'"):
        made(row, prompt="q", answer="meta.silver")


def test_turns_in_parts_are_joined_and_speakers_have_one_name() -> None:
    parts = [{"type": "text", "text": "1+"}, {"type": "text", "text": "1?"}]
    _, example = made({"chat": [{"role": "Human", "content": parts}, {"role": "ChatGPT", "content": "2"}]})
    assert (example.prompt, example.answer) == ("1+1?", "2")


def test_columns_of_rewards_are_kept_as_they_are() -> None:
    info = {"split": "train", "index": 4}
    _, example = made(
        {"data_source": "gsm8k", "prompt": [USER], "reward_model": {"ground_truth": "2"}, "extra_info": info}
    )
    assert example.columns["extra_info"] == info and example.columns["data_source"] == "gsm8k"
    shape, example = made({"prompt": "x", "test_cases": [[1, 2]], "verification_info": {"language": "python"}})
    assert shape.tests == ("test_cases", "verification_info") and example.columns["test_cases"] == [[1, 2]]


def test_the_form_of_most_rows_decides_and_the_others_are_told() -> None:
    rows = [{"messages": [USER, ASSISTANT]}] * 3 + [{"messages": [USER]}]
    shape, _ = made(*rows)
    with pytest.raises(ValueError, match="'messages' does not end with an answer"):
        make_example(Row(4, rows[3], PLACE), shape, "{prompt}")


@pytest.mark.parametrize("content", ["", " ", None])
def test_an_empty_system_turn_says_nothing_and_is_left_out(content: str | None) -> None:
    turns = [{"role": "system", "content": content}, {"role": "user", "content": "1+1?"}]
    found = Table(
        "d.jsonl", ["messages"], [Row(1, {"messages": [*turns, {"role": "assistant", "content": "2"}]}, PLACE)]
    )
    example = make_example(found.rows[0], detect_shape(found), "{prompt}")
    assert (example.prompt, example.answer, example.messages) == ("1+1?", "2", None)


def test_an_empty_turn_of_the_user_is_still_refused() -> None:
    turns = [{"role": "user", "content": ""}, {"role": "assistant", "content": "2"}]
    found = Table("d.jsonl", ["messages"], [Row(1, {"messages": turns}, PLACE)])
    with pytest.raises(ValueError, match="turn 1: the content is empty"):
        make_example(found.rows[0], detect_shape(found), "{prompt}")
