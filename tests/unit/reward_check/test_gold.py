"""Reference answers have to reach the maximum, in the form that the run asks for."""

from typing import Any

from engine.reward_check.answers import Asked
from engine.reward_check.board import Range, Tried
from engine.reward_check.gold import Golds, gold_finding
from engine.reward_check.types import Evidence, Finding

ASKED = Asked("tag", "as the prompt asks")


def tried(right: int, total: int, note: str = "") -> list[Tried]:
    return [
        Tried(str(i), Evidence(f"line {i}", "?", str(i), str(i), 1.0 if i < right else 0.0, "" if i < right else note))
        for i in range(total)
    ]


def found(forms: dict[Any, list[Tried]], span: Range | None = None, kind: Any = "task") -> Finding:
    return gold_finding(Golds(forms), ASKED, span or Range(0.0, 1.0), kind)


def test_nineteen_of_twenty_are_enough_and_eighteen_are_not() -> None:
    assert found({"tag": tried(19, 20)}).verdict == "ok"
    worse = found({"tag": tried(18, 20, "read '3'")})
    assert worse.verdict == "failed"
    assert worse.text == (
        "18 of 20 reference answers, in <answer> tags (as the prompt asks), reach 1. line 18: '18' gets 0, it read '3'."
    )
    assert [one.where for one in worse.evidence] == ["line 18", "line 19"]


def test_a_right_answer_may_get_a_little_less_than_the_maximum() -> None:
    short = [Tried("1", Evidence("line 1", "?", "1", "1", value)) for value in (0.99, 0.985)]
    assert found({"tag": short}).verdict == "ok"
    assert found({"tag": short}, span=Range(0.0, 1.1)).verdict == "failed"


def test_other_forms_are_told_and_do_not_decide() -> None:
    text = found({"tag": tried(4, 4), "bare": tried(4, 4), "boxed": tried(0, 4)}).text
    assert text.endswith("Accepted too: bare. Not accepted: in \\boxed{}.")


def test_a_format_reward_is_not_asked_for_answers_unless_it_takes_them() -> None:
    assert found({"tag": tried(0, 4)}, kind="format").verdict == "not applicable"
    assert found({"tag": tried(4, 4)}, kind="format").verdict == "ok"


def test_a_penalty_on_right_answers_is_a_warning() -> None:
    assert found({"tag": tried(3, 4)}, kind="penalty").verdict == "warning"


def test_without_answers_or_without_a_range_there_is_nothing_to_reach() -> None:
    assert found({}).verdict == "not applicable"
    assert found({"tag": tried(4, 4)}, span=Range(1.0, 1.0)).verdict == "not applicable"
