"""The panel of the New-run page in words."""

import pytest

from dashboard.views.form_check import check_in_words
from engine.check_client import Check


@pytest.mark.parametrize(
    ("train_size", "context", "words"),
    [
        (None, 128, "Ready to start: endless training examples, in a context of 128 tokens."),
        (7473, 131_072, "Ready to start: 7,473 training examples, in a context of 131,072 tokens."),
        (12, None, "Ready to start: 12 training examples."),
    ],
)
def test_a_check_without_problems_says_what_there_is(train_size, context, words):
    assert check_in_words(Check(train_size=train_size, context_length=context)) == words
