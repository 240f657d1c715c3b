"""The policy: the model that is trained, with its tokenizer, its reference, and what training changes in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import CheckpointError


@dataclass(frozen=True)
class Policy:
    """A model in evaluation mode (no dropout), of which `trainable()` takes gradients.

    `frozen_copy` is the reference of full fine-tuning; with LoRA it is None, and the reference is the model without its
    adapter.
    """

    model: nn.Module
    tokenizer: Any
    context_length: int
    eos_ids: frozenset[int]
    pad_id: int
    frozen_copy: nn.Module | None = None

    def trainable(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters that training changes, sorted by name. A tied weight is listed once."""
        return sorted((name, value) for name, value in self.model.named_parameters() if value.requires_grad)

    @contextmanager
    def reference(self) -> Iterator[nn.Module]:
        """The module that computes the reference inside the `with` block; call it without gradient."""
        if self.frozen_copy is not None:
            yield self.frozen_copy
            return
        with self.model.disable_adapter():  # type: ignore[operator]
            yield self.model

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
        trainable = dict(self.trainable())
        if differing := sorted(trainable.keys() ^ state.keys()):
            raise _other_model(f"{len(differing)} tensors are in one of them alone, such as {differing[0]}")
        for name, value in trainable.items():
            if value.shape != state[name].shape:
                raise _other_model(f"{name} is {tuple(state[name].shape)} there and {tuple(value.shape)} here")
        with torch.no_grad():
            for name, value in trainable.items():
                value.copy_(state[name])


def _other_model(reason: str) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint does not belong to this model: {reason}.",
        hint="Resume with the model, the adapter and the LoRA rank it was made with.",
    )
