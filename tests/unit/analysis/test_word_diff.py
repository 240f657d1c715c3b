"""Word diffs: what they say of small texts, and that large and strange ones cost no more than they may."""

import random

import pytest

from engine.analysis.word_diff import LEAD, LIMIT, MAX_WORDS, Part, word_diff, words


def test_a_changed_word_is_removed_and_added_and_the_rest_is_the_same():
    assert word_diff("The answer is 12.", "The answer is 13.").parts == (
        Part("same", "The answer is"),
        Part("removed", " 12"),
        Part("added", " 13"),
        Part("same", "."),
    )


def test_words_that_only_one_text_has():
    assert word_diff("so 4", "so it is 4").parts == (Part("same", "so"), Part("added", " it is"), Part("same", " 4"))
    assert word_diff("a b c", "c").side("added") == [Part("added", "c")]


@pytest.mark.parametrize(
    ("one", "two"), [("", "new"), ("old", ""), ("a\n\nb", "a b"), ("  x ", "x"), ("好的吗", "好吗")]
)
def test_either_side_put_together_is_the_text_again(one, two):
    diff = word_diff(one, two)
    assert "".join(part.text for part in diff.side("removed")) == one
    assert "".join(part.text for part in diff.side("added")) == two
    assert not diff.identical


def test_random_texts_are_put_together_again():
    rng = random.Random(0)
    for _ in range(50):
        one, two = ("".join(rng.choices("ab .\n", k=rng.randrange(400))) for _ in range(2))
        diff = word_diff(one, two)
        assert "".join(part.text for part in diff.side("removed")) == one
        assert "".join(part.text for part in diff.side("added")) == two


def test_the_same_text_twice_is_identical():
    assert word_diff("4 5", "4 5").parts == (Part("same", "4 5"),)
    assert word_diff("", "").identical and word_diff("", "").parts == ()
    assert word_diff("4 5", "4 5").identical


def test_characters_of_a_script_without_spaces_are_words():
    assert words("答案是 12") == ["答", "案", "是", " 12"]


def test_of_a_long_text_a_stretch_is_compared_and_the_rest_counted():
    diff = word_diff("x" * 1_000_000, "y" * 30_000)
    assert [len(part.text) for part in diff.parts] == [LIMIT, LIMIT]
    assert (diff.skipped, diff.cut_before, diff.cut_after) == (0, 1_000_000 - LIMIT, 30_000 - LIMIT)


def test_a_difference_after_a_long_beginning_that_is_alike_is_found():
    alike = "word " * 10_000
    diff = word_diff(alike + "one", alike + "two")
    assert diff.skipped == len(alike) - LEAD
    assert diff.parts[1:] == (Part("removed", " one"), Part("added", " two"))


def test_very_short_words_are_limited_by_number():
    diff = word_diff("!" * 9_000, "?" * 5_001)
    assert [len(part.text) for part in diff.parts] == [MAX_WORDS, MAX_WORDS]
    assert (diff.cut_before, diff.cut_after) == (9_000 - MAX_WORDS, 1)


def test_the_same_long_text_is_shown_in_part():
    diff = word_diff("z" * 50_000, "z" * 50_000)
    assert diff.identical
    assert (len(diff.parts[0].text), diff.cut_before, diff.cut_after) == (LIMIT, 30_000, 30_000)
