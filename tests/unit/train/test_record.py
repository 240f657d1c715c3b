"""What kind a stored group is: by its totals, unless these hide advantages."""

import numpy as np
import pytest

from engine.runs.records import CompletionRecord, TokenRecord
from engine.train.record import kind_of


def completion(total: float, advantage: float, tokens: list[float] | None = None) -> CompletionRecord:
    own = None if tokens is None else np.array(tokens, dtype=np.float32)
    record = TokenRecord(np.array([3, 1], dtype=np.uint32), None, None, None, own)
    return CompletionRecord("5", "eos", {}, total, advantage, record, None, None, None, None, passed=True)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ([completion(1.0, 0.7), completion(0.0, -0.7)], "mixed"),
        ([completion(1.0, 0.0), completion(0.0, 0.0)], "mixed"),  # discarded: a group gets no advantages then
        ([completion(1.0, 0.0), completion(1.0, 0.0)], "solved"),
        ([completion(1.0, 0.35), completion(1.0, -0.35)], "mixed"),  # GDPO: 1 × 0 + 0.5 × 2 = 1 × 1 + 0.5 × 0
        ([completion(1.0, 0.0, [0.5, -0.5]), completion(1.0, 0.0, [0.0, 0.0])], "mixed"),  # steps that differ
        ([completion(1.0, 1e-13, None), completion(1.0, -1e-13, None)], "solved"),  # the rounding of a sum
    ],
)
def test_equal_totals_are_a_dead_group_only_without_advantages(members: list[CompletionRecord], kind: str) -> None:
    assert kind_of(members) == kind
