"""What a group's record says of its completions."""

import numpy as np
import pytest

from engine.runs.records import TokenRecord
from tests.unit.runs.records import completion, group


def of_length(tokens: int) -> TokenRecord:
    return TokenRecord(np.arange(tokens, dtype=np.uint32), None, None, None)


def test_the_kl_of_a_group_is_the_mean_over_its_tokens_and_its_length_the_mean_over_its_completions():
    short, long = completion(tokens=of_length(1), mean_kl=0.4), completion(tokens=of_length(3), mean_kl=0.0)
    members = group(completions=[short, long, completion(tokens=of_length(2), mean_kl=None)])
    assert members.mean_kl == pytest.approx(0.1)  # 0.4 × 1 + 0 × 3, over 4 tokens
    assert members.mean_length == 2.0


def test_the_pass_rate_of_a_group_leaves_out_what_nobody_decided():
    members = [completion(passed=value) for value in (True, False, True, None)]
    assert group(completions=members).pass_rate == pytest.approx(2 / 3)
    assert group(completions=members[3:]).pass_rate is None


def test_a_group_without_measured_tokens_has_no_kl():
    assert group(completions=[completion(mean_kl=None)]).mean_kl is None
