"""Which columns are prompt and answer, what the reference answer is, and the preview."""

import json
from pathlib import Path

import pytest

from engine.data.columns import preview_file, reference_answer, reward_columns


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" 85 ", "85"),
        ("48/2 = <<48/2=24>>24\nthat is 72\n#### 72", "72"),
        ("first #### 1\n#### 1,072 ", "1,072"),
        ("#### Step 1\nadd", "#### Step 1\nadd"),  # a heading
        (r"so $x = \boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        ("x\n####", ""),
    ],
)
def test_the_reference_answer_is_the_end_of_a_worked_solution(text: str, answer: str) -> None:
    assert reference_answer(text) == answer


def test_rewards_get_the_reference_as_answer_and_the_worked_solution_beside_it() -> None:
    row = {"question": "q", "answer": "1+1\n#### 2", "level": 3}
    assert reward_columns(row, "2") == {"question": "q", "answer": "2", "answer_full": "1+1\n#### 2", "level": 3}
    assert reward_columns({"solution": "x"}, "2") == {"solution": "x", "answer": "2"}
    assert reward_columns({"answer": 2}, "2") == reward_columns({"answer": " 2"}, "2") == {"answer": "2"}
    assert reward_columns({"text": "x"}, None) == {"text": "x"}


def test_a_preview_shows_the_first_rows_as_text_and_the_columns_found(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    rows = [{"question": f"{i}+1?", "answer": i + 1, "long": "x" * 1000} for i in range(5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(preview_file(str(path)).rows) == 3
    preview = preview_file(str(path), limit=2)
    assert preview.num_rows == 5 and preview.columns == ["question", "answer", "long"]
    assert [(row["question"], row["answer"], len(row["long"])) for row in preview.rows] == [
        ("0+1?", "1", 500),
        ("1+1?", "2", 500),
    ]
    assert (preview.prompt_column, preview.answer_column, preview.problems) == ("question", "answer", [])


def test_a_preview_lists_what_is_wrong_instead_of_raising(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"question": "q"}\n{\n')
    preview = preview_file(str(path))
    assert preview.num_rows == 1 and preview.answer_column is None
    assert len(preview.problems) == 1 and preview.problems[0].startswith("d.jsonl, line 2: is not JSON")
    missing = preview_file(str(tmp_path / "none.csv"))
    assert "does not exist" in missing.problems[0] and missing.num_rows == 0
