"""The training loop and its parts: the optimizer step, checkpoints, evaluation."""
