"""The stored files are what the script wrote, and they reach the corners that they are for."""

import pytest

from tests.reference.stored import FILES, hash_of_inputs, loss_inputs, read


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_of_trl_1_16_and_its_inputs_are_those_that_were_sent(name: str) -> None:
    content = read(name)
    assert (content["trl"], content["torch"]) == ("1.16.0", "2.13.0")
    assert hash_of_inputs(content) == content["inputs_sha256"]


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_the_plain_inputs_reach_every_branch_of_the_clip_at_both_levels(level: str) -> None:
    inputs = loss_inputs()["plain"]
    mask, difference = inputs["mask"], inputs["logprobs"] - inputs["old_logprobs"]
    ratio = difference.exp()
    if level == "sequence":
        ratio = ((difference * mask).sum(1) / mask.sum(1)).exp()[:, None].expand_as(mask)
    positive, negative = inputs["advantages"][:, None] > 0, inputs["advantages"][:, None] < 0
    branches = {
        "low, A < 0": (ratio < 0.8) & negative,
        "low, A > 0": (ratio < 0.8) & positive,
        "high, A < 0": (ratio > 1.28) & negative,
        "high, A > 0": (ratio > 1.28) & positive,
        "beyond delta, A < 0": (ratio > 2) & negative,
        "within": (ratio > 0.8) & (ratio < 1.28) & (positive | negative),
        "A = 0": ~(positive | negative).expand_as(mask),
    }
    assert [name for name, found in branches.items() if not (found & mask.bool()).any()] == []
