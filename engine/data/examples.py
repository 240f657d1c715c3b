"""Opens the data of a run as a Dataset of examples: a built-in task, files, a data set of the Hub, or a mixture."""

from collections.abc import Sequence

from engine.config_data import GYM, DataConfig, DataSource
from engine.data.example import Dataset, Example
from engine.data.gym import gym_table
from engine.data.mixture import apportioned, mixed
from engine.data.pass_rates import PassRates, read_pass_rates
from engine.data.rows import row_dataset
from engine.data.sources import read_source, source_name
from engine.data.table import fail
from engine.data.tasks.dataset import TaskDataset
from engine.data.tasks.registry import is_task
from engine.seeds import derive_seed

__all__ = ["Dataset", "Example", "open_dataset"]


def open_dataset(config: DataConfig, seed: int, *, fetch: bool = True) -> Dataset:
    """The dataset of a configuration. Raises DatasetError naming file and row for everything that cannot be used.

    Without `fetch` nothing is downloaded: a data set of the Hub that is not here raises NotFetched.
    """
    rates = read_pass_rates(config.pass_rates) if config.pass_rates else {}
    sources = config.sources()
    if len(sources) == 1:
        return _open(config, config, rates, config.held_out, seed, fetch=fetch)
    if config.held_out < len(sources):
        fail(f"{config.held_out} held-out examples cannot come from {len(sources)} sources.",
             f"Hold out at least {len(sources)}.", "data.held_out")  # fmt: skip
    weights = [source.weight for source in sources]
    counts = apportioned(weights, config.held_out)
    seeds = [seed, *(derive_seed(seed, place, "mixture") for place in range(1, len(sources)))]
    parts = [
        _open(source, config, rates, *rest, fetch=fetch) for source, *rest in zip(sources, counts, seeds, strict=True)
    ]
    return mixed(list(zip(_names(sources), weights, parts, strict=True)))


def _open(
    source: DataSource, config: DataConfig, rates: PassRates, held_out: int, seed: int, *, fetch: bool
) -> Dataset:
    if is_task(source.source):
        return TaskDataset(source, held_out, seed)
    is_gym = source.source.startswith(GYM)
    table = gym_table(source, held_out, seed) if is_gym else read_source(source, fetch=fetch)
    return row_dataset(table, source, config, rates, held_out, seed)


def _names(sources: Sequence[DataSource]) -> list[str]:
    """A short name for each source, none of them twice."""
    names: list[str] = []
    for source in sources:
        name = source.source if is_task(source.source) else source_name(source.source)
        count = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({count + 1})" if count else name)
    return names
