"""Rewards for how near a text comes to the reference: characters to change, and the longest common run of words."""

import re
from typing import Literal

from engine.config_section import knob
from engine.rewards.extract import FORM_WORDS, Extract, ReadsAnswer, stated_answer
from engine.rewards.info import Example, RewardInfo
from engine.rewards.protocol import Missing, RewardFunction, per_completion, required

MAX_COMPARED = 10_000  # characters, and words; both distances cost their product


class _Compares(ReadsAnswer):
    extract: Extract = knob(
        "whole",
        "Which part of the completion is compared with the reference answer. A think block is never part of it.",
        label="Read the answer from",
        words=FORM_WORDS,
    )
    ignore_case: bool = knob(False, "Count upper and lower case as the same.", label="Ignore case")
    floor: float = knob(
        0.0,
        "A similarity up to this is worth 0, and what is above is stretched to 0–1: unrelated texts share letters.",
        label="Worth nothing up to",
        ge=0,
        lt=1,
    )


class EditSimilarityParams(_Compares):
    pass


class RougeLParams(_Compares):
    ignore_case: bool = knob(True, "Count upper and lower case as the same.", label="Ignore case")
    measure: Literal["f1", "recall", "precision"] = knob(
        "f1",
        "Which share is the reward. Recall alone rewards padding, precision alone rewards saying little.",
        label="Measure",
        words={"f1": "both (F1)", "recall": "of the reference, covered", "precision": "of the answer, covered"},
    )


def edit_similarity(params: EditSimilarityParams) -> RewardFunction:
    """1 − edit distance / length of the longer text, spaces around both removed.

    Edit distance is Levenshtein's: fewest insertions, deletions and replacements of one character. Of a completion
    beyond MAX_COMPARED characters the rest counts as wrong.
    """
    from rapidfuzz.distance import Levenshtein

    def rule(text: str, reference: str | None) -> float:
        given, wanted = _sides(params, text, reference)
        distance = Levenshtein.distance(wanted, given[:MAX_COMPARED]) + max(0, len(given) - MAX_COMPARED)
        return _above(params.floor, max(0.0, 1.0 - distance / max(len(given), len(wanted))))

    return per_completion(rule)


def rouge_l(params: RougeLParams) -> RewardFunction:
    """ROUGE-L (Lin 2004): the longest common subsequence of words, as a share of reference, answer, or both (F1)."""
    from rapidfuzz.distance import LCSseq

    def rule(text: str, reference: str | None) -> float:
        given, wanted = (_WORD.findall(side) for side in _sides(params, text, reference))
        if not wanted:
            raise Missing("the reference answer has no word")
        common = LCSseq.similarity(given[:MAX_COMPARED], wanted)
        shares = {"recall": common / len(wanted), "precision": common / max(1, len(given))}
        shares["f1"] = 2 * common / (len(given) + len(wanted))
        return _above(params.floor, shares[params.measure])

    return per_completion(rule)


def _sides(params: _Compares, text: str, reference: str | None) -> tuple[str, str]:
    wanted = required(reference).strip()
    if len(wanted) > MAX_COMPARED:
        raise Missing(f"the reference answer has {len(wanted):,} characters, more than {MAX_COMPARED:,}")
    given = (stated_answer(text, params.extract, params.answer_pattern) or "").strip()
    return (given.casefold(), wanted.casefold()) if params.ignore_case else (given, wanted)


def _above(floor: float, similarity: float) -> float:
    return max(0.0, similarity - floor) / (1 - floor)


_WORD = re.compile(r"\w+")

INFOS = (
    RewardInfo(
        "edit_similarity",
        "Edit similarity",
        "Partial credit: 1 minus the edit distance to the reference answer, relative to the longer of the two.",
        "task",
        EditSimilarityParams,
        edit_similarity,
        explanation=(
            "Counts the characters that would have to be inserted, deleted or replaced to turn the answer into the "
            "reference, as a share of the longer of the two. It knows nothing of meaning: “not guilty” is near to "
            "“guilty”. Any text of the right length in the right alphabet earns a little, so a model can settle there; "
            "raise “worth nothing up to” against that."
        ),
        examples=(
            Example("kitten", 1.0, "kitten"),
            Example("sitting", 4 / 7, "kitten"),
            Example("", 0.0, "kitten"),
            Example("not guilty", 0.6, "guilty"),
            Example("sitting", 1 / 7, "kitten", {"floor": 0.5}),
        ),
    ),
    RewardInfo(
        "rouge_l",
        "ROUGE-L",
        "Partial credit: the longest run of words, gaps allowed, that answer and reference have in common.",
        "task",
        RougeLParams,
        rouge_l,
        explanation=(
            "Finds the longest sequence of words that stands in both texts in the same order, with other words between "
            "allowed, and takes it as a share of the reference, of the answer, or of both (F1). It measures wording: a "
            "correct paraphrase scores low, and a sentence with one “not” more scores high. With recall alone, the "
            "longest answer wins."
        ),
        examples=(
            Example("The cat sat on the mat.", 1.0, "the cat sat on the mat"),
            Example("A dog ran.", 0.0, "the cat sat on the mat"),
            Example("the cat did not sit on the mat", 10 / 14, "the cat sat on the mat"),
            Example("on the mat the cat sat", 0.5, "the cat sat on the mat"),
            Example("the cat and so on and so forth", 1.0, "the cat", {"measure": "recall"}),
        ),
    ),
)
