"""Measures how fast this machine multiplies, reads weights and begins an operation: about 0.3 s, with torch."""

import time
from collections.abc import Callable

import torch
from torch import nn

from engine.machine_speed import MachineSpeed

BUDGET_S = 0.08  # for each of the three
# A forward pass of a small model over a micro-batch, and one decoding step of a batch through weights of 32 MiB.
TOKENS, WIDTH, INNER = 256, 576, 1536
ROWS, WIDE = 16, 2896
SMALL = 16


@torch.no_grad()
def measure_speed(device: str, threads: int | None) -> MachineSpeed:
    """The speed with so many threads; None is all cores. Means, not best values: others may be using the machine too.

    Sets the number of threads of this process.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    tokens, up = torch.ones(TOKENS, WIDTH, device=device), torch.ones(INNER, WIDTH, device=device)
    rows, wide = torch.ones(ROWS, WIDE, device=device), torch.ones(WIDE, WIDE, device=device)
    little = torch.ones(SMALL, SMALL, device=device)
    product = _seconds(lambda: nn.functional.linear(tokens, up), device)
    decoding = _seconds(lambda: nn.functional.linear(rows, wide), device)
    operation = _seconds(lambda: little * little, device, calls=200)
    return MachineSpeed(
        device=device,
        threads=threads or 0,
        matmul_flops=2 * TOKENS * WIDTH * INNER / product,
        weight_bytes=WIDE * WIDE * 4 / decoding,
        operation_s=operation,
    )


def _seconds(work: Callable[[], object], device: str, calls: int = 1) -> float:
    """Mean seconds of a call, over as many as fit into the budget; the first one warms up and does not count."""
    work()
    _finish(device)
    done, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < BUDGET_S or not done:
        for _ in range(calls):
            work()
        _finish(device)
        done += calls
    return spent / done if spent else BUDGET_S


def _finish(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()
