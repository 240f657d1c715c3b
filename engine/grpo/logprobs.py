"""Log-probabilities of chosen tokens, entropies, and the likeliest tokens, from hidden states: never all of [B, T, V].

N token positions, H hidden size, V vocabulary, K alternatives.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

# 2^26 floats are 256 MiB: more positions than fit are taken in chunks whose logits are recomputed for the gradient.
MAX_LOGITS = 2**26


class TokenValues(NamedTuple):
    """Of N token positions: log-probabilities of the tokens [N] and entropies [N], in nats; and the K most probable
    tokens, best first, `alternative_ids` [N, K] with `alternative_logprobs` [N, K], which have no gradient.
    """

    logprobs: Tensor
    entropies: Tensor
    alternative_ids: Tensor
    alternative_logprobs: Tensor


def selected_logprobs(
    hidden: Tensor,
    head: Callable[[Tensor], Tensor],
    ids: Tensor,
    temperature: float,
    *,
    vocabulary: int,
    entropy_gradient: bool = False,
    num_alternatives: int = 0,
) -> TokenValues:
    """Log-probability of ids[n] at position n, and the entropy there, both in nats, at the sampling temperature.

    hidden [N, H]: states that predict the tokens. head: states to logits [N, V]. ids [N].
    returns log softmax(logits / temperature)[ids], float32 with gradient; H = −Σ p log p, float32 and without gradient
    unless `entropy_gradient`; and the `num_alternatives` likeliest tokens, at most V.
    """
    chunk = max(1, MAX_LOGITS // vocabulary)
    if len(ids) <= chunk:
        return _from_logits(head(hidden), ids, temperature, entropy_gradient, num_alternatives)

    def part(states: Tensor, tokens: Tensor) -> TokenValues:
        return _from_logits(head(states), tokens, temperature, entropy_gradient, num_alternatives)

    parts = [
        checkpoint(part, states, tokens, use_reentrant=False)
        for states, tokens in zip(torch.split(hidden, chunk), torch.split(ids, chunk), strict=True)
    ]
    return TokenValues(*(torch.cat(values) for values in zip(*parts, strict=True)))


def _from_logits(
    logits: Tensor, ids: Tensor, temperature: float, entropy_gradient: bool, num_alternatives: int
) -> TokenValues:
    logits = logits.float() / temperature
    normaliser = logits.logsumexp(dim=1)
    chosen = logits.gather(1, ids[:, None]).squeeze(1) - normaliser
    with torch.set_grad_enabled(entropy_gradient):
        # H = log Z − Σ p · logit, without keeping a second [N, V] tensor of log-probabilities.
        entropy = normaliser - (torch.softmax(logits, dim=1) * logits.nan_to_num(neginf=0.0)).sum(dim=1)
    with torch.no_grad():  # last, because what is computed again for a gradient ends where the gradient needs no more
        best = logits.detach().topk(min(num_alternatives, logits.shape[1]), dim=1)
    return TokenValues(chosen, entropy, best.indices, best.values - normaliser.detach()[:, None])
