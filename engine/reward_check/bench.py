"""What the parts of a check share: the reward, the rows of data it is tried on, and how answers are written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.config import RewardSpec, RunConfig
from engine.config_rewards import is_trained
from engine.data.example import Dataset, Example
from engine.errors import ModelError
from engine.models.catalog import model_facts
from engine.reward_check.answers import Asked, asked_form, written
from engine.reward_check.probe import Answers, Probe, Sample
from engine.reward_check.strategies import Row
from engine.reward_check.types import Evidence, shown
from engine.rewards.info import Kind, RewardInfo
from engine.rewards.registry import info_of, kind_of

MAX_ROWS = 100
MAX_OTHERS = 4
BASE_ROWS = 4  # of the batch that is asked again and again; two completions of each


@dataclass(frozen=True)
class Bench:
    """`rows`: (where it stands, example), evenly spaced over the data; `shares`: each answer's share of the data."""

    config: RunConfig
    spec: RewardSpec
    info: RewardInfo
    kind: Kind
    probe: Probe
    rows: Sequence[tuple[str, Example]]
    data_name: str
    data_columns: frozenset[str]
    commonest: tuple[str, float]
    asked: Asked
    chat_known: bool
    copies: Path | None

    @property
    def is_monitor(self) -> bool:
        return not is_trained(self.spec)

    @property
    def has_gold(self) -> bool:
        return any(example.answer for _, example in self.rows)

    def sample(self, place: int, text: str) -> Sample:
        """A completion for the row at this place; rows begin again after the last."""
        where, example = self.rows[place % len(self.rows)]
        return Sample(where, example, text)

    def base(self) -> list[Sample]:
        """An ordinary batch: of each row a right and a wrong answer, or two texts where the data have no answers."""
        found = []
        for place in range(min(BASE_ROWS, len(self.rows))):
            row = self.row(place)
            answers = (row.gold, next(iter(row.others), f"{row.gold} or so")) if row.gold else ()
            texts = [written(answer, self.asked.form) for answer in answers] or ["Answer: yes.", "It may be otherwise."]
            found += [self.sample(place, text) for text in texts]
        return found

    def row(self, place: int) -> Row:
        where, example = self.rows[place]
        gold = (example.answer or "").strip()
        after = [self.rows[(place + step) % len(self.rows)][1].answer or "" for step in range(1, len(self.rows))]
        others = dict.fromkeys(answer.strip() for answer in after if answer.strip() not in ("", gold))
        return Row(where, example.prompt, gold, tuple(others)[:MAX_OTHERS], self.commonest[0])

    def distinct(self, count: int) -> list[int]:
        """Places of up to `count` rows with different reference answers; any rows where there are none."""
        if not self.has_gold:
            return list(range(min(count, len(self.rows))))
        first = {example.answer.strip(): place for place, (_, example) in reversed(list(enumerate(self.rows)))
                 if example.answer and example.answer.strip()}  # fmt: skip
        return sorted(first.values())[:count]


def open_bench(config: RunConfig, spec: RewardSpec, dataset: Dataset, *, copies: Path | None, budget_s: float) -> Bench:
    """Raises ConfigError for bad settings of the reward."""
    info = info_of(spec)
    everything = list(dataset.examples())
    rows = spaced(everything, MAX_ROWS)
    chat = shows_messages(config)
    probe = Probe(config, spec, copies=copies, chat=bool(chat), budget_s=budget_s)
    assert info is not None  # Probe has refused what the library does not have
    counts = Counter(example.answer.strip() for _, example in everything if example.answer and example.answer.strip())
    commonest = counts.most_common(1)
    return Bench(
        config, spec, info, kind_of(spec) or info.kind, probe, rows, dataset.name,
        frozenset(name for _, example in rows for name in example.columns),
        (commonest[0][0], commonest[0][1] / counts.total()) if commonest else ("", 0.0),
        asked_form(config, spec, [example.prompt for _, example in rows[:20]]), chat is not None, copies,
    )  # fmt: skip


def spaced(rows: Sequence[tuple[str, Example]], most: int) -> Sequence[tuple[str, Example]]:
    """At most so many of the rows, evenly spaced."""
    return rows if len(rows) <= most else [rows[place * len(rows) // most] for place in range(most)]


def shows_messages(config: RunConfig) -> bool | None:
    """Whether rewards of this run get chat messages; None when the model is not here to be asked."""
    if config.model.chat_template is not None:
        return config.model.chat_template
    try:
        return model_facts(config.model.source).has_chat_template
    except ModelError:
        return None


def evidence_of(samples: Sequence[Sample], answers: Answers, places: Sequence[int]) -> tuple[Evidence, ...]:
    """The completions at these places, with what was said of them; the answer that was read, or the reason."""
    found = []
    for place in places:
        sample, parsed = samples[place], answers.parsed[place]
        note = answers.reasons[place] or (f"read {parsed!r}" if parsed is not None else "")
        found.append(
            Evidence(
                sample.where, shown(sample.example.prompt), shown(sample.text), sample.example.answer,
                answers.values[place], shown(note),
            )
        )  # fmt: skip
    return tuple(found)
