"""Rows read from files: what each holds, where it stands, and what is wrong with those that cannot be used."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, NoReturn

from engine.errors import DatasetError

SHOWN_FAULTS = 5
MAX_FAULTS = 10_000  # after so many a file is not read to its end: it is something else than it seems


@dataclass
class Faults:
    """What is wrong with single rows: the first few in words, the rest as a count."""

    first: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, where: str, what: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN_FAULTS:
            self.first.append(f"{where}: {what}")

    def lines(self) -> list[str]:
        rest = self.count - len(self.first)
        least = "at least " if self.count >= MAX_FAULTS else ""
        return [*self.first, *([f"… and {least}{rest:,} more."] if rest else [])]

    def raise_any(self, hint: str) -> None:
        """Raises DatasetError when there is a fault."""
        if self.count:
            raise DatasetError("\n".join(self.lines()), hint=hint, field="data.source")


class Place(NamedTuple):
    """A file that rows come from. They are counted in lines where the file has lines."""

    name: str
    unit: Literal["line", "row"] = "line"


class Row(NamedTuple):
    """One row: its number in its file, from 1, its cells as JSON would hold them, and the file."""

    number: int
    values: dict[str, Any]
    place: Place

    @property
    def where(self) -> str:
        """ "data.jsonl, line 3"."""
        return f"{self.place.name}, {self.place.unit} {self.number}"


@dataclass(frozen=True)
class Table:
    """The rows that could be read, their columns in order of appearance, and what was wrong with other rows."""

    name: str
    columns: list[str]
    rows: list[Row]
    faults: Faults = field(default_factory=Faults)


def fail(message: str, hint: str, field: str = "data.source") -> NoReturn:
    """Raises DatasetError: the source as a whole cannot be used."""
    raise DatasetError(message, hint=hint, field=field)
