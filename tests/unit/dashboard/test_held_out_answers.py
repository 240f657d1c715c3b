"""Held-out answers: now beside then, each with its verdict, and all text as text."""

from dashboard.views.held_out_answers import answers, answers_frame


def sample(prompt: str, *completions: tuple[str, bool | None], reference: str | None = "85") -> dict[str, object]:
    found = [{"text": text, "passed": passed} for text, passed in completions]
    return {"prompt": prompt, "reference": reference, "completions": found}


def test_every_completion_has_its_verdict() -> None:
    assert answers(sample("47+38=", ("85", True), ("75", False), ("?", None))) == "✔ 85 · ✘ 75 · – ?"


def test_now_stands_beside_what_the_same_prompt_got_before() -> None:
    frame = answers_frame(
        [sample("47+38=", ("85", True)), sample("1+1=", ("2", True), reference=None)],
        [sample("47+38=", ("75", False))],
        "before training",
    )
    assert frame.to_dict(orient="records") == [
        {"prompt": "47+38=", "reference answer": "85", "now": "✔ 85", "before training": "✘ 75"},
        {"prompt": "1+1=", "reference answer": "(none)", "now": "✔ 2", "before training": ""},
    ]


def test_a_single_evaluation_has_nothing_to_stand_beside() -> None:
    assert list(answers_frame([sample("47+38=", ("85", True))], [], "before training")) == [
        "prompt", "reference answer", "now",
    ]  # fmt: skip


def test_a_long_completion_is_cut_and_control_characters_are_seen() -> None:
    text = answers(sample("p", ("\x1b[31m" + "x" * 1000, False)))
    assert "\x1b" not in text and "␛[31m" in text and len(text) < 320
