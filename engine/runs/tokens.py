"""The stored numbers of one completion's tokens, as arrays with their text. T tokens, K alternatives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.runs.schema import ARRAY_DTYPES

# Columns of the table `tokens`, in the order in which token_arrays takes them.
TOKEN_ARRAYS = (
    "ids", "logprobs", "ref_logprobs", "entropies", "token_advantages", "update_logprobs",
    "alternative_ids", "alternative_logprobs",
)  # fmt: skip

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Tokens:
    """Per-token arrays of one completion, [T]; log-probabilities and entropies in nats.

    None where nothing was measured: with a discarded group all but the ids. advantages: None when each token has the
    completion's. update_logprobs: at the last of several updates that used the completion. alternative_ids,
    alternative_logprobs [T, K]: the likeliest tokens at each place when it was sampled, best first; before top-p, top-k
    and min-p. vocabulary: id → (piece, is special).
    """

    ids: NDArray[np.uint32]
    logprobs: Floats | None
    ref_logprobs: Floats | None
    entropies: Floats | None
    advantages: Floats | None = None
    update_logprobs: Floats | None = None
    alternative_ids: NDArray[np.uint32] | None = None
    alternative_logprobs: Floats | None = None
    vocabulary: Mapping[int, tuple[str, bool]] = field(default_factory=dict)

    def piece(self, token: int) -> str:
        """The text of a token; `<17>` for one that the store does not know."""
        return self.vocabulary.get(token, (f"<{token}>", False))[0]

    @cached_property
    def pieces(self) -> list[str]:
        return [self.piece(token) for token in self.ids.tolist()]

    @cached_property
    def special(self) -> list[bool]:
        """Which tokens are no text, such as the end token."""
        return [self.vocabulary.get(token, ("", False))[1] for token in self.ids.tolist()]

    @property
    def kl(self) -> Floats | None:
        """k3 per token, in nats: exp(q − p) − (q − p) − 1."""
        if self.logprobs is None or self.ref_logprobs is None:
            return None
        delta = self.ref_logprobs.astype(np.float64) - self.logprobs
        return (np.expm1(delta) - delta).astype(np.float32)

    @property
    def change(self) -> Floats | None:
        """p − q per token, in nats: how much likelier the policy finds it than the reference does."""
        return None if self.logprobs is None or self.ref_logprobs is None else self.logprobs - self.ref_logprobs

    def alternatives(self, place: int) -> list[tuple[int, float]]:
        """(token id, probability) of what was likeliest at a place, best first; empty when not kept."""
        if self.alternative_ids is None or self.alternative_logprobs is None:
            return []
        shares = np.exp(self.alternative_logprobs[place].astype(np.float64))
        return list(zip(self.alternative_ids[place].tolist(), shares.tolist(), strict=True))

    def used_ids(self) -> set[int]:
        """Every id of which the text may be asked."""
        used = set(np.unique(self.ids).tolist())
        return used if self.alternative_ids is None else used | set(np.unique(self.alternative_ids).tolist())


def token_arrays(blobs: Sequence[bytes | None], vocabulary: Mapping[int, tuple[str, bool]]) -> Tokens:
    """From the blobs of TOKEN_ARRAYS. Raises ValueError when their lengths do not fit together."""
    found = {name: None if blob is None else unpack(name, blob) for name, blob in zip(TOKEN_ARRAYS, blobs, strict=True)}
    ids, alternatives, shares = (found.pop(name) for name in ("ids", "alternative_ids", "alternative_logprobs"))
    if ids is None:
        raise ValueError("a completion has no token ids")
    if any(values is not None and len(values) != len(ids) for values in found.values()):
        raise ValueError("a completion's token arrays have different lengths")
    if _size(alternatives) != _size(shares):
        raise ValueError("a completion's alternatives have not a probability each")
    return Tokens(
        ids, found["logprobs"], found["ref_logprobs"], _full(found["entropies"]), found["token_advantages"],
        found["update_logprobs"], _rows(alternatives, len(ids)), _rows(_full(shares), len(ids)), vocabulary,
    )  # fmt: skip


def unpack(name: str, blob: bytes) -> NDArray[Any]:
    """The array of a blob column, in the dtype that schema.ARRAY_DTYPES gives it."""
    return np.frombuffer(blob, dtype=ARRAY_DTYPES[name])


def _size(values: NDArray[Any] | None) -> int:
    return -1 if values is None else len(values)


def _rows(values: NDArray[Any] | None, length: int) -> NDArray[Any] | None:
    """[T · K] as [T, K]. Raises ValueError when that cannot be."""
    return None if values is None else values.reshape(length, len(values) // length if length else 0)


def _full(values: NDArray[Any] | None) -> Floats | None:
    return None if values is None else values.astype(np.float32)
