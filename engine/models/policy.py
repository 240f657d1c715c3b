"""The policy: the model that is trained, with its tokenizer, its reference, and what training changes in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import CheckpointError


@dataclass(frozen=True)
class Policy:
    """A model in evaluation mode (no dropout), of which `trainable()` takes gradients.

    `frozen_copy` is the reference of full fine-tuning; with LoRA it is None, and the reference is the model without its
    adapter, or, once it was refreshed, with the adapter as it was then, which is `reference_adapter`.
    """

    model: nn.Module
    tokenizer: Any
    context_length: int
    eos_ids: frozenset[int]
    pad_id: int
    frozen_copy: nn.Module | None = None
    reference_adapter: dict[str, Tensor] = field(default_factory=dict)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Tokens that are no text: what the tokenizer calls so, the end tokens and the padding."""
        added = {token for token, entry in self.tokenizer.added_tokens_decoder.items() if entry.special}
        return frozenset({*self.tokenizer.all_special_ids, *added, *self.eos_ids, self.pad_id})

    def trainable(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters that training changes, sorted by name. A tied weight is listed once."""
        return sorted((name, value) for name, value in self.model.named_parameters() if value.requires_grad)

    @contextmanager
    def reference(self) -> Iterator[nn.Module]:
        """The module that computes the reference inside the `with` block; call it without gradient."""
        if self.frozen_copy is not None:
            yield self.frozen_copy
        elif self.reference_adapter:
            with self._exchanged(self.reference_adapter):
                yield self.model
        else:
            with self.model.disable_adapter():  # type: ignore[operator]
                yield self.model

    @torch.no_grad()
    def refresh_reference(self, alpha: float) -> None:
        """Move the reference to (1 − α) reference + α policy, weight by weight; α = 1 makes it the policy of now.

        TR-DPO, arXiv:2404.09656. Raises ValueError for α below 1 with LoRA: such a mixture has no adapter of this rank.
        """
        if self.frozen_copy is not None:
            for reference, policy in zip(self.frozen_copy.parameters(), self.model.parameters(), strict=True):
                reference.lerp_(policy.detach(), alpha)
        elif alpha == 1:
            self.reference_adapter.update({name: value.clone() for name, value in self.adapter_state().items()})
        else:
            raise ValueError(f"alpha is {alpha}; a LoRA reference can only be replaced")

    def reference_state(self) -> dict[str, Tensor]:
        """The reference's tensors by name, not copied; empty for a LoRA reference that is the base model."""
        if self.frozen_copy is None:
            return self.reference_adapter
        return {name: value.detach() for name, value in self.frozen_copy.named_parameters()}

    def load_reference_state(self, state: Mapping[str, Tensor]) -> None:
        """Set the reference to what reference_state() gave. Raises CheckpointError when it does not match."""
        known = self.adapter_state() if self.frozen_copy is None else self.reference_state()
        _require_same(known, state)
        if self.frozen_copy is None:
            self.reference_adapter.update({name: value.clone() for name, value in state.items()})
            return
        with torch.no_grad():
            for name, value in known.items():
                value.copy_(state[name])

    @contextmanager
    def _exchanged(self, state: Mapping[str, Tensor]) -> Iterator[None]:
        """The trainable tensors hold `state` inside the block, and what they held before after it."""
        own = {name: parameter.data for name, parameter in self.trainable()}
        try:
            for name, parameter in self.trainable():
                parameter.data = state[name]
            yield
        finally:
            for name, parameter in self.trainable():
                parameter.data = own[name]

    def backbone_and_head(self, module: nn.Module) -> tuple[nn.Module, nn.Linear] | None:
        """The decoder without its head, and the head, of the model or its reference; None when it has no such parts.

        Some architectures scale or cap what the head gives, so compare with the whole model before relying on them.
        """
        model: Any = module.get_base_model() if hasattr(module, "get_base_model") else module  # type: ignore[operator]
        decoder, head = model.get_decoder(), model.get_output_embeddings()
        if decoder is None or decoder is model or not isinstance(head, nn.Linear):
            return None
        return decoder, head

    def adapter_state(self) -> dict[str, Tensor]:
        """The trainable tensors by name, detached but not copied: of the adapter, or of the whole model."""
        return {name: value.detach() for name, value in self.trainable()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Set the trainable tensors to what adapter_state() gave. Raises CheckpointError when they do not match."""
        load_trainable(self.model, state)


def load_trainable(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Set the parameters that take gradients to `state`. Raises CheckpointError when it does not match them."""
    trainable = {name: value for name, value in sorted(model.named_parameters()) if value.requires_grad}
    _require_same(trainable, state)
    with torch.no_grad():
        for name, value in trainable.items():
            value.copy_(state[name])


def _require_same(here: Mapping[str, Tensor], there: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError unless both hold tensors of the same names and shapes."""
    if differing := sorted(here.keys() ^ there.keys()):
        raise _other_model(f"{len(differing)} tensors are in one of them alone, such as {differing[0]}")
    for name, value in here.items():
        if value.shape != there[name].shape:
            raise _other_model(f"{name} is {tuple(there[name].shape)} there and {tuple(value.shape)} here")


def _other_model(reason: str) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint does not belong to this model: {reason}.",
        hint="Resume with the model, the adapter and the LoRA rank it was made with.",
    )
