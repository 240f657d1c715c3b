"""Rewards for the language and the mood of a text: share of a script, language by py3langid, sentiment by VADER."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import regex
from pydantic import field_validator

from engine.config_section import Section, knob
from engine.rewards.extract import MAX_TEXT
from engine.rewards.extras import needs
from engine.rewards.info import Example, RewardInfo
from engine.rewards.protocol import Completion, RewardFunction, completion_text, per_completion

Script = Literal[
    "Latin", "Cyrillic", "Greek", "Han", "Japanese", "Hangul", "Arabic", "Hebrew", "Devanagari", "Thai"
]  # fmt: skip
_SCRIPTS = {"Japanese": r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}"}
MAX_MOOD = 2_000  # characters; VADER's time grows with their square

# The languages that py3langid knows, by their ISO 639 codes.
_CODES = (
    "ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu ext fa fi fo fr "
    "fuv fy ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it ja jv ka kab kik kk km kn ko "
    "ku ky la lb lg lij ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl nn no nso oc om or pa pcm pl ps pt qu ro ru "
    "rw sa sdh se si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue "
    "zh zu"
)
LANGUAGES = frozenset(_CODES.split())


class LanguageConsistencyParams(Section):
    script: Script = knob("Latin", "The script that the letters should be of.", label="Script")


class LanguageParams(Section):
    target: str = knob(
        "en",
        "The language as its ISO 639 code, such as en, de or zh; or “prompt” for the language of the prompt.",
        label="Language",
        min_length=2,
        max_length=10,
    )
    graded: bool = knob(True, "Earn the detector's probability, instead of 1 when it is likeliest.", label="Graded")

    @field_validator("target")
    @classmethod
    def _is_known(cls, code: str) -> str:
        if code != "prompt" and code not in LANGUAGES:
            raise ValueError(f"is none of the codes {' '.join(sorted(LANGUAGES))}, nor prompt")
        return code


class SentimentParams(Section):
    mood: Literal["positive", "negative", "neutral"] = knob("positive", "Which mood earns 1.", label="Mood")


def language_consistency(params: LanguageConsistencyParams) -> RewardFunction:
    """Share of the letters that are of the script: for Latin 1 for English, 0.6 for "да yes", 0 without a letter.

    The simple form of DeepSeek-R1's reward against mixing languages, Num(words of the target language) / Num(words)
    (arXiv:2501.12948, equation 7). That takes a language detector for each word; a script is plain to see. The paper
    leaves open what text without a word is worth: 0 here, so that writing nothing earns nothing.
    """
    members = _SCRIPTS.get(params.script, rf"\p{{Script={params.script}}}")
    wanted = regex.compile(rf"[\p{{L}}&&[{members}]]", regex.V1)
    letter = regex.compile(r"\p{L}")

    def rule(text: str, reference: str | None) -> float:
        text = text[:MAX_TEXT]
        letters = len(letter.findall(text))
        return len(wanted.findall(text)) / letters if letters else 0.0

    return per_completion(rule)


def language(params: LanguageParams) -> RewardFunction:
    """Probability, by py3langid, that the completion is in the target language; 0 without a letter."""

    def reward(
        *, completions: Sequence[Completion], prompts: Sequence[Completion] = (), **_: Any
    ) -> list[float | None]:
        texts = [completion_text(completion) for completion in completions]
        if params.target != "prompt":
            return [_in_language(text, params.target, params.graded) for text in texts]
        targets = [_likeliest(completion_text(prompt)) for prompt in prompts]
        return [
            None if target is None else _in_language(text, target, params.graded)
            for text, target in zip(texts, targets, strict=True)
        ]

    return reward


def _in_language(text: str, target: str, graded: bool) -> float:
    ranked = _ranked(text)
    if ranked is None:
        return 0.0
    return dict(ranked).get(target, 0.0) if graded else float(ranked[0][0] == target)


def _likeliest(text: str) -> str | None:
    ranked = _ranked(text)
    return ranked[0][0] if ranked else None


def _ranked(text: str) -> list[tuple[str, float]] | None:
    """(language, probability), likeliest first; None for a text without a letter."""
    text = text[:MAX_TEXT]
    return _detector().rank(text) if any(map(str.isalpha, text)) else None


@cache
def _detector() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def sentiment(params: SentimentParams) -> RewardFunction:
    """VADER's compound score c of the first MAX_MOOD characters as (1 + c) / 2, (1 − c) / 2, or 1 − |c| for neutral.

    A text without a word has c = 0.
    """

    def rule(text: str, reference: str | None) -> float:
        compound = float(_analyzer().polarity_scores(text[:MAX_MOOD])["compound"])
        if params.mood == "neutral":
            return 1 - abs(compound)
        return (1 + (compound if params.mood == "positive" else -compound)) / 2

    return per_completion(rule)


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


INFOS = (
    RewardInfo(
        "language_consistency",
        "One script",
        "Share of the letters that are of one script, so that mixing in others lowers it.",
        "format",
        LanguageConsistencyParams,
        language_consistency,
        needs_answer=False,
        explanation=(
            "Counts letters: the reward is the share that belongs to the chosen script. Digits and signs do not count, "
            "and a text without a letter earns 0. A script is not a language: German earns as much as English here. "
            "One letter of the right script is enough for all of it, so it needs a task reward beside it."
        ),
        examples=(
            Example("It is 85.", 1.0),
            Example("да yes", 0.6),
            Example("85", 0.0),
            Example("Das ist gut.", 1.0),
            Example("да", 1.0, None, {"script": "Cyrillic"}),
        ),
    ),
    RewardInfo(
        "language",
        "Language",
        "How likely it is that the completion is in one language.",
        "format",
        LanguageParams,
        language,
        needs_answer=False,
        unavailable=needs("py3langid", "py3langid", "rewards"),
        explanation=(
            "py3langid compares short runs of letters with those of 140 languages; the reward is its probability for "
            "the chosen one, or whether that one is likeliest. It is sure only of whole sentences: two words may be "
            "taken for another language. A text without a letter earns 0. It sees letters and not grammar, so any "
            "typical words in any order please it."
        ),
        examples=(
            Example("This is a whole sentence in plain English.", 1.0, None, {"graded": False}),
            Example("Dies ist ein ganzer Satz auf Deutsch.", 0.0, None, {"graded": False}),
            Example("85", 0.0),
            Example("the and of the was to of it which the", 1.0, None, {"graded": False}),
            Example(
                "Das ist gut so, wie es ist.",
                1.0,
                None,
                {"target": "prompt", "graded": False},
                prompt="Wie geht es dir heute, mein Freund?",
            ),
        ),
    ),
    RewardInfo(
        "sentiment",
        "Sentiment",
        "How positive, negative or neutral the words of the completion are.",
        "format",
        SentimentParams,
        sentiment,
        needs_answer=False,
        unavailable=needs("vaderSentiment", "vaderSentiment", "rewards"),
        explanation=(
            "VADER adds up the mood of about 7,500 English words, with rules for “not”, “very” and capitals, over the "
            "first 2,000 characters. 0.5 is neither good nor bad, and a text without such words earns that. It is very "
            "easily gamed: a handful of happy words earns nearly 1 whatever the text says, which makes it a good "
            "reward to watch a model hack."
        ),
        examples=(
            Example("I love this wonderful film!", 0.94, approx=0.01),
            Example("I hate this terrible film!", 0.088, approx=0.01),
            Example("The film has 85 minutes.", 0.5),
            Example("great great great great great", 0.98, approx=0.01),
            Example("85", 1.0, None, {"mood": "neutral"}),
        ),
    ),
)
