"""Models small enough for one thread."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """More threads wait for each other longer than they compute."""
    torch.set_num_threads(1)
