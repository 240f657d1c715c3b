"""Numeric and exact match against a person's judgement of many cases: which are still wrong is known, and listed."""

import pytest

from engine.rewards.registry import REWARDS
from tests.unit.rewards.match_cases import EXACT, NUMERIC, cases

# As docs/rewards.md lists them: (completion, reference).
QUIZ = "Question: 6*7?\nAnswer: 42\nQuestion: 2*2?\nAnswer: 4"
WRONGLY_WRONG = {
    ("three quarters", "3/4"),  # numbers in words are not read
    ("forty-two", "42"),
    ("四十二", "42"),
    ("6 hours or 360 minutes", "360"),  # two ways to say one thing look like two answers
    ("x^2 = 16, x = 4", "4"),
    ("Each of the 7 boxes holds 6, so there are 42 in all 7 boxes.", "42"),  # the last number is not always the answer
    ("42\n\nLet me know if you have 2 more questions.", "42"),
    (QUIZ, "42"),  # a model that goes on with another question
    ("The answer is 41+1", "42"),  # expressions are not worked out
}
WRONGLY_RIGHT = {(QUIZ, "4"), ("5!", "5")}


def judged(name: str, completion: str, reference: str, **params: object) -> bool:
    info = REWARDS[name]
    (value,) = info.make(info.params(**params))(completions=[completion], answer=[reference])
    assert value in (0.0, 1.0), "every reference of the table can be read"
    return value == 1.0


@pytest.mark.parametrize("kind", NUMERIC)
def test_numeric_match_judges_as_a_person_does_but_for_the_listed_cases(kind: str) -> None:
    for completion, reference, is_right in NUMERIC[kind]:
        listed = (completion, reference) in WRONGLY_WRONG | WRONGLY_RIGHT
        assert judged("numeric_match", completion, reference) == (is_right != listed), (completion, reference)


def test_the_lists_of_wrong_verdicts_say_which_way_they_are_wrong() -> None:
    right = {(c, r): is_right for rows in NUMERIC.values() for c, r, is_right in rows}
    assert {right[case] for case in WRONGLY_WRONG} == {True}
    assert {right[case] for case in WRONGLY_RIGHT} == {False}


def test_exact_match_judges_as_a_person_does_but_for_answers_inside_sentences() -> None:
    params = {"extract": "auto", "ignore_case": True, "ignore_punctuation": True}
    wrong = [c for rows in EXACT.values() for c, r, right in rows if judged("exact_match", c, r, **params) != right]
    assert wrong == [
        "The capital of France is Paris.",
        "The answer is Paris. It lies on the Seine.",
        "Yes, it is.",
    ]


def test_the_table_is_as_long_as_it_should_be_and_has_both_verdicts_in_every_class() -> None:
    assert len(cases()) >= 150
    assert len({(case.completion, case.reference) for case in cases()}) == len(cases())
    for kind in (*NUMERIC, *EXACT):
        assert {case.is_right for case in cases() if case.kind == kind} == {True, False}, kind
