"""Rewards for the language and the mood of a text."""

from typing import Any

import pytest
from pydantic import ValidationError

from engine.rewards.language import LANGUAGES, LanguageParams
from engine.rewards.registry import REWARDS


def call(name: str, completions: list[str], prompts: list[str] | None = None, **params: Any) -> list[float | None]:
    info = REWARDS[name]
    return info.make(info.params(**params))(completions=completions, prompts=prompts or [""] * len(completions))


def test_language_consistency_is_the_share_of_letters_of_the_script() -> None:
    # "да yes" has 2 letters of 5 in another script; digits and tags' brackets are no letters.
    assert call("language_consistency", ["It is 85.", "да yes", "答案", "<b>1+1=2</b>"]) == [1, 0.6, 0, 1]


def test_text_without_a_letter_is_in_no_language() -> None:
    assert call("language_consistency", ["85", "", "!? 1"]) == [0, 0, 0]


def test_another_script_can_be_wanted() -> None:
    assert call("language_consistency", ["да yes", "答え is"], script="Cyrillic") == [0.4, 0]
    assert call("language_consistency", ["答え is"], script="Japanese") == [0.5]
    assert call("language_consistency", ["é"]) == [1]


@pytest.mark.slow
def test_the_codes_that_are_offered_are_those_of_the_detector() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    assert sorted(LANGUAGES) == sorted(
        {*LanguageIdentifier.from_model_file(MODEL_FILE).labels} - {"zxx"}
    )  # no language
    with pytest.raises(ValidationError, match="is none of the codes"):
        LanguageParams(target="xx")


def test_the_language_of_the_prompt_can_be_the_target_and_a_prompt_without_one_is_missing() -> None:
    german, english = "Wie geht es dir heute, mein Freund?", "This is a whole sentence in plain English."
    values = call("language", [german, german, german], [german, english, "42"], target="prompt", graded=False)
    assert values == [1, 0, None]


def test_sentiment_is_vaders_and_its_three_moods_add_up() -> None:
    text = "I love this wonderful film!"
    positive, negative, neutral = (
        call("sentiment", [text], mood=mood)[0] for mood in ("positive", "negative", "neutral")
    )
    assert positive is not None and negative is not None and neutral is not None
    assert positive > 0.9 and positive + negative == pytest.approx(1)
    assert neutral == pytest.approx(2 * negative)  # 1 − |c| is 2 · (1 − c) / 2 for c > 0
