"""DataConfig: where examples come from, how rows become prompts, which of them are used, and in which order."""

import re
from typing import Any, Literal

from engine.config_section import Section, knob

GYM = "reasoning-gym:"  # and the name of one of its tasks
DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


class DataSource(Section):
    """One source of examples, and how its rows become prompts."""

    source: str = knob(
        ...,
        "A built-in task such as `arithmetic`; a JSONL, JSON, CSV, TSV or Parquet file, or a folder of them; a data "
        "set on the Hub as owner/name; or `reasoning-gym:` and one of its tasks. Several files: one in a line.",
        label="Data",
        min_length=1,
    )
    params: dict[str, Any] = knob({}, "Settings of the built-in task.", label="Task settings")
    subset: str | None = knob(
        None,
        "Which part of a data set on the Hub, where it has several.",
        label="Subset",
        empty="the only one, or its default",
        advanced=True,
        max_length=200,
    )
    split: str = knob(
        "train",
        "Which files of a folder, or of a data set on the Hub: those whose names say so.",
        label="Split",
        advanced=True,
        min_length=1,
        max_length=100,
    )
    revision: str | None = knob(
        None,
        "Version of a data set on the Hub: a branch, a tag or a commit.",
        label="Revision",
        empty="the newest",
        advanced=True,
        max_length=200,
    )
    prompt_column: str | None = knob(
        None,
        "Column with the question. Empty: found by its usual names, such as question or prompt.",
        label="Prompt column",
        empty="found by its name",
    )
    answer_column: str | None = knob(
        None,
        "Column with the right answer. Empty: found by its usual names, such as answer or solution.",
        label="Answer column",
        empty="found by its name",
    )
    prompt_template: str = knob(
        "{prompt}",
        "Text around each question: {prompt} stands for the question, {name} for the column of that name. In a "
        "conversation it applies to the last question.",
        label="Prompt template",
        max_length=20_000,
    )
    weight: float = knob(
        1.0,
        "How much of the mixture comes from here, beside the weights of the other sources.",
        label="Share in the mixture",
        advanced=True,
        gt=0,
        le=1000,
    )


class DataConfig(DataSource):
    mixture: tuple[DataSource, ...] = knob(
        (),
        "Further sources. Prompts are drawn from all of them in proportion to their weights; the column `data_source` "
        "says where each is from.",
        label="Mixed with",
        max_length=15,
        strict=False,  # JSON has lists, not tuples
    )
    held_out: int = knob(
        64, "Examples kept out of training and used for evaluation.", label="Held-out examples", ge=1, le=10_000
    )
    drop_duplicates: bool = knob(
        False, "Use only the first of the rows that have the same prompt.", label="Drop duplicates", advanced=True
    )
    drop_leaks: bool = knob(
        False, "Leave out rows whose prompt shows the right answer.", label="Drop leaks", advanced=True
    )
    max_prompt_tokens: int | None = knob(
        None,
        "Leave out rows whose prompt has more tokens; a built-in task draws other problems. Empty: a prompt that "
        "leaves no room for a completion is an error.",
        label="Longest prompt",
        empty="no limit",
        unit="tokens",
        advanced=True,
        ge=1,
        le=1_000_000,
    )
    pass_rates: str | None = knob(
        None,
        "How often each prompt was answered right: the pass_rates.json of a pre-flight, or the folder of a run.",
        label="Measured pass rates",
        empty="none",
        advanced=True,
        min_length=1,
    )
    min_pass_rate: float = knob(
        0.0,
        "Leave out prompts that were answered right less often: those the model never gets right give no signal.",
        label="Pass rate, at least",
        advanced=True,
        ge=0,
        le=1,
    )
    max_pass_rate: float = knob(
        1.0,
        "Leave out prompts that were answered right more often.",
        label="Pass rate, at most",
        advanced=True,
        ge=0,
        le=1,
    )
    keep_unmeasured: bool = knob(
        False, "Where pass rates choose: keep prompts that were never measured.", label="Keep unmeasured", advanced=True
    )
    order: Literal["shuffled", "easy_first", "hard_first"] = knob(
        "shuffled",
        "Order of the training prompts, by measured pass rate or by the difficulty column. Each pass through the data "
        "begins anew.",
        label="Order",
        words={"shuffled": "shuffled", "easy_first": "from easy to hard", "hard_first": "from hard to easy"},
        equation="by (right + 1) / (tried + 2), so that prompts never tried stand in the middle",
        advanced=True,
    )
    difficulty_column: str | None = knob(
        None,
        "Column with a number that is larger for harder rows, for the order.",
        label="Difficulty column",
        empty="by measured pass rate",
        advanced=True,
    )

    def sources(self) -> tuple[DataSource, ...]:
        """Every source of the mixture, this one first."""
        return (self, *self.mixture)


def chooses_by_pass_rate(config: DataConfig) -> bool:
    """Whether measured pass rates decide which prompts are used."""
    return config.min_pass_rate > 0 or config.max_pass_rate < 1


def looks_like_hub(source: str) -> bool:
    """Whether a source has the form of a data set's name on the Hub, owner/name, and not that of a file."""
    return (
        _HUB_ID.fullmatch(source) is not None
        and re.search(r"--|\.\.", source) is None
        and not source.lower().endswith(DATA_SUFFIXES)
    )
