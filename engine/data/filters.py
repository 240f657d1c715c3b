"""Which rows are used, and how hard each is: duplicates, leaks, measured pass rates. Pure, over lists of examples."""

import re
from collections.abc import Iterator, Sequence

from engine.config_data import DataConfig, chooses_by_pass_rate
from engine.data.example import Example
from engine.data.leaks import shows_answer
from engine.data.pass_rates import PassRates, expected_rate
from engine.data.template import as_text

Located = tuple[str, Example]  # where it stands, and what it is
DUPLICATE, LEAK, PASS_RATE, TOO_LONG = "duplicates", "leaks", "pass rate", "too long"
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def reasons_to_drop(rows: Sequence[Located], config: DataConfig, rates: PassRates) -> Iterator[str | None]:
    """For each row why it is left out; None for one that stays."""
    seen: set[str] = set()
    by_rate = chooses_by_pass_rate(config)
    for _, example in rows:
        if config.drop_duplicates and example.prompt in seen:
            yield DUPLICATE
            continue
        seen.add(example.prompt)
        if config.drop_leaks and shows_answer(example.question, example.answer):
            yield LEAK
        elif by_rate and not _is_between(rates.get(example.id), config):
            yield PASS_RATE
        else:
            yield None


def difficulty(row: Located, config: DataConfig, rates: PassRates) -> float:
    """How hard a row is, larger for harder: its difficulty column, else one minus the expected pass rate.

    Raises ValueError when the column holds no number.
    """
    if config.order == "shuffled":
        return 0.0
    if config.difficulty_column is None:
        return 1 - expected_rate(rates.get(row[1].id))
    cell = row[1].columns.get(config.difficulty_column)
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return float(cell)
    number = _NUMBER.search(as_text(cell)[:200])  # also in "Level 3"
    if number is None:
        raise ValueError(f"'{config.difficulty_column}' has no number.")
    return float(number[0])


def _is_between(counts: tuple[int, int] | None, config: DataConfig) -> bool:
    if counts is None:
        return config.keep_unmeasured
    return config.min_pass_rate <= counts[0] / counts[1] <= config.max_pass_rate
