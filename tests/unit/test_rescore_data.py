"""Stored completions become the call that the engine made: prompts, token ids, what functions gave."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from engine.rescore_data import read_step
from engine.runs.tokens import Tokens
from tests.toy import toy_config

CONFIG = toy_config()


class Stored:
    """One group of two completions, as RunReader gives them."""

    def __init__(self, rendered: str | None) -> None:
        self.rendered = rendered

    @contextmanager
    def snapshot(self) -> Iterator["Stored"]:
        yield self

    def groups(self, step: int) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "group_index": [0], "prompt": ["1+1="], "rendered": [self.rendered], "reference": ["2"],
                "columns": [{"answer": "2", "a": 1}], "discarded": [None],
            }
        )  # fmt: skip

    def completions(self, step: int) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "step": [1, 1], "group_index": [0, 0], "completion_index": [0, 1], "text": ["22", "3"],
                "length": [2.0, 1.0], "finish_reason": ["length", "eos"], "errors": [{}, {"digit_match": "why"}],
                "rewards": [{"exact_match": 0.0, "digit_match": 0.5}, {"exact_match": 0.0, "digit_match": None}],
                "parsed": ["22", None], "passed": [0.0, np.nan], "steps": [{}, {}], "raw": [{"digit_match": 0.9}, {}],
            }
        )  # fmt: skip

    def step_tokens(self, step: int) -> dict[tuple[int, int], Tokens]:
        words = {5: ("2", False), 6: ("3", False), 1: ("<eos>", True)}
        ids = [np.array(some, dtype=np.uint32) for some in ([5, 5], [6, 1])]
        return {(0, i): Tokens(some, None, None, None, vocabulary=words) for i, some in enumerate(ids)}


def step(rendered: str | None) -> Any:
    found = read_step(Stored(rendered), CONFIG, 1)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_prompt_that_was_rendered_as_it_is_goes_to_functions_as_text() -> None:
    found = step("1+1=")
    assert not found.conversational and found.prompts == ["1+1=", "1+1="] and found.texts == ["22", "3"]
    assert found.columns == {"answer": ["2", "2"], "a": [1, 1]}


def test_a_prompt_in_a_chat_template_goes_to_functions_as_messages() -> None:
    found = step("<user>1+1=<end>")
    assert found.conversational and found.prompts[0] == [{"role": "user", "content": "1+1="}]


def test_an_import_does_not_know_how_its_prompts_were_rendered() -> None:
    assert step(None).prompts == ["1+1=", "1+1="]


def test_what_a_function_gave_comes_before_what_counted() -> None:
    found = step("1+1=")
    np.testing.assert_array_equal(found.given["digit_match"], [0.9, np.nan])
    np.testing.assert_array_equal(found.before.rewards, [[0.0, 0.5], [0.0, np.nan]])
    assert found.reasons == [{}, {"digit_match": "why"}] and found.parsed == ["22", None]


def test_tokens_end_where_their_text_does_and_the_end_token_has_none() -> None:
    found = step("1+1=")
    assert [list(ids) for ids in found.ids] == [[5, 5], [6, 1]] and found.offsets == [[1, 2], [1, 1]]
