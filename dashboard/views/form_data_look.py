"""What the New-run form knows about data before anything starts: first rows, and what filters and checks make of all.

A source is read once, and again only when one of its files has another size or time of change. Small files are read
here; large ones in a child process, and only to be looked at: what comes of all their rows is for the check to say.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import streamlit as st
from pydantic import ValidationError

from dashboard.views.form_model import get_value
from dashboard.views.form_state import FormState
from engine.config_data import GYM, DataConfig, DataSource, chooses_by_pass_rate
from engine.data.checks import Finding, check_examples
from engine.data.columns import FilePreview, preview_source, preview_table
from engine.data.examples import open_dataset
from engine.data.filters import reasons_to_drop
from engine.data.pass_rates import FILE, PassRates, read_pass_rates
from engine.data.preview_client import preview_in_child
from engine.data.sources import read_source, source_files
from engine.data.table import Table
from engine.data.tasks.registry import is_task
from engine.errors import DatasetError, LabError, Problem

PREVIEW_ROWS: Final = 3
SMALL_BYTES: Final = 4 * 2**20  # 12,000 short rows: about a second of work, most of it to look for what is odd
LARGE_TIMEOUT_S, FETCH_TIMEOUT_S = 120.0, 900.0
READ: Final = ("source", "params", "subset", "split", "revision", "prompt_column", "answer_column", "prompt_template")
MADE: Final = "new_run.data.made"  # session: rows that were asked for, of sources that have to be made or downloaded

Stamp = tuple[tuple[str, int, int], ...]  # path, time of change, size of each file


@dataclass(frozen=True)
class Report:
    """What comes of all rows. `leaves`: filter → how many of `rows` it leaves by itself; only what could be counted.

    `measured`: rows with a pass rate. `train_size` None: endless. With a `problem` there is no dataset.
    """

    rows: int = 0
    measured: int = 0
    leaves: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    train_size: int | None = None
    held_out: int = 0
    findings: tuple[Finding, ...] = ()
    problem: Problem | None = None


def draft_source(form: FormState, prefix: str) -> DataSource | None:
    """The source at this place of the draft, as far as reading it goes; None for one that cannot be."""
    raw = {name: value for name in READ if (value := form.value(f"{prefix}.{name}")) is not None}
    try:
        return DataSource.model_validate(raw)
    except ValidationError:
        return None


def look_at(source: DataSource) -> FilePreview:
    """The first rows of a source that is no built-in task. Nothing is downloaded, or made, that nobody asked for."""
    text = source.model_dump_json()
    if text in st.session_state.get(MADE, {}):
        found: FilePreview = st.session_state[MADE][text]
        return found
    if source.source.startswith(GYM):
        return preview_source(source, PREVIEW_ROWS)
    try:
        stamp = stamp_of(source)
    except DatasetError:
        return preview_source(source, PREVIEW_ROWS)  # which says what is wrong, or that it is not here yet
    return _look_here(text, stamp) if size_of(stamp) <= SMALL_BYTES else _look_in_child(text, stamp)


def make_now(source: DataSource) -> FilePreview:
    """Download the source, or have its rows made, and remember its first rows for this session."""
    found = preview_in_child(source, limit=PREVIEW_ROWS, timeout_s=FETCH_TIMEOUT_S)
    if source.source.startswith(GYM) or found.problems:  # what was downloaded is found on the disk
        st.session_state[MADE] = {source.model_dump_json(): found}
    return found


def stamp_of(source: DataSource) -> Stamp:
    """Raises DatasetError when it names no files, NotFetched when they are not here."""
    return tuple(_stamp(path) for path in source_files(source, fetch=False))


def size_of(stamp: Stamp) -> int:
    return sum(size_bytes for _, _, size_bytes in stamp)


def report(form: FormState) -> Report | None:
    """What comes of all rows of the draft; None when that is not known without the check, or there are none."""
    try:
        config = DataConfig.model_validate(form.value("data"))
        seed = int(form.value("seed", 0))
    except (ValidationError, TypeError, ValueError):
        return None
    sources = [source for source in config.sources() if not is_task(source.source)]
    if not sources or any(source.source.startswith(GYM) for source in sources):
        return None
    try:
        stamps = tuple(stamp for source in sources for stamp in stamp_of(source))
    except DatasetError:
        return None
    if size_of(stamps) > SMALL_BYTES:
        return None
    rates = () if config.pass_rates is None else tuple(_rates_stamp(config.pass_rates))
    return _report(config.model_dump_json(), seed, stamps, rates)


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except (OSError, ValueError):  # whoever reads it says why
        return str(path), 0, 0
    return str(path), found.st_mtime_ns, found.st_size


def _rates_stamp(source: str) -> Iterator[tuple[str, int, int]]:
    """Of a file of pass rates, or of those of a run, whose store may grow."""
    path = Path(os.path.expanduser(source))
    yield _stamp(path)
    for name in (FILE, "run.db", "run.db-wal"):
        yield _stamp(path / name)


@lru_cache(maxsize=16)
def _look_here(source_json: str, stamp: Stamp) -> FilePreview:
    source = DataSource.model_validate_json(source_json)
    read = source.model_copy(update={"prompt_column": None, "answer_column": None, "prompt_template": "{prompt}"})
    try:
        table = _table(read.model_dump_json(), stamp)
    except DatasetError as error:
        return FilePreview(source.source, 0, [], [], None, [], [str(error)])
    return preview_table(table, source, PREVIEW_ROWS)


@lru_cache(maxsize=2)
def _table(source_json: str, _stamp: Stamp) -> Table:
    return read_source(DataSource.model_validate_json(source_json), fetch=False)


@st.cache_data(max_entries=16, show_spinner="Reading the data …")
def _look_in_child(source_json: str, stamp: Stamp) -> FilePreview:
    source = DataSource.model_validate_json(source_json)
    return preview_in_child(source, limit=PREVIEW_ROWS, timeout_s=LARGE_TIMEOUT_S)


@st.cache_data(max_entries=8, show_spinner="Reading all rows …")
def _report(config_json: str, seed: int, stamps: Stamp, rates: Stamp) -> Report:
    """`stamps` and `rates` only say when to read again."""
    config = DataConfig.model_validate_json(config_json)
    try:
        dataset = open_dataset(config, seed, fetch=False)
    except LabError as error:
        problem = Problem(error.field or "data.source", error.message, error.hint)
        return Report(**_counts(config, seed), problem=problem, findings=_findings_without_split(config, seed))
    return Report(
        **_counts(config, seed), dropped=dict(dataset.dropped), train_size=dataset.train_size,
        held_out=len(dataset.held_out), findings=tuple(check_examples(dataset)),
    )  # fmt: skip


def _findings_without_split(config: DataConfig, seed: int) -> tuple[Finding, ...]:
    """What is odd about rows of which too many are to be held out, which is no reason to keep silent about them."""
    try:
        dataset = open_dataset(config.model_copy(update={"held_out": len(config.sources())}), seed, fetch=False)
    except LabError:
        return ()
    return tuple(check_examples(dataset))


def _counts(config: DataConfig, seed: int) -> dict[str, Any]:
    """`rows`, `measured` and `leaves` of the sources that have rows; nothing where they cannot be opened."""
    none = {"drop_duplicates": False, "drop_leaks": False, "min_pass_rate": 0.0, "max_pass_rate": 1.0}
    alone = {"drop_duplicates": none | {"drop_duplicates": True}, "drop_leaks": none | {"drop_leaks": True}}
    if chooses_by_pass_rate(config):
        alone["pass_rates"] = none | {name: getattr(config, name) for name in ("min_pass_rate", "max_pass_rate")}
    rows, measured, leaves = 0, 0, dict.fromkeys(alone, 0)
    try:
        rates: PassRates = read_pass_rates(config.pass_rates) if config.pass_rates else {}
        for source in config.sources():
            if is_task(source.source):
                continue
            plain = DataConfig(**source.model_dump(include=set(READ)), held_out=1)
            examples = list(open_dataset(plain, seed, fetch=False).examples())
            rows += len(examples)
            measured += sum(example.id in rates for _, example in examples)
            for name, only in alone.items():
                reasons = reasons_to_drop(examples, config.model_copy(update=only), rates)
                leaves[name] += sum(reason is None for reason in reasons)
    except LabError:
        return {}
    return {"rows": rows, "measured": measured, "leaves": leaves}


def source_label(value: Any) -> str:
    """The source of a draft in a few letters, for a line about several."""
    text = str(value or "").strip()
    lines = text.splitlines()
    name = Path(lines[0]).name if lines and lines[0].startswith(("/", "~", ".")) else (lines or ["no source yet"])[0]
    return f"{name} and {len(lines) - 1} more" if len(lines) > 1 else name


def shares(form: FormState) -> list[tuple[str, float]]:
    """(source, share of the prompts) of a mixture; empty while a weight is no number above 0."""
    entries = [form.value("data"), *form.value("data.mixture", [])]
    weights = [get_value({"at": entry}, "at.weight", 1.0) for entry in entries]
    if not all(isinstance(w, int | float) and not isinstance(w, bool) and w > 0 for w in weights):
        return []
    names = [source_label(get_value({"at": entry}, "at.source")) for entry in entries]
    return [(name, weight / sum(weights)) for name, weight in zip(names, weights, strict=True)]
