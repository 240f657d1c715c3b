"""Built-in task: sums of two numbers, such as "47+38=" → "85". Endless, seeded, some pairs never trained on."""

import hashlib
from collections.abc import Iterator

from engine.config import DataConfig
from engine.data.example import Example, example_id
from engine.data.template import check_template, fill_template
from engine.errors import DatasetError
from engine.seeds import derive_seed

HELD_OUT_SHARE = 10  # one pair in ten


def is_held_out(a: int, b: int) -> bool:
    """Whether no training run, and no pretraining of the embedded model, may see a+b."""
    digest = hashlib.blake2b(f"{a}+{b}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % HELD_OUT_SHARE == 0


class Arithmetic:
    """Sums of two numbers from 0 to 10^digits − 1, without leading zeros. Implements Dataset."""

    train_size: int | None = None

    def __init__(self, config: DataConfig, seed: int) -> None:
        """Raises DatasetError for a bad prompt template, and for more held-out examples than there are."""
        self.name = f"arithmetic, {config.digits} {'digit' if config.digits == 1 else 'digits'}"
        self._limit = 10**config.digits
        self._template = config.prompt_template
        self._seed = seed
        check_template(self._template, ["a", "b", "answer"])
        self.held_out = tuple(self._example(a, b) for a, b in self._held_out_pairs(config.held_out))

    def train(self, position: int) -> Example:
        return self._example(*self._draw(position, "arithmetic", held_out=False))

    def row_of(self, position: int) -> str:
        return f"{self.name}, example {position + 1}"

    def examples(self) -> Iterator[tuple[str, Example]]:
        for index, example in enumerate(self.held_out):
            yield f"{self.name}, held-out example {index + 1}", example

    def _held_out_pairs(self, count: int) -> list[tuple[int, int]]:
        self._check_count(count)
        pairs: dict[tuple[int, int], None] = {}
        position = 0
        while len(pairs) < count:
            pairs[self._draw(position, "arithmetic-held-out", held_out=True)] = None
            position += 1
        return list(pairs)

    def _check_count(self, count: int) -> None:
        if self._limit > 100:
            return  # 100,000 held-out pairs and more, beyond what the setting allows
        there = sum(is_held_out(a, b) for a in range(self._limit) for b in range(self._limit))
        if count > there:
            raise DatasetError(
                f"{self.name}: {count:,} held-out examples were asked for, but only {there:,} pairs are held out.",
                hint=f"Set held-out examples to {there:,} or less, or take more digits.",
                field="data.held_out",
            )

    def _draw(self, position: int, purpose: str, *, held_out: bool) -> tuple[int, int]:
        """The pair at this position: the first of a seeded sequence that is, or is not, held out."""
        attempt = 0
        while True:
            a, b = divmod(derive_seed(self._seed, position, purpose, attempt) % self._limit**2, self._limit)
            if is_held_out(a, b) == held_out:
                return a, b
            attempt += 1

    def _example(self, a: int, b: int) -> Example:
        question, answer = f"{a}+{b}=", str(a + b)
        columns = {"a": a, "b": b, "answer": answer}
        prompt = fill_template(self._template, question, columns)
        return Example(example_id(prompt, answer), prompt, question, answer, columns)
