"""Opens the data of a run: the built-in task or a file, as a Dataset of examples."""

from engine.config import DataConfig
from engine.data.arithmetic import Arithmetic
from engine.data.example import Dataset, Example
from engine.data.file_dataset import FileDataset

__all__ = ["Dataset", "Example", "open_dataset"]


def open_dataset(config: DataConfig, seed: int) -> Dataset:
    """The dataset of a configuration. Raises DatasetError naming file and row for everything that cannot be used."""
    return Arithmetic(config, seed) if config.source == "arithmetic" else FileDataset(config, seed)
