"""Log-probabilities of chosen tokens, and entropies, from hidden states: never a [B, T, V] tensor.

N token positions, H hidden size, V vocabulary.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

# 2^26 floats are 256 MiB: more positions than fit are taken in chunks whose logits are recomputed for the gradient.
MAX_LOGITS = 2**26


def selected_logprobs(
    hidden: Tensor,
    head: Callable[[Tensor], Tensor],
    ids: Tensor,
    temperature: float,
    *,
    vocabulary: int,
    entropy_gradient: bool = False,
) -> tuple[Tensor, Tensor]:
    """Log-probability of ids[n] at position n, and the entropy there, both in nats, at the sampling temperature.

    hidden [N, H]: states that predict the tokens. head: states to logits [N, V]. ids [N].
    returns ([N] float32 with gradient, [N] float32, without unless `entropy_gradient`):
    log softmax(logits / temperature)[ids], and H = −Σ p log p.
    """
    chunk = max(1, MAX_LOGITS // vocabulary)
    if len(ids) <= chunk:
        return _from_logits(head(hidden), ids, temperature, entropy_gradient)

    def part(states: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return _from_logits(head(states), tokens, temperature, entropy_gradient)

    pairs = [
        checkpoint(part, states, tokens, use_reentrant=False)
        for states, tokens in zip(torch.split(hidden, chunk), torch.split(ids, chunk), strict=True)
    ]
    return torch.cat([logprob for logprob, _ in pairs]), torch.cat([entropy for _, entropy in pairs])


def _from_logits(logits: Tensor, ids: Tensor, temperature: float, entropy_gradient: bool) -> tuple[Tensor, Tensor]:
    logits = logits.float() / temperature
    normaliser = logits.logsumexp(dim=1)
    chosen = logits.gather(1, ids[:, None]).squeeze(1) - normaliser
    with torch.set_grad_enabled(entropy_gradient):
        # H = log Z − Σ p · logit, without keeping a second [N, V] tensor of log-probabilities.
        entropy = normaliser - (torch.softmax(logits, dim=1) * logits.nan_to_num(neginf=0.0)).sum(dim=1)
    return chosen, entropy
