"""Equivalent formulas, and expressions that have to reach a target."""

from typing import Any

import pytest

from engine.rewards import mathematics
from engine.rewards.protocol import MISSING
from engine.rewards.registry import REWARDS


def call(name: str, completions: list[str], columns: dict[str, list[Any]], **params: Any) -> list[float | None]:
    info = REWARDS[name]
    return info.make(info.params(**params))(completions=completions, **columns)


@pytest.mark.parametrize(
    ("text", "reference", "value"),
    [
        (r"\boxed{\frac{3}{4}}", "0.75", 1),
        ("The answer is $x^2+1$.", "1 + x^2", 1),
        (r"\boxed{\{2, 1\}}", r"\{1, 2\}", 1),
        (r"\boxed{(0, 1]}", "[0, 1)", 0),
        (r"\boxed{2\sqrt{2}}", r"\sqrt{8}", 1),
        ("42", "42", 1),
        ("#### 1,072", "work\n#### 1072", 1),
        ("", "42", 0),
        (r"\boxed{x+1}", "x+2", 0),
        ("x = 5", "5", 1),
        ("<think>42</think>", "42", 0),
        (r"\boxed{42} or \boxed{43}", "42", 0),
        ("no idea", "42", 0),
    ],
)
def test_formulas_are_compared_as_formulas(text: str, reference: str, value: float) -> None:
    assert call("math_equivalence", [text], {"answer": [reference]}) == [value]


@pytest.mark.parametrize(
    "reference", ["many", "forty-two", "", None, "9^" * 50 + "9", "9^{99999}", "((" * 20, "1" * 500]
)
def test_a_reference_that_is_no_formula_or_too_large_a_one_is_missing(reference: str | None) -> None:
    assert call("math_equivalence", ["42"], {"answer": [reference]}) == [None]


@pytest.mark.parametrize(
    "text", ["9^9^9^9^9", "9^{99999}", "(" * 5000, "x" * 5000, r"\boxed{" + "(" * 200 + ")" * 200 + "}", "99999!"]
)
def test_an_answer_that_would_take_the_parser_long_is_wrong_at_once(text: str, monkeypatch: Any) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(mathematics, "_parsed", lambda formula: parsed.append(formula) or ["gold"])
    assert call("math_equivalence", [text], {"answer": ["42"]}) == [0]
    assert parsed == ["42"]  # the reference alone


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<answer>(1 + 2 + 3) * 4</answer>", 1),
        (r"\boxed{(1 + 2 + 3) \times 4 = 24}", 1),
        ("4 × 3 × 2 ÷ 1", 1),
        ("4 * 3 * 2", 0),  # 1 is not used
        ("4 * 3 * 2 * 1 * 1", 0),
        ("(1 + 2 + 3) + 4", 0.1),
        ("24", 0),
        ("4 * 6 = 24", 0),
        ("1/0 + 2 + 3 + 4", 0),
        ("__import__('os')", 0),
        ("", 0),
    ],
)
def test_an_expression_has_to_reach_the_target_with_the_numbers(text: str, value: float) -> None:
    columns = {"target": [24], "nums": [[1, 2, 3, 4]]}
    params = {"target_column": "target", "numbers_column": "nums", "attempt": 0.1}
    assert call("expression_target", [text], columns, **params) == [value]


def test_numbers_may_be_written_as_text_and_need_not_all_be_used() -> None:
    columns = {"answer": ["24", "24", "24"], "nums": ["1, 2, 3, 4", "[1, 2, 3, 4]", "1 2 3 4"]}
    params = {"numbers_column": "nums", "all_numbers": False}
    assert call("expression_target", ["2 * 3 * 4"] * 3, columns, **params) == [1, 1, 1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"answer": ["24"], "nums": [None]}, "the column 'nums' of this row does not hold whole numbers"),
        ({"answer": ["24"], "nums": ["many"]}, "the column 'nums' of this row does not hold whole numbers"),
        ({"answer": ["many"], "nums": ["1"]}, "the target 'many' is not a number"),
        ({"answer": [None], "nums": ["1"]}, "this row has no reference answer"),
    ],
)
def test_a_row_without_target_or_numbers_is_missing(row: dict[str, list[Any]], reason: str) -> None:
    info = REWARDS["expression_target"]
    extra: dict[str, Any] = {}
    reward = info.make(info.params(numbers_column="nums"))
    assert reward(completions=["1 + 1"], log_extra=extra.__setitem__, **row) == [None]
    assert extra[MISSING] == [reason]
